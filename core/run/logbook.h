/* The gateway's metrological log book: what happened, chained, signed by the
 * station, kept for good and published on the topic `log`.
 *
 * An entry goes to the disk at once and is signed afterwards, in order. While
 * the key is away entries wait, also over a restart, and are signed and
 * published when it is back; without a station they are published unsigned. */
#ifndef MG_RUN_LOGBOOK_H
#define MG_RUN_LOGBOOK_H

#include "model/logbook.h"
#include "run/gateway_priv.h"

/** Log an event, now. Does nothing without a store. Loop thread.
 *  @param meter  NULL: of the gateway
 *  @param data   what the event takes (model/logbook.h); copied; NULL: none */
void mg_logbook_add(struct mg_gateway *gateway, const struct meter *meter,
                    enum mg_log_event event, const struct mg_log_data *data);

/** Read where the book ends, log EichrechtServiceStarted, and go on with what
 *  was not signed or published. After mg_event_load, before the station's key
 *  is opened.
 *  @return MG_OK; a code with err: the book cannot be read, so none may be
 *          written */
int mg_logbook_load(struct mg_gateway *gateway, struct mg_err *err);

/** Log EichrechtServiceStopped and sign, here and now, what is left. Nothing is
 *  logged any more. */
void mg_logbook_stop(struct mg_gateway *gateway);
void mg_logbook_free(struct mg_gateway *gateway);

/** Something is on the disk. */
void mg_logbook_durable(struct mg_gateway *gateway);

/** For station.c: the key could not be opened, or did not sign: logged as
 *  SigningKeyInvalid, once until it works again. */
void mg_logbook_key_failed(struct mg_gateway *gateway);
void mg_logbook_key_works(struct mg_gateway *gateway);

#endif
