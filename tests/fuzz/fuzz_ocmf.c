/* A signed record from anywhere: read, verified with a key, checked, paired
 * with itself. Whatever it is, every piece points into it and nothing is
 * accepted that the key has not signed. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/ocmf_check.h"
#include "record/verify.h"

/* secp256r1; its private key is not kept anywhere. */
static const char KEY[] =
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004570a643d390d11acd05"
    "d621db8406554c31a1efcc4f48a6943757208ba027736ee5d00361cbb6dcd334ba0b53f01"
    "9d09902bef256180f3aa04e3cd7f58e3754a";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(struct mg_span span, const char *text, size_t len)
{
    char buf[64];
    if (span.text == NULL) {
        assert(span.len == 0);
        return;
    }
    assert(span.text >= text && span.text <= text + len);
    assert(span.len <= (size_t)(text + len - span.text));
    assert(mg_ocmf_text(span, buf, sizeof buf) < sizeof buf);
}

static void check_number(const struct mg_ocmf_number *n)
{
    assert(!n->is_exact || n->is_there || n->text.text == NULL);
    assert(n->decimals <= 18);
    assert(n->mantissa < 1000000000000000000 &&
           n->mantissa > -1000000000000000000);
}

static void check_readings(const struct mg_ocmf *o, const char *text,
                           size_t len)
{
    assert(o->n_readings <= MG_OCMF_READINGS_MAX);
    for (size_t i = 0; i < o->n_readings; i++) {
        const struct mg_ocmf_reading *r = &o->readings[i];
        check_span(r->time, text, len);
        check_span(r->ri, text, len);
        check_span(r->ru, text, len);
        check_span(r->rt, text, len);
        check_span(r->ef, text, len);
        check_span(r->rv.text, text, len);
        check_number(&r->rv);
        check_number(&r->cl);
        assert(r->has_time == (r->clock != '\0'));
    }
}

static void check_findings(const struct mg_findings *f, const struct mg_ocmf *o)
{
    assert(f->n <= MG_FINDINGS_MAX);
    for (size_t i = 0; i < f->n; i++) {
        assert(f->all[i].reading < (int)o->n_readings);
        assert(f->all[i].text[0] != '\0');
    }
}

static void check_record(const struct mg_ocmf *o, const char *text, size_t len)
{
    char why[120];
    struct mg_findings f = {0};
    check_span(o->payload, text, len);
    check_span(o->signature, text, len);
    check_span(o->fv, text, len);
    check_span(o->pg, text, len);
    check_span(o->id, text, len);
    check_span(o->sd, text, len);
    check_span(o->pg_suffix, text, len);
    check_readings(o, text, len);
    mg_ocmf_check(o, &f);
    bool has_error = mg_findings_has(&f, MG_SEVERITY_ERROR);
    check_findings(&f, o);
    f.n = 0;
    mg_ocmf_check_profile(o, MG_PROFILE_TRANSPARENZ_1_3, &f);
    mg_ocmf_check_pair(o, o, &f);
    check_findings(&f, o);
    bool is_billable = mg_ocmf_is_billable(o, why);
    assert(!is_billable || !has_error);
    assert(is_billable == (why[0] == '\0'));
}

/* What is accepted was signed with the key: the corpus holds all that were. */
static void check_report(const struct mg_record_report *r)
{
    assert((r->verdict == MG_VERDICT_LENIENT) <= (r->lenient != 0));
    bool is_good = r->verdict <= MG_VERDICT_LENIENT;
    assert(!is_good || r->der_len > 0);
    assert(is_good == (r->reason[0] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_err err = {0};
    struct mg_public_key *key = NULL;
    unsigned lenient = 0;
    /* Of the exact length, so that a byte too far is seen. */
    char *text = malloc(size + 1);
    struct mg_ocmf *o = malloc(sizeof *o);
    struct mg_record_report *r = malloc(sizeof *r);
    if (text == NULL || o == NULL || r == NULL ||
        mg_public_key_parse(KEY, sizeof KEY - 1, MG_N_CURVES, &key, &lenient,
                            &err) != MG_OK) {
        goto out;
    }
    text = realloc(text, size == 0 ? 1 : size);
    assert(text != NULL);
    memcpy(text, data, size);
    assert(mg_record_verify(text, size, key, lenient, o, r) == MG_OK);
    check_report(r);
    if (r->verdict != MG_VERDICT_NO_RECORD) {
        check_findings(&r->findings, o);
        check_record(o, text, size);
    }
out:
    mg_public_key_destroy(key);
    free(r);
    free(o);
    free(text);
    return 0;
}
