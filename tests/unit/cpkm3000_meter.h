/* A simulated CPKM3000 on the test's bench: ticks computed from voltage,
 * current and angle of each line with integers, messages as of
 * plugins/cpkm3000/README.md, and a crypto chip with a key of its own. */
#ifndef CPKM3000_METER_H
#define CPKM3000_METER_H

#include "metergate/plugin.h"

#include "../../plugins/cpkm3000/options.h"

#define METER_NODE     7
#define METER_SERIAL   12345
#define METER_NV_MAX   40960
#define METER_STATE    8192
#define TICK_MS        40
#define TELEGRAM_LEN   174
#define IMAGE_MAX      16384
#define SIGNATURE_LEN  64
#define CHALLENGE_LEN  16
#define SIGNAL_MISSING INT64_MIN

/* Cosine and sine in 1e-3: exact. */
struct angle {
    int cos_pm, sin_pm;
};

struct flow {
    int64_t u_mv[3], i_ma[3];
    struct angle angle[3];
    uint32_t n_saturated;
    bool is_dead; /* the converters give nothing at all */
};

struct telegram {
    char serial[17];
    unsigned version, node;
    uint32_t boot, status;
    uint64_t counter, uptime_ms, pos, neg;
    uint8_t hash[32], challenge[CHALLENGE_LEN];
};

struct meter {
    uint64_t state[METER_STATE / 8];
    uint8_t nv[METER_NV_MAX];
    struct cpkm3000_options options;
    struct flow flow;
    struct mg_sim_key *key; /* the chip's; NULL: it signs with 0xa5 */
    uint8_t public_key[64];
    bool is_chip_silent;
    unsigned n_telegrams;
    uint8_t last[TELEGRAM_LEN]; /* telegram that came last */
    struct telegram telegram;   /* the same, decoded */
};

/** Three phases, powered on, 230 V, no current; a chip without a key. */
void meter_new(struct meter *m);
/** The same with options changed before: m->options of meter_blank. */
void meter_blank(struct meter *m);
void meter_start(struct meter *m);
void meter_power_cycle(struct meter *m);
/** A chip with a real key, of a seed; to be given back. */
void meter_give_key(struct meter *m, uint64_t seed);
void meter_drop_key(struct meter *m);

/** The same load in all lines. */
void meter_load(struct meter *m, int64_t i_ma, struct angle angle);
void meter_run_ms(struct meter *m, int64_t ms); /* whole ticks */
void meter_run_s(struct meter *m, int64_t s);

/** A signal by name; SIGNAL_MISSING: it has no value. */
int64_t meter_signal(const struct meter *m, const char *name);
/** The low 16 bits of the status word that are errors. */
unsigned meter_errors(const struct meter *m);
bool meter_is_connected(const struct meter *m);
void meter_fault(struct meter *m, enum mg_fw_fault kind);

/** Ask and let the chip work, as the host does. @return length */
size_t meter_ask(struct meter *m, const uint8_t *request, size_t len,
                 uint8_t ret[MG_PDU_MAX]);
/** @return 0: done; else the code of the refusal */
int meter_refusal(struct meter *m, const uint8_t *request, size_t len);
/** Service without data, or with. */
int meter_do(struct meter *m, uint8_t service, const void *data, size_t len);

/** Whether the last telegram is signed by the meter's key. */
bool meter_verifies(const struct meter *m);

/** @return whether r and s are this key's signature */
bool bench_verify(const uint8_t key[64], const uint8_t *message, size_t len,
                  const uint8_t signature[64]);

#endif
