/* The table of the WM3M4C's options. */
#include "options.h"

#define OFFSET(member)  offsetof(struct wm3m4c_options, member)
#define SIZE_OF(member) sizeof(((struct wm3m4c_options *)NULL)->member)

static const char *const FORMATS[] = {"hex", "base64", NULL};
static const char *const TIME_FORMS[] = {"local", "utc", NULL};

const struct mg_option wm3m4c_options[WM3M4C_N_OPTIONS] = {
    {.name = "crypto",
     .type = MG_OPTION_BOOL,
     .def = 1,
     .max = 1,
     .offset = OFFSET(crypto),
     .size = SIZE_OF(crypto),
     .help = "true: WM3M4C, which signs; false: WM3M4, which does not."},
    {.name = "signature-format",
     .type = MG_OPTION_ENUM,
     .def = WM3M4C_HEX,
     .max = WM3M4C_BASE64,
     .choices = FORMATS,
     .offset = OFFSET(signature_format),
     .size = SIZE_OF(signature_format),
     .help = "How the meter hands over signatures: hex (binary ASN.1) or "
             "base64."},
    {.name = "end-format",
     .type = MG_OPTION_INT,
     .def = 1,
     .max = 2,
     .offset = OFFSET(end_format),
     .size = SIZE_OF(end_format),
     .help = "How a record ends: 0 TX r, 1 TX E, 2 the letter of the reason; "
             "meters before 2.05 always use 0."},
    {.name = "clock-timeout",
     .type = MG_OPTION_INT,
     .def = 1440,
     .min = 1,
     .max = UINT16_MAX,
     .offset = OFFSET(clock_timeout_min),
     .size = SIZE_OF(clock_timeout_min),
     .help = "Minutes after which the meter calls its clock unsynchronised."},
    {.name = "lcd-time",
     .type = MG_OPTION_ENUM,
     .def = WM3M4C_LOCAL,
     .max = WM3M4C_UTC,
     .choices = TIME_FORMS,
     .offset = OFFSET(lcd_time),
     .size = SIZE_OF(lcd_time),
     .help = "Time on the display: local or utc."},
    {.name = "record-time",
     .type = MG_OPTION_ENUM,
     .def = WM3M4C_LOCAL,
     .max = WM3M4C_UTC,
     .choices = TIME_FORMS,
     .offset = OFFSET(record_time),
     .size = SIZE_OF(record_time),
     .help = "Time in signed records: local, with its offset, or utc."},
    {.name = "lcd-row2",
     .type = MG_OPTION_INT,
     .def = WM3M4C_LCD_UNCHANGED,
     .min = WM3M4C_LCD_UNCHANGED,
     .max = 511,
     .offset = OFFSET(lcd_row2),
     .size = SIZE_OF(lcd_row2),
     .help = "What row 2 of the display shows, a sum of 1 energy, 2 duration, "
             "4 transaction, 8 text, 16 date, 32 time, 64 serial number, 128 "
             "version, 256 export; -1 leaves it as it is."},
    {.name = "lcd-text",
     .type = MG_OPTION_TEXT,
     .offset = OFFSET(lcd_text),
     .size = SIZE_OF(lcd_text),
     .help = "Text for row 2 of the display, up to 8 characters; empty leaves "
             "it as it is."},
    {.name = "lcd-label",
     .type = MG_OPTION_TEXT,
     .offset = OFFSET(lcd_label),
     .size = SIZE_OF(lcd_label),
     .help = "Label of that text, up to 4 characters; empty leaves it."},
};
