/* Messages over ISO-TP as the gateway sees them; README.md, "Messages". */
#ifndef CPKM3000_MESSAGES_H
#define CPKM3000_MESSAGES_H

#include "metergate/plugin.h"

enum cpkm3000_service {
    CPKM3000_IDENTIFY = 0x10,
    CPKM3000_TELEGRAM = 0x11,
    CPKM3000_SEAL = 0x12,
    CPKM3000_RELAY = 0x13,
    CPKM3000_UPDATE_BEGIN = 0x20,
    CPKM3000_UPDATE_DATA = 0x21,
    CPKM3000_UPDATE_FINISH = 0x22,
    CPKM3000_UPDATE_ABORT = 0x23,
    CPKM3000_UPDATE_STATUS = 0x24
};
#define CPKM3000_ANSWER    0x40 /* added to the service */
#define CPKM3000_REFUSAL   0x7f
#define CPKM3000_BAD_VALUE 0x04 /* a refusal: sealed to another, ... */

size_t cpkm3000__identify(uint8_t ret[MG_PDU_MAX]);
int cpkm3000__identity(const uint8_t *message, size_t len,
                       struct mg_identity *ret);
size_t cpkm3000__ask_telegram(const uint8_t challenge[MG_CHALLENGE_LEN],
                              uint8_t ret[MG_PDU_MAX]);
int cpkm3000__telegram(const uint8_t *message, size_t len,
                       struct mg_telegram *ret);

/** Is the message the answer to this service, with so many bytes behind it? */
bool cpkm3000__is_answer(const struct mg_step_in *in,
                         enum cpkm3000_service service, size_t n_bytes);

/** Fail: what was refused and why, or that the answer makes no sense. */
void cpkm3000__refused(const struct mg_step_in *in, const char *what,
                       struct mg_step_out *out);
void cpkm3000__fail(struct mg_step_out *out, int code, const char *text,
                    const char *more);

#endif
