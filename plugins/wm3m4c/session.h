/* `session`: one operation of a signed charging transaction (manual V1.07, 5.4
 * and 5.5).
 *
 *   look      version, kind of meter, 47000, 47052: is the operation allowed?
 *   prepare   idle, or after power loss or reset: settings, clock, dataset in
 *             chunks that are read back, its length
 *   command   47051, once
 *   poll      47052 until it says signed, and the count of signatures has gone
 *             up: a 15 of the operation before is no answer
 *   record    output, signature and public key, in chunks
 *
 * What is not known after a lost answer or a restart of the gateway is read
 * from the meter: the counts of signatures (47011, 47013), 47000 and 47052 tell
 * whether the command was carried out. It is sent again only when it was
 * not. A setting may be written twice. */
#ifndef WM3M4C_SESSION_H
#define WM3M4C_SESSION_H

#include "metergate/plugin.h"

/* One phase is one request; after a pause it is asked again. */
enum wm3m4c_phase {
    WM3M4C_VERSION, /* 30013 */
    WM3M4C_KIND,    /* 47060, 47069 */
    WM3M4C_STATUS,  /* 47000..47014 */
    WM3M4C_SIGNING, /* 47052..47059 */
    WM3M4C_CLOCK,   /* 47071 */
    WM3M4C_ENDING,  /* 47076 */
    WM3M4C_BEFORE_HOLD,
    WM3M4C_SETTING,
    WM3M4C_CHUNK,
    WM3M4C_CHUNK_BACK,
    WM3M4C_LENGTH,
    /* From here on the meter was told, or may have been. */
    WM3M4C_ADJUST,
    WM3M4C_COMMAND,
    WM3M4C_CHECK_STATUS,
    WM3M4C_CHECK_SIGNING,
    WM3M4C_POLL,
    WM3M4C_PROOF, /* 47000..47014 when 47052 says signed */
    WM3M4C_HELD,  /* 47035..47038 */
    WM3M4C_OUTPUT,
    WM3M4C_SIGNATURE,
    WM3M4C_KEY,
    WM3M4C_STILL, /* 47052..47059 again: the same output all the while */
    WM3M4C_N_PHASES
};

/* 47000..47014. */
struct wm3m4c_status {
    uint16_t state; /* enum mg_session_state */
    uint32_t duration_s, energy_wh, clock_s, n_fiscal, n_signatures;
};

/* 47052, and 47057..47059. */
struct wm3m4c_signing {
    uint16_t status, output_len, signature_len, format;
};

struct wm3m4c_held {
    uint32_t time_s, energy_wh;
};

/* Plain data; at most MG_STEP_STATE_MAX bytes. */
struct wm3m4c_session_state {
    uint8_t phase; /* enum wm3m4c_phase */
    uint8_t n_timeouts, n_sent;
    char letter;       /* of the command */
    bool is_uncertain; /* the command may not have been carried out */
    bool is_resumed;   /* it was sent before the gateway was restarted */
    bool is_proven;    /* it was carried out */
    bool is_fresh;     /* 47052 has changed since the command */
    bool is_restoring; /* settings of RESTORE only */
    uint16_t version;  /* 208 = 2.08 */
    uint16_t clock;    /* 47071 */
    uint16_t at;       /* setting; byte of the dataset, output, signature */
    uint64_t since_ms; /* of the command's answer */
    struct wm3m4c_status now, before; /* before the command */
    struct wm3m4c_signing signing;
    uint16_t signing_before; /* 47052 */
    struct wm3m4c_held held, held_before;
};

void wm3m4c__session_step(void *state, const struct mg_step_in *in,
                          struct mg_step_out *out);

/* ---- Between the files of the session ---- */

/* What a phase asks, and what it makes of the answer. `take` ends the step: it
 * goes on to a phase, waits, fails or is done. */
struct wm3m4c_phase_ops {
    void (*ask)(const struct wm3m4c_session_state *s,
                const struct mg_step_in *in, struct mg_step_out *out);
    void (*take)(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                 struct mg_step_out *out);
};

/** Ask for this phase now, or after a pause. */
void wm3m4c__go(struct wm3m4c_session_state *s, enum wm3m4c_phase phase,
                const struct mg_step_in *in, struct mg_step_out *out);
void wm3m4c__go_later(struct wm3m4c_session_state *s, enum wm3m4c_phase phase,
                      uint32_t ms, struct mg_step_out *out);

/** End well, with what the meter said last. */
void wm3m4c__done(const struct wm3m4c_session_state *s,
                  const struct mg_step_in *in, struct mg_step_out *out);

/** The answer to a read is not what was asked. */
void wm3m4c__garbled(const struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out);

/** Ask for 47000..47014, 47052..47059, 47035..47038: `ask` of a phase. */
void wm3m4c__ask_status(const struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out);
void wm3m4c__ask_signing(const struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out);
void wm3m4c__ask_held(const struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out);

/** Decode 47000..47014 and 47052..47059. @return false: garbled, out says so */
bool wm3m4c__take_status(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out);
bool wm3m4c__take_signing(struct wm3m4c_session_state *s,
                          const struct mg_step_in *in, struct mg_step_out *out);
bool wm3m4c__take_held(struct wm3m4c_held *ret_held,
                       const struct mg_step_in *in);

/** "47000 is 2 (active after power failure)" / "47052 is 131 (invalid state)".
 */
void wm3m4c__say_state(struct mg_step_out *out, unsigned state);
void wm3m4c__say_signing(struct mg_step_out *out, unsigned status);

/** From the look to the preparation or the command. */
void wm3m4c__prepare(struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out);

/** Read the record; signing.output_len and signature_len must be checked. */
void wm3m4c__read_record(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out);
bool wm3m4c__has_record(const struct wm3m4c_signing *signing);

/* The phases, each in the file that is named. */
extern const struct wm3m4c_phase_ops /* session_look.c */
    wm3m4c__version,
    wm3m4c__kind, wm3m4c__status, wm3m4c__signing, wm3m4c__clock,
    wm3m4c__ending, wm3m4c__before_hold;
extern const struct wm3m4c_phase_ops /* session_prepare.c */
    wm3m4c__setting,
    wm3m4c__chunk, wm3m4c__chunk_back, wm3m4c__length;
extern const struct wm3m4c_phase_ops /* session_command.c */
    wm3m4c__adjust,
    wm3m4c__command, wm3m4c__check_status, wm3m4c__check_signing, wm3m4c__poll,
    wm3m4c__proof, wm3m4c__held;
extern const struct wm3m4c_phase_ops /* session_record.c */
    wm3m4c__output,
    wm3m4c__signature, wm3m4c__key, wm3m4c__still;

#endif
