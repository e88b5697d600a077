/* The inside of charging transactions, for the files session*.c and station.c.
 *
 * session.c        a request, its answer, what is to be done next
 * session_request.c is the request right?
 * session_meter.c  meters that sign: the driver's procedure
 * session_station.c meters that do not: readings, cable loss
 * session_record.c a record has come: verify, keep, publish
 * session_memory.c what is kept on the disk
 * session_command.c the verbs of the command topics
 * station.c        the station's key, at work in a thread of its own */
#ifndef MG_RUN_SESSION_PRIV_H
#define MG_RUN_SESSION_PRIV_H

#include "model/loss.h"
#include "model/ocmf_build.h"
#include "record/verify.h"
#include "run/gateway_priv.h"
#include "run/session.h"

#define SESSION_ENTRIES_MAX 40
#define SESSION_PAYLOAD_MAX 16384 /* a station's, all texts escaped */
#define SESSION_DATASET_MAX 1024  /* WM3M4C description V1.07, 5.5.7 */
#define SESSION_RECENT      8

enum session_phase { PHASE_NONE, PHASE_BEGINNING, PHASE_ACTIVE, PHASE_ENDING };

/* On the disk as it is, under "session/<meter>". */
struct session_kept {
    uint32_t version, size;
    uint8_t phase; /* enum session_phase */
    char reason;   /* ENDING: the letter */
    bool is_canceled, is_suspended, is_adjusted;
    uint8_t decimals; /* of a kWh, station */
    uint16_t ocmf_version;
    uint16_t n_entries;
    uint32_t loss_uohm;
    int64_t begun_ms, begin_mwh;
    char fault[96]; /* why the record cannot be billed; "" = none */
    struct mg_session_request request; /* that began it */
    struct mg_loss loss;
    struct mg_ocmf_entry entries[SESSION_ENTRIES_MAX];
};

/* What is known of the key that signs, under "key/<meter>". */
struct key_kept {
    uint32_t version, size;
    char key_hex[2 * MG_KEY_SPKI_MAX + 1];
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    uint64_t last_t, last_f; /* pagination, newest */
    uint32_t n_recent;       /* payload digests seen, a ring */
    uint8_t recent[SESSION_RECENT][32];
};

struct session {
    struct meter *meter;
    bool is_signing_meter; /* else the station signs */
    struct session_kept kept;
    struct key_kept key;

    /* The request that is being carried out. */
    bool has_request;
    struct mg_session_request request;
    mg_session_done done;
    void *ctx;
    bool is_answered; /* the answer waits for `ticket` */
    bool is_repeated;
    int code;
    char text[200];
    struct mg_dataset *dataset; /* owned; that came of the request */
    uint64_t ticket;            /* newest write; 0 = none */
    struct mg_timer timer;      /* give up waiting, or try again */

    bool was_charging, was_ending, was_suspended; /* told of */

    /* A meter that signs. */
    bool must_look, is_restored, is_dangling, has_state;
    uint8_t state; /* enum mg_session_state */
    bool has_op;   /* `op` is with the driver */
    uint8_t op;    /* enum mg_session_op */
    unsigned n_failed_ends;
    uint64_t op_end_ns, retry_ns;
    char dataset_text[SESSION_DATASET_MAX + 1];
    size_t dataset_len;
    char payload[SESSION_PAYLOAD_MAX];
    size_t payload_len;
    uint8_t signature[256];
    size_t signature_len;
    bool is_base64, is_too_long;
    uint8_t public_key[MG_KEY_RAW_MAX];
    size_t public_key_len;

    /* The station signs. */
    bool wants_sample, is_signing;
    uint64_t wanted_ns, saved_ns;
    uint64_t pagination; /* of what is being signed */
    char context;
};

/* session.c */
struct session *mg_session_of(struct meter *meter); /* or NULL: cannot */
void mg_session_answer(struct session *s, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mg_session_go_on(struct session *s);
void mg_session_set_phase(struct session *s, enum session_phase phase);
void mg_session_told(struct session *s);
void mg_session_void(struct session *s, const char *why);
void mg_session_begin_ending(struct session *s, char reason, bool is_cancel);
void mg_session_publish(struct session *s);
void mg_session_retry_later(struct session *s, uint32_t ms);

/* session_request.c */
int mg_session_check(const struct mg_session_request *r, struct mg_err *err);

/* session_meter.c */
void mg_session_meter_go_on(struct session *s);
void mg_session_meter_sample(struct session *s, const struct mg_sample *sample);

/* session_station.c */
void mg_session_station_go_on(struct session *s);
void mg_session_station_sample(struct session *s,
                               const struct mg_sample *sample);

/* session_record.c */
struct session_record {
    enum mg_dataset_kind kind;
    const char *transaction;         /* "" = none */
    const char *mark;                /* "" or "dangling", ... */
    const char *fault;               /* "" or why it cannot be billed */
    const struct mg_public_key *key; /* NULL: not known */
    char *text;
    size_t len;
    char *original; /* NULL: the same */
    size_t original_len;
    bool is_base64;
};
/** Verify, hand to the store, publish; s->dataset and s->ticket are set.
 *  @return MG_OK; MG_E_BUSY: it is one that is here already; or a code */
int mg_session_take_record(struct session *s, const struct session_record *r);
void mg_session_free_dataset(struct mg_dataset *dataset);
struct mg_dataset *mg_session_copy_dataset(const struct mg_dataset *dataset);
/** The record of a transaction that ended before. @return owned or NULL */
struct mg_dataset *mg_session_find_dataset(struct session *s,
                                           const char *transaction);
int mg_session_open_dataset(struct session *s);
/** The key that will sign; one that differs from before raises an event. */
void mg_session_learn_key(struct session *s, const struct mg_public_key *key);

/** A member in Wh; INT64_MIN: none. */
void mg_session_put_energy(struct mg_json *j, const char *key, int64_t mwh);

/* session_memory.c */
void mg_session_load(struct meter *meter);
int mg_session_save(struct session *s);
int mg_session_save_key(struct session *s);

/* station.c */
struct station;
/** @return owned; NULL with err only when out of memory: a key that cannot be
 *  had is tried again */
struct station *mg_station_open(struct mg_gateway *gateway, struct mg_err *err);
void mg_station_close(struct station *station); /* NULL is allowed */
/** Why it cannot sign now; NULL: it can. */
const char *mg_station_problem(const struct station *station);
const struct mg_public_key *mg_station_key(const struct station *station);
/* What is signed, what goes first before what comes after. */
enum mg_station_job { MG_STATION_RECORD, MG_STATION_LOG, MG_N_STATION_JOBS };
/** The answer, on the loop: never from within mg_station_sign, nor after
 *  mg_station_close. */
typedef void (*mg_station_done)(void *ctx, int code, const uint8_t *der,
                                size_t der_len, const char *why);
/** Sign a copy of the payload in its turn.
 *  @return MG_OK; MG_E_STATE: it cannot sign now; MG_E_NOMEM */
int mg_station_sign(struct station *station, enum mg_station_job what,
                    const char *payload, size_t len, mg_station_done done,
                    void *ctx);
/** Sign here and now; blocks: when nothing else goes on any more. */
int mg_station_sign_now(struct station *station, const char *payload,
                        size_t len, uint8_t ret_der[MG_SIGNATURE_MAX],
                        size_t *ret_len, struct mg_err *err);

#endif
