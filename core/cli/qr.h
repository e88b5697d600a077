/* A QR code in the terminal. */
#ifndef MG_CLI_QR_H
#define MG_CLI_QR_H

#include <stdio.h>

/** Two rows of modules to a line of half blocks, dark on light, with the quiet
 *  zone of four modules. Upper-case text makes the smallest code.
 *  @return 0; -1: too long, or out of memory */
int qr_print(FILE *out, const char *text);

#endif
