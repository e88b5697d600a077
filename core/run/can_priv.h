/* A meter on CAN, for the files of run/.
 *
 * can_line.c      the bus: opening, its state, its events
 * can_meter.c     signals that arrive, and the readings made of them
 * can_exchange.c  questions over ISO-TP, one at a time
 * can_identity.c  who the meter is
 * telegram.c      signed energies: accepted or refused
 * seal.c          station and meter belong together */
#ifndef MG_RUN_CAN_PRIV_H
#define MG_RUN_CAN_PRIV_H

#include "bus/can_signals.h"
#include "crypto/verify.h"
#include "run/gateway_priv.h"

#define CAN_FRAMES_MAX   48 /* messages of one meter */
#define CAN_ANSWER_MS    1000U
#define CAN_STALE_CYCLES 3U

/* The newest value of a signal. */
struct can_value {
    int64_t value, resolution;
    uint64_t arrived_ns; /* 0: never */
    uint8_t quality;
};

/* A message of the meter that carries signals. */
struct can_frame {
    struct mg_can_listener listener; /* first */
    struct can_meter *owner;
    const struct mg_dbc_message *message;
    uint64_t late_ns; /* older than this: stale */
    size_t n;
    uint8_t at[MG_CAN_SIGNALS_MAX]; /* of its signals, in the map */
};

/* What is known of the meter's signed energies; `kept` is on the disk as
 * "telegram/<meter>". */
struct telegram {
    struct telegram_kept {
        uint32_t version, size;
        bool has_key, is_refused;
        uint8_t public_key[64];
        char serial[17];
        uint32_t boot;
        uint64_t counter; /* of the newest accepted */
        int64_t import_mwh, export_mwh;
    } kept;
    struct mg_public_key *key; /* owned; of kept or the configuration */
    bool is_pinned;            /* by the configuration */
    bool is_refused;           /* a bad one came; since then no fresh one */
    unsigned n_relapses;       /* refused again soon */
    uint64_t refused_ns;
    char why[96];         /* it was refused */
    uint64_t accepted_ns; /* of the newest */
    uint64_t saved_ns, asked_ns;
    uint64_t n_accepted, n_refused;
    int64_t resolution_mwh;
    uint32_t status;
    bool is_asked; /* one with `challenge` is awaited */
    uint8_t challenge[MG_CHALLENGE_LEN];
    struct mg_modbus_request ask;
    bool is_in_flight; /* `ask` */
    struct mg_timer timer;
    unsigned n_tries;
    uint64_t window_ns; /* signatures looked at in this second */
    unsigned n_in_window;
};

struct can_meter {
    struct meter *meter;
    struct mg_can_map map;
    struct can_value values[MG_CAN_SIGNALS_MAX];
    size_t n_frames;
    struct can_frame frames[CAN_FRAMES_MAX];
    uint64_t heard_ns; /* any frame of the meter */
    struct mg_timer once_timer;
    uint64_t once_end_ns;

    struct mg_can_channel *channel;              /* NULL: the DBC has none */
    struct mg_modbus_request *current, *waiting; /* borrowed; a list */
    struct mg_timer answer_timer;

    struct mg_modbus_request identify;
    bool is_identifying, has_identity, is_other_circuit;
    uint64_t identify_again_ns;
    struct mg_identity identity;
    struct telegram telegram;
};

/* can_line.c */
int mg_can_line_open(struct line *line, struct mg_err *err);

/* can_meter.c */
int mg_can_meter_make(struct meter *meter, struct mg_err *err);
void mg_can_meter_free(struct meter *meter);
int mg_can_meter_attach(struct meter *meter, struct mg_err *err);
void mg_can_meter_detach(struct meter *meter); /* before the bus goes */
void mg_can_meter_close(struct meter *meter);  /* right after */
void mg_can_meter_poll(struct meter *meter);
void mg_can_meter_once(struct meter *meter);

/* can_exchange.c: as mg_modbus_submit. */
int mg_can_submit(struct can_meter *cm, struct mg_modbus_request *request);
void mg_can_exchange_message(struct can_meter *cm, const uint8_t *message,
                             size_t len);
void mg_can_exchange_sent(struct can_meter *cm, int code);
void mg_can_exchange_stop(struct can_meter *cm);

/* can_identity.c */
void mg_can_identify(struct can_meter *cm);

/* telegram.c */
int mg_telegram_load(struct can_meter *cm, struct mg_err *err);
void mg_telegram_stop(struct can_meter *cm);
void mg_telegram_free(struct can_meter *cm);
/** @return false: it is no telegram */
bool mg_telegram_message(struct can_meter *cm, const uint8_t *message,
                         size_t len);
/** The meter says that this is its key. */
void mg_telegram_learn_key(struct can_meter *cm);
/** Take the key and the numbers of the meter that is there now (seal). */
void mg_telegram_adopt(struct can_meter *cm);
/** Ask for one that is surely new; mg_session_telegram follows. */
void mg_telegram_ask(struct can_meter *cm);
/** Once per second and poll. */
void mg_telegram_watch(struct can_meter *cm);
/** Why this meter's energies cannot be billed; NULL: they can. */
const char *mg_telegram_problem(const struct can_meter *cm);

#endif
