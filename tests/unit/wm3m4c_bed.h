/* A WM3M4C of a few lines, written from the tables of its manual (5.5), and a
 * runner that takes a procedure through it with trouble at any step. */
#ifndef TEST_WM3M4C_BED_H
#define TEST_WM3M4C_BED_H

#include "../../plugins/wm3m4c/options.h"
#include "metergate/plugin.h"

#define BED_UTC_MS  1570096309000 /* 5.5.4: 5D95C4B5 */
#define BED_NOWHERE 1000000U
#define BED_LOG_MAX 256

/* Another meter behind the runner, instead of the one of a few lines. */
struct bed_host {
    void *self;
    /** @return length of the answer; 0: none */
    size_t (*ask)(void *self, const uint8_t *pdu, size_t len, uint8_t *ret);
    void (*run)(void *self, uint32_t ms);
};

struct bed_meter {
    struct bed_host host;   /* used when ask is not NULL */
    uint16_t holding[8400]; /* by wire address: 47000 is 7000 */
    uint16_t input[512];
    uint64_t now_ms; /* since the beginning */
    int64_t clock_off_ms;
    /* The signature that is under way. */
    bool is_signing;
    uint64_t signed_at_ms, shown_at_ms;
    char letter;
    /* What a test wants of it. */
    uint32_t sign_ms;    /* 300 */
    uint32_t latency_ms; /* until 47052 shows that something is under way */
    bool counts_at_once; /* 47013 goes up with the command */
    uint16_t error;      /* of the next signature, 47052 */
    uint16_t output_len; /* 47057 of the next signature */
    uint16_t signature_len;
    bool never_signs;
    uint16_t spoils; /* register whose writes are lost */
    bool is_deaf;    /* writes do nothing */
    uint8_t refuses; /* exception for writes of `refused` */
    uint16_t refused;
    bool has_no_version;
    uint16_t dies_at; /* power cycle when this register is read */
    uint32_t baud;
    /* What it saw. */
    char commands[64]; /* letters, in order */
    size_t n_commands, n_carried_out;
    unsigned n_time_writes, n_dataset_writes;
};

struct bed_write {
    uint16_t address, n, first;
    uint8_t function;
};

enum bed_trouble {
    BED_NO_TROUBLE,
    BED_LOST_REQUEST, /* the meter never saw it */
    BED_LOST_ANSWER,  /* the meter acted, nobody knows */
    BED_BUSY,         /* exception 6, not carried out */
    BED_GARBLED,      /* the meter acted, the answer makes no sense */
    BED_CANCELED,     /* the answer is dropped */
    BED_RESTARTED,    /* the gateway died after the meter had acted */
    BED_NOT_SENT,     /* the gateway died before it sent */
    BED_SILENCE,      /* no answer from here on */
    BED_N_TROUBLES
};

struct bed_run {
    struct bed_meter *meter;
    const struct mg_procedure *procedure;
    struct wm3m4c_options options;
    _Alignas(8) uint8_t state[MG_STEP_STATE_MAX];
    _Alignas(8) uint8_t stored[MG_STEP_STATE_MAX];
    bool is_stored;
    _Alignas(8) uint8_t args[64];
    const char *text;
    size_t text_len;
    enum mg_clock_sync clock;
    struct mg_step_out out;
    uint64_t boot_ms; /* the gateway's monotonic clock began here */
    unsigned n_steps, n_effects;
    struct bed_write log[BED_LOG_MAX]; /* of writes */
    size_t n_log;
    uint8_t chunks[MG_N_CHUNKS][2048];
    size_t chunk_len[MG_N_CHUNKS];
    struct mg_value values[64];
    size_t n_values;
};

/** An idle meter, version 2.08. */
void bed_meter_init(struct bed_meter *m);

/** Power goes and comes back: state 2 if it was charging. */
void bed_meter_power_cycle(struct bed_meter *m);

/** @param verb  of wm3m4c_procedures */
void bed_run_init(struct bed_run *r, struct bed_meter *m, const char *verb);

/** Play to the end, with this trouble at step `at` (from 1).
 *  @return steps */
unsigned bed_play(struct bed_run *r, unsigned at, enum bed_trouble trouble);

/** Go on from `stored`, as after a restart of the gateway. */
void bed_resume(struct bed_run *r);

/** One operation of a session without trouble, on a run of its own. */
void bed_session(struct bed_run *r, struct bed_meter *m, unsigned op);

/** @return NULL: no such value */
const struct mg_value *bed_value(const struct bed_run *r, mg_channel channel);

void bed_assert_done(const struct bed_run *r);
/** @param part  that the reason must have */
void bed_assert_failed(const struct bed_run *r, int code, const char *part);

/** The record that the meter made last is the one that was handed over. */
void bed_assert_record(const struct bed_run *r);

#endif
