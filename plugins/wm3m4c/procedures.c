/* The commands of the WM3M4C. */
#include "procedures.h"

#include "options.h"
#include "session.h"
#include "settings.h"

#define MANUAL "WM3M4 manual V1.07"
#define SIGNS  (1U << WM3M4C_SIGNS)

static const struct mg_option LCD_ARGS[] = {
    {.name = "row2",
     .type = MG_OPTION_INT,
     .def = WM3M4C_UNCHANGED,
     .min = WM3M4C_UNCHANGED,
     .max = 511,
     .offset = offsetof(struct wm3m4c_lcd_args, row2),
     .size = sizeof(int64_t),
     .help = "What row 2 shows, a sum of 1 energy, 2 duration, 4 transaction, "
             "8 text, 16 date, 32 time, 64 serial number, 128 version, 256 "
             "export; -1 leaves it."},
    {.name = "backlight",
     .type = MG_OPTION_INT,
     .def = WM3M4C_UNCHANGED,
     .min = WM3M4C_UNCHANGED,
     .max = 1,
     .offset = offsetof(struct wm3m4c_lcd_args, backlight),
     .size = sizeof(int64_t),
     .help = "1 on, 0 off, -1 leaves it."},
    {.name = "text",
     .type = MG_OPTION_TEXT,
     .offset = offsetof(struct wm3m4c_lcd_args, text),
     .size = sizeof(((struct wm3m4c_lcd_args *)NULL)->text),
     .help = "Text for row 2, up to 8 characters; empty leaves it."},
    {.name = "label",
     .type = MG_OPTION_TEXT,
     .offset = offsetof(struct wm3m4c_lcd_args, label),
     .size = sizeof(((struct wm3m4c_lcd_args *)NULL)->label),
     .help = "Label of the text, up to 4 characters; empty leaves it."},
};

static const struct mg_option PERIOD_ARGS[] = {
    {.name = "seconds",
     .type = MG_OPTION_INT,
     .is_required = true,
     .def = 5,
     .min = 5,
     .max = 60,
     .offset = offsetof(struct wm3m4c_seconds_args, seconds),
     .size = sizeof(int64_t),
     .help = "Seconds for which row 2 shows each of its values, 5 to 60."},
};

static const struct mg_option SCREEN_ARGS[] = {
    {.name = "seconds",
     .type = MG_OPTION_INT,
     .def = 10,
     .min = 1,
     .max = 3600,
     .offset = offsetof(struct wm3m4c_seconds_args, seconds),
     .size = sizeof(int64_t),
     .help = "Seconds for which it is shown, 1 to 3600."},
};

static const char *const BAUD_CHOICES[] = {
    "1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200", NULL};

static const struct mg_option BAUD_ARGS[] = {
    {.name = "baud",
     .type = MG_OPTION_ENUM,
     .is_required = true,
     .def = 7,
     .max = 7,
     .choices = BAUD_CHOICES,
     .offset = offsetof(struct wm3m4c_baud_args, baud),
     .size = sizeof(int64_t),
     .help = "The new line speed in baud."},
};

const struct mg_procedure wm3m4c_procedures[WM3M4C_N_PROCEDURES] = {
    {.verb = "session",
     .help = "One operation of a signed charging transaction.",
     .flags = MG_PROC_SESSION,
     .variants = SIGNS,
     .args_size = sizeof(struct mg_session_args),
     .state_size = sizeof(struct wm3m4c_session_state),
     .step = wm3m4c__session_step,
     .source = MANUAL ", 5.4 and 5.5"},
    {.verb = "set-clock",
     .help = "Set the meter's clock; not while it charges.",
     .variants = SIGNS,
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__clock_step,
     .source = MANUAL ", 5.5.4"},
    {.verb = "lcd",
     .help = "Change what row 2 of the display shows, and its light.",
     .variants = SIGNS,
     .args = LCD_ARGS,
     .n_args = sizeof LCD_ARGS / sizeof *LCD_ARGS,
     .args_size = sizeof(struct wm3m4c_lcd_args),
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__lcd_step,
     .source = MANUAL ", 4.6 and 5.5.2"},
    {.verb = "lcd-period",
     .help = "Change how long row 2 of the display shows each value.",
     .args = PERIOD_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct wm3m4c_seconds_args),
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__lcd_period_step,
     .source = MANUAL ", 4.6"},
    {.verb = "reset-consumption",
     .help = "Set duration and consumption of the last charging to zero.",
     .variants = SIGNS,
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__reset_step,
     .source = MANUAL ", 5.5.2"},
    {.verb = "set-baud",
     .help = "Give the meter another line speed.",
     .flags = MG_PROC_LINE_SPEED,
     .args = BAUD_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct wm3m4c_baud_args),
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__baud_step,
     .source = MANUAL ", 5.5.1"},
    {.verb = "save-settings",
     .help = "Make the meter keep its settings over a power loss.",
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__save_step,
     .source = "Iskra map as in Tinkerforge (confidence B)"},
    {.verb = "fw-screen",
     .help = "Show the firmware's version and checksums on the display.",
     .variants = SIGNS,
     .args = SCREEN_ARGS,
     .n_args = 1,
     .args_size = sizeof(struct wm3m4c_seconds_args),
     .state_size = sizeof(struct wm3m4c_setting_state),
     .step = wm3m4c__screen_step,
     .source = MANUAL ", 5.5.14"},
};
