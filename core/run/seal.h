/* The digital seal (Flex Series guide, annex A): a station and its meter belong
 * together, with serial and part number, the keys of both, and the cable that
 * is compensated for (Kabelkorrektur). Made at the first use, or by the command
 * `seal`, which the log book keeps; anything else is a mismatch, and sessions
 * are blocked. */
#ifndef MG_RUN_SEAL_H
#define MG_RUN_SEAL_H

#include "run/gateway_priv.h"

/** Who the meter says it is, into `meter`. */
void mg_seal_identity(struct meter *meter, const struct mg_identity *identity);

/** Compare with what is sealed; the first time, seal. Raises or clears the
 *  fault eichrecht-meter-mismatch. For meters without a seal: a changed cable
 *  compensation is logged. */
void mg_seal_check(struct meter *meter);

/** At start: the seal and the cable of the configuration. */
void mg_seal_load(struct meter *meter);

void mg_seal_free(struct meter *meter);

/** What the meter is to be sealed to: the fingerprint of the station's key.
 *  @return false: there is none now */
bool mg_seal_text(const struct meter *meter, uint8_t ret[32]);

/** The command `seal` was carried out by the meter. */
void mg_seal_renew(struct meter *meter);

#endif
