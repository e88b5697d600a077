/* What the commands for single settings have in common: look, act, check.
 *
 *   LOOK   read what is to be changed and what decides whether it may be; done
 *          when it is as wanted
 *   ACT    the one request that has an effect
 *   CHECK  read back, a few times with a pause
 *
 * After a time-out of ACT it is not known whether the meter acted: CHECK finds
 * out, where the register can be read. The request that acts is sent once at
 * most, also across a restart of the gateway. */
#ifndef WM3M4C_SETTING_H
#define WM3M4C_SETTING_H

#include "metergate/plugin.h"

#define WM3M4C_LOOKS_MAX   3
#define WM3M4C_CONTENT_MAX 16 /* registers of all looks */
#define WM3M4C_CHANGE_MAX  8

enum wm3m4c_setting_phase { WM3M4C_LOOK, WM3M4C_ACT, WM3M4C_CHECK };

struct wm3m4c_setting_state {
    uint8_t phase; /* enum wm3m4c_setting_phase */
    uint8_t look;  /* index of the read */
    uint8_t n_rounds, n_timeouts;
    bool is_acknowledged, is_canceled, is_resumed;
    bool is_at_old; /* CHECK asks at the old line speed */
    uint16_t content[WM3M4C_CONTENT_MAX];
    int64_t off_s; /* set-clock: at the last look */
};

struct wm3m4c_look {
    uint16_t address, count; /* holding registers */
};

struct wm3m4c_change {
    uint16_t address, n;
    uint16_t registers[WM3M4C_CHANGE_MAX];
};

struct wm3m4c_setting {
    const char *subject; /* what is read: "the line speed" */
    const char *deed;    /* what is done: "change the line speed" */
    uint8_t n_looks;     /* their registers follow each other in content */
    bool is_write_only;  /* nothing to check */
    struct wm3m4c_look looks[WM3M4C_LOOKS_MAX];
    /** Optional. @return false: out says why it may not be */
    bool (*is_allowed)(const struct wm3m4c_setting_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out);
    /** Unless write-only: is it as wanted? Adds values to `out` if so. */
    bool (*is_reached)(struct wm3m4c_setting_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out);
    void (*change)(const struct wm3m4c_setting_state *s,
                   const struct mg_step_in *in,
                   struct wm3m4c_change *ret_change);
    /** Unless write-only: say what was found instead of what was wanted. */
    void (*missed)(const struct wm3m4c_setting_state *s,
                   const struct mg_step_in *in, struct mg_step_out *out);
    /** Optional: the line speed after the change. */
    uint32_t (*new_baud)(const struct mg_step_in *in);
};

/** Advance by one event, as mg_procedure.step. */
void wm3m4c__setting_step(const struct wm3m4c_setting *setting, void *state,
                          const struct mg_step_in *in, struct mg_step_out *out);

#endif
