/* Messages over ISO-TP as the gateway sees them; README.md, "Messages". Each
 * side of the unit has its own pair. */
#ifndef CPIM1000_MESSAGES_H
#define CPIM1000_MESSAGES_H

#include "metergate/plugin.h"

enum cpim1000_service {
    CPIM1000_IDENTIFY = 0x10,
    CPIM1000_RELAY = 0x13,
    CPIM1000_SHUNT_TRIP = 0x14,
    CPIM1000_UPDATE_BEGIN = 0x20,
    CPIM1000_UPDATE_DATA = 0x21,
    CPIM1000_UPDATE_FINISH = 0x22,
    CPIM1000_UPDATE_ABORT = 0x23,
    CPIM1000_UPDATE_STATUS = 0x24
};
#define CPIM1000_ANSWER  0x40 /* added to the service */
#define CPIM1000_REFUSAL 0x7f

size_t cpim1000__identify(uint8_t ret[MG_PDU_MAX]);
int cpim1000__identity(const uint8_t *message, size_t len,
                       struct mg_identity *ret);

/** Is the message the answer to this service, with so many bytes behind it? */
bool cpim1000__is_answer(const struct mg_step_in *in,
                         enum cpim1000_service service, size_t n_bytes);

/** Fail: what was refused and why, or that the answer makes no sense. */
void cpim1000__refused(const struct mg_step_in *in, const char *what,
                       struct mg_step_out *out);
/** Fail with both texts, one after the other. */
void cpim1000__fail(struct mg_step_out *out, int code, const char *text,
                    const char *more);

#endif
