#include "mqtt/reason.h"

#include <stddef.h>

/* MQTT 5.0, 2.4. What is not in the table is retried: the broker may take it
 * later, and nothing is given up by mistake. */
static const struct {
    int code;
    enum mg_reason_class class_;
    const char *text;
} reasons[] = {
    {0x00, MG_REASON_TAKEN, "taken"},
    {0x10, MG_REASON_TAKEN, "taken, but nobody subscribes"},
    {0x80, MG_REASON_RETRY, "the broker gives no reason"},
    {0x81, MG_REASON_RETRY, "malformed packet"},
    {0x82, MG_REASON_RETRY, "protocol error"},
    {0x83, MG_REASON_RETRY, "a reason of the broker's own"},
    {0x84, MG_REASON_RETRY, "the broker does not speak MQTT 5"},
    {0x85, MG_REASON_RETRY, "the client id is not accepted"},
    {0x86, MG_REASON_RETRY, "wrong user name or password"},
    {0x87, MG_REASON_POISON, "not authorised"},
    {0x88, MG_REASON_RETRY, "the broker is not available"},
    {0x89, MG_REASON_RETRY, "the broker is busy"},
    {0x8a, MG_REASON_RETRY, "banned"},
    {0x8b, MG_REASON_RETRY, "the broker is shutting down"},
    {0x8c, MG_REASON_RETRY, "wrong authentication method"},
    {0x8d, MG_REASON_RETRY, "nothing was heard within the keep-alive time"},
    {0x8e, MG_REASON_RETRY,
     "another client took over the session; is the client id used twice?"},
    {0x8f, MG_REASON_RETRY, "topic filter not accepted"},
    {0x90, MG_REASON_POISON, "topic name not accepted"},
    {0x91, MG_REASON_RETRY, "packet id in use"},
    {0x93, MG_REASON_RETRY, "more unacknowledged messages than allowed"},
    {0x94, MG_REASON_RETRY, "topic alias not accepted"},
    {0x95, MG_REASON_POISON, "larger than the broker takes"},
    {0x96, MG_REASON_RETRY, "message rate too high"},
    {0x97, MG_REASON_RETRY, "quota exceeded"},
    {0x98, MG_REASON_RETRY, "ended by an administrator"},
    {0x99, MG_REASON_POISON, "payload format not accepted"},
    {0x9a, MG_REASON_RETRY, "retained messages are not supported"},
    {0x9b, MG_REASON_RETRY, "QoS 1 is not supported"},
    {0x9c, MG_REASON_RETRY, "the broker says to use another server"},
    {0x9d, MG_REASON_RETRY, "the broker has moved to another server"},
    {0x9f, MG_REASON_RETRY, "too many connections"},
    {0xa0, MG_REASON_RETRY, "the connection lasted too long"},
};

#define N_REASONS (sizeof reasons / sizeof *reasons)

enum mg_reason_class mg_reason_classify(int code)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (reasons[i].code == code) {
            return reasons[i].class_;
        }
    }
    return MG_REASON_RETRY;
}

const char *mg_reason_text(int code)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (reasons[i].code == code) {
            return reasons[i].text;
        }
    }
    return code < 0 ? "no answer" : "unknown reason";
}

int mg_reason_from_v311(int code)
{
    static const int codes[] = {0x00, 0x84, 0x85, 0x88, 0x86, 0x87};
    return code >= 1 && code <= 5 ? codes[code] : code;
}
