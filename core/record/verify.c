#include "record/verify.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "crypto/encode.h"
#include "model/ocmf_check.h"

/* Room for a signature with superfluous zeros, and for its text. */
#define BYTES_MAX 256
#define TEXT_MAX  (2 * BYTES_MAX + 1)

static const struct {
    enum mg_leniency bit;
    enum mg_check check;
} LENIENCIES[] = {{MG_LENIENT_KEY_RAW, MG_CHECK_KEY_RAW},
                  {MG_LENIENT_KEY_SPACED, MG_CHECK_KEY_SPACED},
                  {MG_LENIENT_SIG_RAW, MG_CHECK_SIGNATURE_RAW},
                  {MG_LENIENT_SIG_DER, MG_CHECK_SIGNATURE_DER},
                  {MG_LENIENT_SIG_ENCODING, MG_CHECK_SIGNATURE_ENCODING},
                  {MG_LENIENT_SA_NAME, MG_CHECK_ALGORITHM_NAME},
                  {MG_LENIENT_KEY_CURVE, MG_CHECK_KEY_CURVE}};

#define N_LENIENCIES (sizeof LENIENCIES / sizeof *LENIENCIES)

const char *mg_verdict_text(enum mg_verdict verdict)
{
    static const char *const TEXTS[] = {"valid", "valid-lenient", "invalid",
                                        "nokey", "unsupported",   "norecord"};
    return TEXTS[verdict];
}

const char *mg_leniency_text(enum mg_leniency bit)
{
    for (size_t i = 0; i < N_LENIENCIES; i++) {
        if (LENIENCIES[i].bit == bit) {
            return mg_check_kind(LENIENCIES[i].check)->id;
        }
    }
    return "?";
}

/* ---- SA ---- */

/* @return whether the algorithm is one of the table */
static bool find_curve(const struct mg_ocmf *o, struct mg_record_report *r)
{
    char name[64] = "";
    bool is_exact = true;
    r->curve = MG_CURVE_SECP256R1; /* the default of the format */
    if (o->sa.text == NULL) {
        return true;
    }
    size_t len = mg_ocmf_text(o->sa, name, sizeof name);
    if (mg_curve_of_algorithm(name, len, &r->curve, &is_exact) != MG_OK) {
        r->curve = MG_N_CURVES;
        r->verdict = MG_VERDICT_UNSUPPORTED;
        (void)snprintf(r->reason, sizeof r->reason,
                       "SA '%.64s' is no algorithm of OCMF", name);
        return false;
    }
    r->lenient |= is_exact ? 0U : (unsigned)MG_LENIENT_SA_NAME;
    return true;
}

/* ---- SD ---- */

enum encoding { HEX, BASE64, UNCLEAR };

/* "base 64", "Base64": letters and digits, whatever their case, tell. */
static enum encoding guess_encoding(const char *se)
{
    char text[8] = "";
    size_t n = 0;
    for (; *se != '\0'; se++) {
        if (!isalnum((unsigned char)*se)) {
            continue;
        }
        if (n == sizeof text - 1) {
            return UNCLEAR;
        }
        text[n++] = (char)tolower((unsigned char)*se);
    }
    return strcmp(text, "base64") == 0 ? BASE64
           : strcmp(text, "hex") == 0  ? HEX
                                       : UNCLEAR;
}

static enum encoding declared_encoding(const struct mg_ocmf *o,
                                       unsigned *ret_lenient)
{
    char se[32] = "";
    if (o->se.text == NULL) {
        return HEX; /* the default */
    }
    (void)mg_ocmf_text(o->se, se, sizeof se);
    if (strcmp(se, "hex") == 0) {
        return HEX;
    }
    if (strcmp(se, "base64") != 0) {
        *ret_lenient |= MG_LENIENT_SIG_ENCODING;
    }
    return guess_encoding(se);
}

/* Hex is base64 by its letters: what is said to be base64 is read as nothing
 * else. The other way round there is no doubt. */
static bool decode(enum encoding encoding, const char *text, size_t len,
                   uint8_t bytes[BYTES_MAX], size_t *ret_len,
                   unsigned *ret_lenient)
{
    if (encoding != BASE64 &&
        mg_hex_read(text, len, bytes, BYTES_MAX, ret_len) == MG_OK) {
        return true;
    }
    if (mg_base64_read(text, len, bytes, BYTES_MAX, ret_len) != MG_OK) {
        return false;
    }
    if (encoding != BASE64) {
        *ret_lenient |= MG_LENIENT_SIG_ENCODING;
    }
    return true;
}

static int refuse(struct mg_record_report *r, const char *reason)
{
    (void)snprintf(r->reason, sizeof r->reason, "%s", reason);
    return MG_E_PROTO;
}

/* Into r->der. @return MG_OK; MG_E_PROTO with r->reason */
static int read_signature(const struct mg_ocmf *o, enum mg_curve curve,
                          struct mg_record_report *r)
{
    char text[TEXT_MAX];
    uint8_t bytes[BYTES_MAX];
    size_t n = 0;
    unsigned lenient = 0;
    unsigned der_lenient = 0;
    if (o->sd.text == NULL) {
        return refuse(r, "SD, the signature, is not there");
    }
    size_t len = mg_ocmf_text(o->sd, text, sizeof text);
    enum encoding encoding = declared_encoding(o, &lenient);
    if (len == 0 || !decode(encoding, text, len, bytes, &n, &lenient)) {
        return refuse(r, encoding == BASE64 ? "SD is not base64, as SE says"
                                            : "SD is neither hex nor base64");
    }
    if (mg_signature_normalise(bytes, n, curve, r->der, &r->der_len,
                               &der_lenient) != MG_OK) {
        r->der_len = 0;
        return refuse(r, "SD is no signature: neither DER nor r and s of this "
                         "curve");
    }
    r->lenient |= lenient | der_lenient;
    return MG_OK;
}

