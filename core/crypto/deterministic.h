/* Keys and signatures of simulated meters: from a seed, always the same
 * (RFC 6979), P-256 with SHA-256. Never for a real station. */
#ifndef MG_CRYPTO_DETERMINISTIC_H
#define MG_CRYPTO_DETERMINISTIC_H

#include "crypto/key.h"

struct mg_sim_key;

/** The private key is derived from the seed with HMAC-SHA-256.
 *  @return owned; NULL: out of memory */
struct mg_sim_key *mg_sim_key_create(uint64_t seed, uint32_t serial);
void mg_sim_key_destroy(struct mg_sim_key *key);
/** X and Y. */
const uint8_t *mg_sim_key_public(const struct mg_sim_key *key); /* 64 bytes */
/** r and s. @return MG_OK or MG_E_NOMEM */
int mg_sim_key_sign(const struct mg_sim_key *key, const void *data, size_t len,
                    uint8_t ret[64]);

#endif
