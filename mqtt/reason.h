/* MQTT reason codes: what to do after one, and what to tell a person. Pure. */
#ifndef MG_MQTT_REASON_H
#define MG_MQTT_REASON_H

#include <stdbool.h>

/* Those the uplink acts on (MQTT 5.0, 2.4). */
#define MG_REASON_NO_SUBSCRIBER       0x10
#define MG_REASON_UNSUPPORTED_VERSION 0x84
#define MG_REASON_PACKET_TOO_LARGE    0x95

enum mg_reason_class {
    MG_REASON_TAKEN, /* the broker has the message */
    MG_REASON_RETRY, /* resend after a pause */
    MG_REASON_POISON /* this message will never be taken */
};

/** @param code  of a PUBACK; below 0: no answer came, which is a retry */
enum mg_reason_class mg_reason_classify(int code);

/** For people, e.g. "not authorised"; never NULL. */
const char *mg_reason_text(int code);

/** The return codes of an MQTT 3.1.1 CONNACK (3.2.2.3) as version 5's.
 *  @return code itself when it is none of 1..5 */
int mg_reason_from_v311(int code);

#endif
