/* What a charging station owes (Flex Series guide): faults of the catalogue,
 * overload, welded contacts, and the metrological log of what its meters and
 * sessions do. */
#ifndef MG_RUN_DUTIES_H
#define MG_RUN_DUTIES_H

#include "model/faults.h"
#include "run/gateway_priv.h"

/** The fault of the meter is there, or over. What changes is an event and is
 *  retained on m/<meter>/faults. */
void mg_duties_fault(struct meter *meter, enum mg_fault_id id, bool is_there,
                     const char *why);

/** What this ends is over: the meter was without power, the gateway started. */
void mg_duties_release(struct meter *meter, enum mg_fault_release how);

/** All that are there, retained. */
void mg_duties_publish(struct meter *meter);

/** Why faults block a new session; NULL: they do not. */
const char *mg_duties_problem(const struct meter *meter);

/** A live reading. */
void mg_duties_sample(struct meter *meter, const struct mg_sample *sample);
/** Time has passed without one. */
void mg_duties_tick(struct meter *meter);
/** A signed telegram says how often the meter has started, and when last. */
void mg_duties_heard(struct meter *meter, uint32_t boot, uint64_t uptime_ms);
void mg_duties_offline(struct meter *meter, bool is_offline);
/** A CAN line came up, went down or changed its state. */
void mg_duties_line(struct line *line);
/** A signed telegram was refused, or the first one accepted. */
void mg_duties_telegram(struct meter *meter, bool is_good);
enum mg_duty_session {
    MG_DUTY_BEGUN,
    MG_DUTY_SUSPENDED,
    MG_DUTY_RESUMED,
    MG_DUTY_ENDING, /* nothing more is to flow */
    MG_DUTY_ENDED   /* there is a record, or there will be none */
};
void mg_duties_session(struct meter *meter, enum mg_duty_session what);
/** More is on the disk: relays that waited for it are closed. */
void mg_duties_durable(struct meter *meter);
/** Another meter, or another cable to be compensated for, was accepted. */
void mg_duties_replaced(struct meter *meter, const char *old_serial,
                        const char *serial, uint32_t old_uohm, uint32_t uohm);
/** An update has come further; a procedure other than a session's has ended. */
void mg_duties_stage(struct task *task);
void mg_duties_done(struct task *task, const struct mg_procedure *procedure,
                    int code, const char *reason);
/** The command `clear-fault`: service was there. */
int mg_duties_clear(struct meter *meter, const char *urn, struct mg_err *err);

void mg_duties_load(struct meter *meter);
void mg_duties_stop(struct meter *meter);
void mg_duties_free(struct meter *meter);

#endif
