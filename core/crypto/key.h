/* Public keys of the seven curves that OCMF names, in every form in which they
 * are printed on meters and stations. */
#ifndef MG_CRYPTO_KEY_H
#define MG_CRYPTO_KEY_H

#include "base/err.h"

#define MG_KEY_RAW_MAX         96   /* X and Y */
#define MG_KEY_SPKI_MAX        160  /* DER of SubjectPublicKeyInfo */
#define MG_KEY_TEXT_MAX        1024 /* of a key as text, PEM included */
#define MG_FINGERPRINT_HEX_MAX 65   /* SHA-256 of the SPKI DER, and a NUL */

/** OCMF 1.4, table 22; all with SHA-256. */
enum mg_curve {
    MG_CURVE_SECP192K1,
    MG_CURVE_SECP256K1,
    MG_CURVE_SECP192R1,
    MG_CURVE_SECP256R1,
    MG_CURVE_BRAINPOOL256R1,
    MG_CURVE_SECP384R1,
    MG_CURVE_BRAINPOOL384R1,
    MG_N_CURVES
};

/** Deviations that are tolerated, never silently. Bit set. */
enum mg_leniency {
    MG_LENIENT_KEY_RAW = 1 << 0,      /* X and Y without SPKI, maybe with 04 */
    MG_LENIENT_KEY_SPACED = 1 << 1,   /* blanks, colons or lines in hex */
    MG_LENIENT_SIG_RAW = 1 << 2,      /* r and s without DER */
    MG_LENIENT_SIG_DER = 1 << 3,      /* INTEGERs with superfluous zeros */
    MG_LENIENT_SIG_ENCODING = 1 << 4, /* SD is not encoded as SE says */
    MG_LENIENT_SA_NAME = 1 << 5,      /* SA in a spelling outside the table */
    MG_LENIENT_KEY_CURVE = 1 << 6     /* the key is not of SA's curve */
};

/** "secp256r1". */
const char *mg_curve_name(enum mg_curve curve);
/** "ECDSA-secp256r1-SHA256". */
const char *mg_curve_algorithm(enum mg_curve curve);
/** Octets of a coordinate: 24, 32 or 48. */
size_t mg_curve_octets(enum mg_curve curve);
/** @param text  an OCMF SA value
 *  @param ret_is_exact  false: a spelling outside the table, as
 *                       ECDSA-brainpoolP256r1-SHA256
 *  @return MG_OK or MG_E_NOSUP */
int mg_curve_of_algorithm(const char *text, size_t len, enum mg_curve *ret,
                          bool *ret_is_exact);

/** Immutable; may be used by several threads at once. */
struct mg_public_key;

/** Read a key: hex, base64, PEM, or binary; SPKI DER, 04 X Y, or X Y.
 *  @param curve  taken for a raw key whose length fits several curves;
 *                MG_N_CURVES: the NIST curve of that length
 *  @param ret_lenient  enum mg_leniency bits
 *  @return MG_OK and an owned key; MG_E_PROTO: no key, not on its curve;
 *          MG_E_NOSUP: another curve or algorithm; err says which */
int mg_public_key_parse(const char *text, size_t len, enum mg_curve curve,
                        struct mg_public_key **ret, unsigned *ret_lenient,
                        struct mg_err *err);
void mg_public_key_destroy(struct mg_public_key *key);

/** Make a table (150 KB, some 30 ms) with which mg_verify of this key takes
 *  half the time: for keys of secp256r1 with thousands of signatures. No other
 *  thread may use the key meanwhile.
 *  @return MG_OK; MG_E_NOSUP: another curve; MG_E_NOMEM. The key stays usable
 *          in any case */
int mg_public_key_prepare(struct mg_public_key *key);

enum mg_curve mg_public_key_curve(const struct mg_public_key *key);
/** @return length */
size_t mg_public_key_spki(const struct mg_public_key *key,
                          uint8_t ret[MG_KEY_SPKI_MAX]);
/** X and Y. @return length */
size_t mg_public_key_raw(const struct mg_public_key *key,
                         uint8_t ret[MG_KEY_RAW_MAX]);
/** Upper-case hex of the SPKI DER. */
void mg_public_key_hex(const struct mg_public_key *key,
                       char ret[2 * MG_KEY_SPKI_MAX + 1]);
/** PEM, NUL-terminated. @return MG_OK or MG_E_NOSPC */
int mg_public_key_pem(const struct mg_public_key *key, char *buf, size_t cap);
/** Lower-case hex. */
void mg_public_key_fingerprint(const struct mg_public_key *key,
                               char ret[MG_FINGERPRINT_HEX_MAX]);

#endif