/* ---- Verdict ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The signature does not fit. Blanks that somebody has put around the payload
 * are a frequent cause: worth a second look for the reason, no more. */
static void explain(const struct mg_ocmf *o, const struct mg_public_key *key,
                    struct mg_record_report *r)
{
    const char *begin = o->payload.text;
    const char *end = begin + o->payload.len;
    while (begin < end && is_space(*begin)) {
        begin++;
    }
    while (end > begin && is_space(end[-1])) {
        end--;
    }
    size_t len = (size_t)(end - begin);
    bool fits = len < o->payload.len &&
                mg_verify(key, begin, len, r->der, r->der_len) == MG_OK;
    (void)refuse(r, fits ? "white space was put around the payload after it "
                           "was signed"
                         : "the signature is not this key's of this payload");
}

static int judge(const struct mg_ocmf *o, const struct mg_public_key *key,
                 struct mg_record_report *r)
{
    if (mg_public_key_curve(key) != r->curve) {
        r->lenient |= MG_LENIENT_KEY_CURVE;
        r->curve = mg_public_key_curve(key);
    }
    r->verdict = MG_VERDICT_INVALID;
    if (read_signature(o, r->curve, r) != MG_OK) {
        return MG_OK;
    }
    int rc =
        mg_verify(key, o->payload.text, o->payload.len, r->der, r->der_len);
    if (rc == MG_E_NOMEM) {
        return rc;
    }
    if (rc != MG_OK) {
        explain(o, key, r);
        return MG_OK;
    }
    bool is_exact = (r->lenient & ~(unsigned)MG_LENIENT_KEY_SPACED) == 0;
    r->verdict = is_exact ? MG_VERDICT_VALID : MG_VERDICT_LENIENT;
    return MG_OK;
}

static void report_signature(const struct mg_ocmf *o,
                             struct mg_record_report *r)
{
    struct mg_findings *f = &r->findings;
    if (o->sd.text == NULL) {
        mg_findings_report(f, MG_CHECK_SIGNATURE_MISSING, -1,
                           "SD is not there");
    }
    if (o->sm.len > 0 &&
        (o->sm.len != strlen("application/x-der") ||
         memcmp(o->sm.text, "application/x-der", o->sm.len) != 0)) {
        mg_findings_report(f, MG_CHECK_SIGNATURE_TYPE, -1, "SM is '%.*s'",
                           o->sm.len > 60 ? 60 : (int)o->sm.len, o->sm.text);
    }
    for (size_t i = 0; i < N_LENIENCIES; i++) {
        if ((r->lenient & (unsigned)LENIENCIES[i].bit) != 0) {
            mg_findings_report(f, LENIENCIES[i].check, -1, "%s",
                               mg_check_kind(LENIENCIES[i].check)->meaning);
        }
    }
}

static void init_report(struct mg_record_report *r)
{
    r->verdict = MG_VERDICT_NO_RECORD;
    r->curve = MG_N_CURVES;
    r->lenient = 0;
    r->reason[0] = '\0';
    r->der_len = 0;
    r->findings.n = 0;
    r->findings.is_cut = false;
}

int mg_record_verify(const char *text, size_t len,
                     const struct mg_public_key *key, unsigned key_lenient,
                     struct mg_ocmf *scratch, struct mg_record_report *ret)
{
    struct mg_err err = {0};
    int rc = MG_OK;
    init_report(ret);
    if (mg_ocmf_parse(text, len, scratch, &err) != MG_OK) {
        (void)snprintf(ret->reason, sizeof ret->reason, "%.150s", err.text);
        return MG_OK;
    }
    if (find_curve(scratch, ret)) {
        ret->lenient |= key == NULL ? 0 : key_lenient;
        if (key != NULL) {
            rc = judge(scratch, key, ret);
        } else {
            ret->verdict = MG_VERDICT_NO_KEY;
            (void)read_signature(scratch, ret->curve, ret);
            ret->reason[0] = '\0';
        }
    }
    report_signature(scratch, ret);
    mg_ocmf_check(scratch, &ret->findings);
    return rc;
}

void mg_record_check_profile(const struct mg_ocmf *ocmf,
                             enum mg_ocmf_profile profile,
                             struct mg_record_report *report)
{
    const unsigned refused =
        MG_LENIENT_KEY_RAW | MG_LENIENT_SIG_RAW | MG_LENIENT_SIG_DER;
    if (profile == MG_PROFILE_NONE) {
        return;
    }
    if ((report->lenient & refused) != 0) {
        mg_findings_report(&report->findings, MG_CHECK_TRANSPARENZ_SIGNATURE,
                           -1, "%s",
                           (report->lenient & (unsigned)MG_LENIENT_KEY_RAW) != 0
                               ? "the key is no SPKI"
                               : "the signature is no strict DER");
    }
    mg_ocmf_check_profile(ocmf, profile, &report->findings);
}
