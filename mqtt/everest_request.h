/* Requests of EVerest's powermeter API, as they come from its broker. Pure.
 *
 * everest_api/1/powermeter/<module>/e2m/start_transaction and
 * .../stop_transaction: {"headers":{"replyTo":TOPIC},"payload":...};
 * .../heartbeat: a number. EVerest API "powermeter_API", version 1. */
#ifndef MG_MQTT_EVEREST_REQUEST_H
#define MG_MQTT_EVEREST_REQUEST_H

#include "base/err.h"
#include "mqtt/command.h"
#include "run/session.h"

#define MG_EVEREST_API   "everest_api/"
#define MG_EVEREST_BASE  MG_EVEREST_API "1/powermeter/"
#define MG_EVEREST_START "start_transaction"
#define MG_EVEREST_STOP  "stop_transaction"
#define MG_EVEREST_ALIVE "heartbeat"

/** Is this message a request that may be carried out? The command's meter is
 *  the module, its verb the last level of the topic, its payload the request's
 *  own. As mg_command_check; refused: another topic, too large, no such JSON,
 *  retained, expired, an answer that would go elsewhere than to the API. A
 *  repeated message is no fault: the verbs are idempotent. */
void mg_everest_check(const struct mg_command_rules *rules,
                      const struct mg_client_message *message, int64_t now_ms,
                      struct mg_command_verdict *ret);

/** {"status":"UNEXPECTED_ERROR","error":...} */
size_t mg_everest_refusal(const struct mg_command_verdict *verdict,
                          char buf[MG_COMMAND_ANSWER_MAX]);

/** From a TransactionReq to a session's begin, or from a transaction id to its
 *  end; an empty id cancels any. Unknown members are passed over. What
 *  identifies a person is not repeated in err.
 *  @param verb  MG_EVEREST_START or MG_EVEREST_STOP
 *  @return MG_OK or MG_E_INVAL with err */
int mg_everest_parse(const char *verb, const char *payload, size_t len,
                     struct mg_session_request *ret, struct mg_err *err);

#endif
