/* Charging transactions, the same for every meter: those that sign are led
 * through their own procedure, for the others the station signs.
 *
 * Every record is on the disk before its result is told. A session survives a
 * restart of the gateway, a lost link, a power loss and a reset of the meter.
 */
#ifndef MG_RUN_SESSION_H
#define MG_RUN_SESSION_H

#include "run/gateway.h"
#include "store/dataset.h"

/** What may be asked; the verbs of the command topics are "session-begin", ...
 */
enum mg_session_verb {
    MG_VERB_BEGIN,
    MG_VERB_INTERMEDIATE,
    MG_VERB_TARIFF,
    MG_VERB_SUSPEND,
    MG_VERB_RESUME,
    MG_VERB_FISCAL,
    MG_VERB_HOLD, /* keep the present reading and sign it */
    MG_VERB_EXCEPTION,
    MG_VERB_END,
    MG_VERB_CANCEL,  /* end with reason A, not billable; "" cancels any */
    MG_VERB_LAST,    /* the newest record of the meter again */
    MG_VERB_RECOVER, /* look at the meter and close what is nobody's */
    MG_N_SESSION_VERBS
};

struct mg_session_request {
    enum mg_session_verb verb;
    char transaction[MG_TRANSACTION_MAX]; /* 1..36 of [A-Za-z0-9._:-] */
    char reason;                          /* END: 'E' (also 0) L R A P */
    bool is_forced; /* BEGIN: end another session that runs first, as EVerest
                     * wants it; else it is refused */
    /* BEGIN: the user assignment, UTF-8, checked here. Empty texts and
     * n_flags 0 are allowed. */
    bool is_assigned; /* OCMF IS */
    char level[16];   /* IL, "" = left out */
    size_t n_flags;   /* IF */
    char flags[4][24];
    char type[16];    /* IT, "" = NONE */
    char data[128];   /* ID: identifies a person; never logged */
    char tariff[251]; /* TT */
    char evse[64];    /* CI, "" = the configured one */
};

struct mg_session_result {
    int code;           /* MG_OK or why not */
    const char *reason; /* for people */
    const char *transaction;
    bool is_repeated; /* it was done before: told again, nothing was done */
    bool is_running;  /* a session is going on now */
    const struct mg_dataset *dataset; /* the record that came of it, durable;
                                       * NULL = none */
    int64_t begin_mwh, now_mwh;       /* INT64_MIN = not known */
};

typedef void (*mg_session_done)(void *ctx,
                                const struct mg_session_result *result);

/** Ask. One request of a meter at a time: MG_E_BUSY otherwise. `done` is called
 *  once, perhaps within this call, unless the gateway stops before; a repeated
 *  request with the same transaction is answered again after that. Loop
 *  thread. */
void mg_gateway_session(struct mg_gateway *gateway, size_t meter,
                        const struct mg_session_request *request,
                        mg_session_done done, void *ctx);

/** "session-begin", ... */
const char *mg_session_verb_text(enum mg_session_verb verb);

/** A second observer, for a bridge; borrowed until the gateway is destroyed. */
void mg_gateway_listen(struct mg_gateway *gateway,
                       const struct mg_gateway_observer *observer, void *ctx);

/** SPKI hex of the key that the meter, or the station for it, signs with; ""
 *  while it is not known. */
const char *mg_gateway_public_key(const struct mg_gateway *gateway,
                                  size_t meter);

#endif
