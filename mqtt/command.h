/* Commands from the broker: may this message be carried out? Pure.
 *
 * A command switches relays, so whatever is doubtful is refused, with a reason
 * for who sent it. */
#ifndef MG_MQTT_COMMAND_H
#define MG_MQTT_COMMAND_H

#include "mqtt/client.h"
#include "mqtt/recent.h"

#define MG_COMMAND_MEMBERS_MAX 32
#define MG_COMMAND_ID_MAX      64 /* bytes of the member `id` as written */
#define MG_COMMAND_ANSWER_MAX  512

struct mg_command_rules {
    const char *base; /* "<root>/<gateway>/" */
    size_t max_bytes;
    struct mg_recent *recent; /* of accepted ids; NULL: do not look */
};

struct mg_command_verdict {
    /* owned, free(); NULL: refused (or out of memory) */
    struct mg_command *command;
    struct mg_reply_to reply_to;
    const char *code;               /* of a refusal: static, e.g. "expired" */
    char reason[160];               /* of a refusal: a sentence */
    char id[MG_COMMAND_ID_MAX + 3]; /* JSON text of the `id`; empty: none */
};

/** What an uplink takes and what it answers to the rest; on its thread. */
struct mg_command_protocol {
    /** Fill ret: a command, or why not. */
    void (*check)(const struct mg_command_rules *rules,
                  const struct mg_client_message *message, int64_t now_ms,
                  struct mg_command_verdict *ret);
    /** @return length of the answer to a refused one; 0: does not fit */
    size_t (*answer)(const struct mg_command_verdict *verdict,
                     char buf[MG_COMMAND_ANSWER_MAX]);
};

/** Check a message and remember the id of an accepted command.
 *  Checked in this order: topic, size, JSON, where the answer goes, retained,
 *  expiry, delivered before.
 *  @param now_ms  UTC */
void mg_command_check(const struct mg_command_rules *rules,
                      const struct mg_client_message *message, int64_t now_ms,
                      struct mg_command_verdict *ret);

/** Turn an accepted command down after all. */
void mg_command_refuse(struct mg_command_verdict *verdict, const char *code,
                       const char *reason);

/** The answer to a refused command:
 *  {"ok":false,"id":...,"error":...,"reason":...}
 *  @return its length; 0: does not fit */
size_t mg_command_answer(const struct mg_command_verdict *verdict,
                         char buf[MG_COMMAND_ANSWER_MAX]);

#endif
