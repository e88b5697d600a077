/* A simulated CPIM1000 on the test's bench: ticks computed from voltage,
 * current and angle of each lane with integers, messages as of
 * plugins/cpim1000/README.md. */
#ifndef CPIM1000_METER_H
#define CPIM1000_METER_H

#include "metergate/plugin.h"

#include "../../plugins/cpim1000/options.h"

#define METER_NODE     9
#define METER_SERIAL   12345
#define METER_NV_MAX   40960
#define METER_STATE    8192
#define RIGHT          0
#define LEFT           1
#define SIGNAL_MISSING INT64_MIN

/* Cosine and sine in 1e-3: exact. */
struct angle {
    int cos_pm, sin_pm;
};

/* Lanes 0 to 2 are the right side's, 3 to 5 the left's. */
struct flow {
    int64_t u_mv[6], i_ma[6];
    struct angle angle[6];
    uint32_t n_saturated[6];
    unsigned hz; /* 50 or 60 */
    int32_t ambient_mdegc;
};

struct meter {
    uint64_t state[METER_STATE / 8];
    uint8_t nv[METER_NV_MAX];
    struct cpim1000_options options;
    struct flow flow;
    uint64_t n_ticks; /* that have been */
    uint64_t now_us;
};

/** Three phases, EU, sealed, powered on, 230 V on both sides, no current. */
void meter_new(struct meter *m);
/** The same with options changed before: m->options of meter_blank. */
void meter_blank(struct meter *m);
void meter_start(struct meter *m);
void meter_power_cycle(struct meter *m);

/** The same load in all phases of one side. */
void meter_load(struct meter *m, unsigned side, int64_t i_ma,
                struct angle angle);
void meter_ticks(struct meter *m, unsigned n);
/** So many ticks of the same flow as one. */
void meter_long_tick(struct meter *m, unsigned n);
void meter_run_s(struct meter *m, unsigned s);

/** A signal by name; SIGNAL_MISSING: it has no value. */
int64_t meter_signal(const struct meter *m, const char *name);
/** The same of a side: "Status.Flags". */
int64_t meter_of(const struct meter *m, unsigned side, const char *name);
unsigned meter_flags(const struct meter *m, unsigned side);
bool meter_is_connected(const struct meter *m, unsigned side);
/** No signal and no answer comes of it. */
bool meter_is_dark(struct meter *m);
void meter_fault(struct meter *m, enum mg_fw_fault kind);
/** What the display shows within the time of all its pages, by caption. */
void meter_row(struct meter *m, const char *caption, char ret[17]);

size_t meter_ask(struct meter *m, unsigned side, const uint8_t *request,
                 size_t len, uint8_t ret[MG_PDU_MAX]);
/** Service with data about a side. @return 0: done; else the refusal's code */
int meter_do(struct meter *m, unsigned side, uint8_t service, const void *data,
             size_t len);

#endif
