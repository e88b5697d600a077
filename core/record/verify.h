/* The verdict on one signed record: form, key, signature, checks. */
#ifndef MG_RECORD_VERIFY_H
#define MG_RECORD_VERIFY_H

#include "crypto/verify.h"
#include "model/ocmf.h"

enum mg_verdict {
    MG_VERDICT_VALID,
    MG_VERDICT_LENIENT,     /* the signature is good after a tolerated
                             * deviation, which `lenient` names; blanks in the
                             * key are none */
    MG_VERDICT_INVALID,     /* not this key's signature of this payload */
    MG_VERDICT_NO_KEY,      /* nothing to verify with */
    MG_VERDICT_UNSUPPORTED, /* algorithm outside OCMF's table */
    MG_VERDICT_NO_RECORD    /* no OCMF record */
};

/** "valid", "valid-lenient", "invalid", "nokey", "unsupported", "norecord". */
const char *mg_verdict_text(enum mg_verdict verdict);

struct mg_record_report {
    enum mg_verdict verdict;
    enum mg_curve curve; /* MG_N_CURVES: not known */
    unsigned lenient;    /* enum mg_leniency bits, key and signature */
    char reason[160];    /* of INVALID, UNSUPPORTED, NO_RECORD; else "" */
    uint8_t der[MG_SIGNATURE_MAX]; /* the signature in strict DER */
    size_t der_len;                /* 0: none could be read */
    struct mg_findings findings;   /* signature matters, then mg_ocmf_check */
};

/** The algorithm is that of SA, by default ECDSA-secp256r1-SHA256; when the key
 *  is of another curve, the key's curve is tried and the contradiction named.
 *  @param key          NULL: none
 *  @param key_lenient  what mg_public_key_parse found
 *  @param scratch      holds the parsed record afterwards
 *  @return MG_OK, whatever the verdict; MG_E_NOMEM */
int mg_record_verify(const char *text, size_t len,
                     const struct mg_public_key *key, unsigned key_lenient,
                     struct mg_ocmf *scratch, struct mg_record_report *ret);

/** Name of one mg_leniency bit for reports: "signature-der-zeros", ... */
const char *mg_leniency_text(enum mg_leniency bit);

/** Add what a profile's program would refuse, of the record and of how it is
 *  signed. */
void mg_record_check_profile(const struct mg_ocmf *ocmf,
                             enum mg_ocmf_profile profile,
                             struct mg_record_report *report);

#endif
