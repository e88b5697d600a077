/* Options of the WM3M4C, common to its driver and its simulated meter. The
 * table with ranges, defaults and help is in options.c. */
#ifndef WM3M4C_OPTIONS_H
#define WM3M4C_OPTIONS_H

#include "metergate/plugin.h"

/* Register 47059; WM3M4 manual V1.07, 5.5.5. */
enum wm3m4c_signature_format { WM3M4C_HEX, WM3M4C_BASE64 };

/* Register 47073, one bit per place; WM3M4 manual V1.07, 5.5.4.4. */
enum wm3m4c_time_form { WM3M4C_LOCAL, WM3M4C_UTC };

/* What the meter is. Bit numbers of `variants` in the tables. */
enum wm3m4c_variant {
    WM3M4C_PLAIN, /* WM3M4: no crypto chip */
    WM3M4C_SIGNS  /* WM3M4C */
};

#define WM3M4C_LCD_TEXT_LEN  8
#define WM3M4C_LCD_LABEL_LEN 4
#define WM3M4C_LCD_UNCHANGED (-1)

struct wm3m4c_options {
    /* Both. */
    int64_t crypto; /* bool: WM3M4C; false: WM3M4 */
    /* The driver's. */
    int64_t signature_format;  /* enum wm3m4c_signature_format, 47059 */
    int64_t end_format;        /* 0..2, 47076 */
    int64_t clock_timeout_min; /* 47072 */
    int64_t lcd_time;          /* enum wm3m4c_time_form, 47073 bit 1 */
    int64_t record_time;       /* enum wm3m4c_time_form, 47073 bit 2 */
    int64_t lcd_row2;          /* bits of 47062; WM3M4C_LCD_UNCHANGED */
    char lcd_text[WM3M4C_LCD_TEXT_LEN + 1];   /* 47063; "" leaves it */
    char lcd_label[WM3M4C_LCD_LABEL_LEN + 1]; /* 47067; "" leaves it */
    /* The simulated meter's. */
    int64_t firmware_version; /* 208: 2.08 */
    int64_t sign_time_ms;     /* manual 5.5.9: up to 1 s */
    int64_t crypto_status;    /* 0; else what 47052 says instead of 15 */
    int64_t errors;           /* error word from the start, manual 4.6.1 */
    int64_t der_defect;       /* bool: leading 00 in the INTEGERs */
    int64_t single_phase;     /* bool: connected on L3 only */
    int64_t is_locked;        /* bool: MID lock */
    int64_t optical_port;     /* bool: a second pty */
};

#define WM3M4C_N_OPTIONS 17

extern const struct mg_option wm3m4c_options[WM3M4C_N_OPTIONS];

#endif
