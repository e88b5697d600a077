/* Arguments and step functions of the commands for settings. */
#ifndef WM3M4C_SETTINGS_H
#define WM3M4C_SETTINGS_H

#include "setting.h"

#define WM3M4C_UNCHANGED (-1)

struct wm3m4c_lcd_args {
    int64_t row2, backlight; /* WM3M4C_UNCHANGED leaves them */
    char text[8 + 1], label[4 + 1];
};

struct wm3m4c_seconds_args {
    int64_t seconds;
};

struct wm3m4c_baud_args {
    int64_t baud; /* index: 0 = 1200 ... 7 = 115200 */
};

void wm3m4c__clock_step(void *state, const struct mg_step_in *in,
                        struct mg_step_out *out);
void wm3m4c__lcd_step(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out);
void wm3m4c__lcd_period_step(void *state, const struct mg_step_in *in,
                             struct mg_step_out *out);
void wm3m4c__reset_step(void *state, const struct mg_step_in *in,
                        struct mg_step_out *out);
void wm3m4c__baud_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out);
void wm3m4c__save_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out);
void wm3m4c__screen_step(void *state, const struct mg_step_in *in,
                         struct mg_step_out *out);

#endif
