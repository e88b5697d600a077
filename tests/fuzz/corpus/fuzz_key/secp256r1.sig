30D UÏ nìÄ\Si(õ§
–Sö¬+Qêøá"Qz€ü±Åg Q2ýÆ»;ÙCkoa¾ê_]0ÿ._WrAw˜aU<