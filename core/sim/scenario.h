/* What happens to simulated meters: vehicles that come and go, the net, and
 * what breaks. Plain data, filled by config/scenario.c; core/sim/play.h makes
 * it happen. Times are milliseconds of the simulated world since it began. */
#ifndef MG_SIM_SCENARIO_H
#define MG_SIM_SCENARIO_H

#include "metergate/plugin.h"

#define MG_SIM_NAME_MAX    48
#define MG_SIM_SPANS_MAX   16
#define MG_SIM_REQUEST_MAX 128
#define MG_SIM_RULES_MAX   1000 /* of each kind */
#define MG_SIM_VOLTAGE_MV  INT64_C(230000)
#define MG_SIM_TIME_MAX_MS (UINT64_C(366) * 86400000)

/* When it happens: once, every so often, or by chance. */
struct mg_sim_when {
    uint64_t at_ms;    /* first time; by chance: the window opens */
    uint64_t until_ms; /* nothing begins from here on; 0: no end */
    uint64_t slot_ms;  /* one in each slot from at_ms on; 0: only one */
    uint64_t length_ms;
    uint64_t window_ms; /* by chance so much later; 0: anywhere in its slot,
                         * or between at and until */
    bool is_random;
};

/* A part of a session, counted from the arrival. */
struct mg_sim_span {
    uint64_t after_ms, length_ms;
    int64_t current_ma; /* per phase; pauses: 0 */
};

struct mg_sim_vehicle {
    char id[MG_SIM_NAME_MAX];
    int64_t max_ma, min_ma; /* per phase; with less it pauses */
    int64_t ramp_ma_per_s;  /* up; down it is faster */
    int64_t battery_mwh;
    uint32_t soc_start, soc_target; /* 1e-4 of the battery */
    uint32_t taper_from; /* from here on the current falls in a straight line
                          * to nothing when full, but not below min_ma */
    uint32_t reserve;    /* exports no further */
    int64_t standby_mw;  /* plugged in, not charging */
    int32_t phase_cdeg;  /* of the current when charging */
    uint8_t n_phases;    /* 1..3 */
    bool has_harmonics;  /* of a charger; more of them with less current */
    size_t n_pauses, n_exports;
    struct mg_sim_span pauses[MG_SIM_SPANS_MAX], exports[MG_SIM_SPANS_MAX];
};

/* Vehicles that come to a charge point, one after the other. */
struct mg_sim_session {
    size_t meter, vehicle;
    struct mg_sim_when when; /* the arrival; length: it stays so long, 0 =
                              * until it is full */
    int64_t limit_ma;        /* the station's, per phase */
    size_t n_limits;
    struct mg_sim_span limits[MG_SIM_SPANS_MAX]; /* from there on */
};

enum mg_sim_net {
    MG_SIM_NET_DIP,   /* voltage_mv in `phase` */
    MG_SIM_NET_SWELL, /* the same */
    MG_SIM_NET_FREQUENCY,
    MG_SIM_NET_UNBALANCE,   /* phase_mv */
    MG_SIM_NET_HARMONIC,    /* order, u_ppm */
    MG_SIM_NET_PHASE_LOSS,  /* `phase` */
    MG_SIM_NET_RINGING,     /* peak_mv, ringing_hz, decay_us */
    MG_SIM_NET_SPIKES,      /* per_s, peak_mv, peak_ma */
    MG_SIM_NET_TEMPERATURE, /* mdegc */
    MG_SIM_NET_BYPASS       /* share of the current that flows past the meter,
                             * 1e-4 */
};

#define MG_SIM_ALL_METERS SIZE_MAX

struct mg_sim_net_event {
    uint32_t kind; /* enum mg_sim_net */
    struct mg_sim_when when;
    size_t meter;  /* or MG_SIM_ALL_METERS */
    uint8_t phase; /* 1..3; 0: all */
    uint8_t order;
    int64_t voltage_mv, phase_mv[3], frequency_mhz;
    uint32_t u_ppm;
    int64_t peak_mv, peak_ma;
    uint32_t per_s, ringing_hz, decay_us;
    int32_t mdegc;
    uint32_t share;
};

enum mg_sim_deed {
    MG_SIM_DEED_POWER,   /* no supply for the length */
    MG_SIM_DEED_FAULT,   /* `fault`; after the length, if any, it is over */
    MG_SIM_DEED_INPUT,   /* the first input is closed for the length */
    MG_SIM_DEED_REQUEST, /* another tool asks the meter */
    MG_SIM_DEED_UPDATE,  /* somebody tries to give it another firmware */
    MG_SIM_DEED_WIRE     /* trouble on a bus */
};

enum mg_sim_wire {
    MG_SIM_WIRE_DROP,
    MG_SIM_WIRE_LATE,
    MG_SIM_WIRE_BAD_CRC,
    MG_SIM_WIRE_HALF_FRAME,
    MG_SIM_WIRE_WRONG_UNIT,
    MG_SIM_WIRE_NOISE,
    MG_SIM_WIRE_EXCEPTION,
    MG_SIM_WIRE_STALL,
    MG_SIM_WIRE_DUPLICATE, /* CAN: this and the next two */
    MG_SIM_WIRE_FLIP,
    MG_SIM_WIRE_REORDER,
    MG_SIM_WIRE_UNPLUG, /* nothing gets through, either way */
    MG_SIM_WIRE_BUS_OFF /* CAN: the same */
};

/* What is done to a meter or a bus. */
struct mg_sim_act {
    struct mg_sim_when when;
    uint32_t kind;   /* enum mg_sim_deed */
    uint32_t fault;  /* enum mg_fw_fault, or enum mg_sim_wire */
    size_t target;   /* meter, or bus */
    uint32_t chance; /* WIRE: of 10,000 answers or frames */
    size_t request_len;
    uint8_t request[MG_SIM_REQUEST_MAX];
};

struct mg_sim_scenario {
    uint64_t seed;
    /* Of the day, in straight lines from the low at 4 h to the high at 15 h
     * and back; the simulated world begins at day_start_ms of a day. */
    int32_t low_mdegc, high_mdegc;
    uint32_t day_start_ms;
    size_t n_vehicles, n_sessions, n_net, n_acts;
    struct mg_sim_vehicle *vehicles; /* these four are owned */
    struct mg_sim_session *sessions;
    struct mg_sim_net_event *net;
    struct mg_sim_act *acts;
};

/** NULL is allowed. */
void mg_sim_scenario_destroy(struct mg_sim_scenario *scenario);

/** The common kinds of vehicles: "ac1-16", "ac1-32", "ac2-16", "ac3-16",
 *  "ac3-32" (phases and amperes), "v2g" (3 phases, exports).
 *  @return NULL: i is beyond the last */
const struct mg_sim_vehicle *mg_sim_vehicle_common(size_t i);

/** The angle of a power factor in 1e-4, 0..10000: 0..9000. */
int32_t mg_sim_angle_of(uint32_t pf_1e4);

/** Start of occurrence i of what happens at `when`.
 *  @param salt  another for each rule
 *  @return false: it does not come about, and none later does */
bool mg_sim_when_start(const struct mg_sim_when *when, uint64_t seed,
                       uint64_t salt, uint64_t i, uint64_t *ret_ms);

/** Is it going on at t_ms?
 *  @param ret_until_ms  until when the answer stays so; UINT64_MAX: for good
 *  @param ret_start_ms  when it began; if it is going on */
bool mg_sim_when_active(const struct mg_sim_when *when, uint64_t seed,
                        uint64_t salt, uint64_t t_ms, uint64_t *ret_until_ms,
                        uint64_t *ret_start_ms);

#endif
