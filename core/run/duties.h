/* What a charging station owes (Flex Series guide): faults of the catalogue,
 * overload, welded contacts, and the metrological log of what its meters and
 * sessions do. */
#ifndef MG_RUN_DUTIES_H
#define MG_RUN_DUTIES_H

#include "run/gateway_priv.h"

/** The fault `id` of the meter ("urn:fault:koala:...") is there, or over. What
 *  changes is an event and is retained on m/<meter>/faults. */
void mg_duties_fault(struct meter *meter, const char *id, bool is_there,
                     const char *why);

/** Why faults block a new session; NULL: they do not. */
const char *mg_duties_problem(const struct meter *meter);

/** A live reading. */
void mg_duties_sample(struct meter *meter, const struct mg_sample *sample);
void mg_duties_offline(struct meter *meter, bool is_offline);
/** A CAN line came up, went down or changed its state. */
void mg_duties_line(struct line *line);
/** A signed telegram was refused, or the first one accepted. */
void mg_duties_telegram(struct meter *meter, bool is_good);
/** A session was begun ('B'), suspended ('S'), resumed ('C') or ended ('E'). */
void mg_duties_session(struct meter *meter, char what);
/** An update has come further; a procedure other than a session's has ended. */
void mg_duties_stage(struct task *task);
void mg_duties_done(struct task *task, const struct mg_procedure *procedure,
                    int code, const char *reason);
/** The command `clear-fault`: service was there. */
int mg_duties_clear(struct meter *meter, const char *id, struct mg_err *err);

void mg_duties_load(struct meter *meter);
void mg_duties_stop(struct meter *meter);
void mg_duties_free(struct meter *meter);

#endif
