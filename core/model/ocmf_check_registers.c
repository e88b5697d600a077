/* The readings of one register after another: a transaction's begin and end,
 * time and energy that do not go back. */
#include "model/ocmf_checks_priv.h"

bool mg_ocmf_is_end(char tx)
{
    return tx != '\0' && strchr("ELRAPr", tx) != NULL;
}

bool mg_ocmf_is_usable(const struct mg_ocmf_reading *reading)
{
    return ocmf_is_energy(reading) && reading->rv.is_exact &&
           reading->status == 'G' && !reading->is_energy_bad &&
           reading->tx != 'X';
}

static bool is_same_register(const struct mg_ocmf_reading *a,
                             const struct mg_ocmf_reading *b)
{
    return ocmf_is_same(a->ri, b->ri);
}

int ocmf_next_of_register(const struct mg_ocmf *o, int i)
{
    for (size_t k = (size_t)i + 1; k < o->n_readings; k++) {
        if (is_same_register(&o->readings[i], &o->readings[k])) {
            return (int)k;
        }
    }
    return -1;
}

bool ocmf_is_first_of_register(const struct mg_ocmf *o, int i)
{
    for (int k = 0; k < i; k++) {
        if (is_same_register(&o->readings[i], &o->readings[k])) {
            return false;
        }
    }
    return true;
}

int ocmf_compare(const struct mg_ocmf_number *a, const struct mg_ocmf_number *b)
{
    int64_t difference = 0;
    uint8_t decimals = 0;
    if (mg_ocmf_difference(a, b, &difference, &decimals) != MG_OK) {
        return 0;
    }
    return difference < 0 ? -1 : difference > 0;
}

/* ---- Order ---- */

static void check_step(const struct mg_ocmf *o, int before, int i,
                       struct mg_findings *f)
{
    const struct mg_ocmf_reading *a = &o->readings[before];
    const struct mg_ocmf_reading *b = &o->readings[i];
    if (a->has_time && b->has_time && b->utc_ms < a->utc_ms) {
        mg_findings_report(f, MG_CHECK_TIME_ORDER, i,
                           "%lld ms before the reading before it",
                           (long long)(a->utc_ms - b->utc_ms));
    }
    if (!ocmf_is_energy(a) && !ocmf_is_energy(b)) {
        return;
    }
    if (a->unit != b->unit) {
        mg_findings_report(f, MG_CHECK_UNIT_ORDER, i,
                           "RU is not as in reading %d", before);
    } else if (ocmf_compare(&a->rv, &b->rv) < 0) {
        mg_findings_report(f, MG_CHECK_ENERGY_ORDER, i, "RV %.*s after %.*s",
                           ocmf_cut(b->rv.text, 24), b->rv.text.text,
                           ocmf_cut(a->rv.text, 24), a->rv.text.text);
    }
}

/* ---- Transaction ---- */

struct progress {
    bool has_begun, has_ended, is_told;
};

static void begin(struct progress *p, int i, struct mg_findings *f)
{
    if (p->has_begun) {
        mg_findings_report(f, MG_CHECK_SECOND_BEGIN, i,
                           "a second begin of this register");
    }
    p->has_begun = true;
}

static void follow(struct progress *p, char tx, int i, struct mg_findings *f)
{
    if (p->has_ended) {
        mg_findings_report(f, MG_CHECK_AFTER_END, i,
                           "a reading after the end of the transaction");
    }
    if (tx == 'B') {
        begin(p, i, f);
        return;
    }
    if (tx == 'X') {
        mg_findings_report(f, MG_CHECK_EXCEPTION, i,
                           "values are not usable from here on");
    }
    if (!p->has_begun && !p->is_told) {
        mg_findings_report(f, MG_CHECK_NO_BEGIN, i,
                           "the first reading is no begin");
        p->is_told = true;
    }
    p->has_ended = p->has_ended || mg_ocmf_is_end(tx);
}

static void check_register(const struct mg_ocmf *o, int first,
                           struct mg_findings *f)
{
    struct progress p = {0};
    int before = -1;
    for (int i = first; i >= 0; i = ocmf_next_of_register(o, i)) {
        if (before >= 0) {
            check_step(o, before, i, f);
        }
        if (ocmf_is_energy(&o->readings[first]) && o->context != 'F') {
            follow(&p, o->readings[i].tx, i, f);
        }
        before = i;
    }
    if (!ocmf_is_energy(&o->readings[first])) {
        return;
    }
    if (o->context != 'F' && !p.has_ended) {
        mg_findings_report(f, MG_CHECK_NO_END, before,
                           "the last reading is no end");
    }
    ocmf_check_loss(o, first, f);
}

void ocmf_check_registers(const struct mg_ocmf *o, struct mg_findings *f)
{
    bool has_energy = false;
    for (int i = 0; (size_t)i < o->n_readings; i++) {
        has_energy = has_energy || ocmf_is_energy(&o->readings[i]);
        if (ocmf_is_first_of_register(o, i)) {
            check_register(o, i, f);
        }
    }
    if (!has_energy && o->n_readings > 0) {
        mg_findings_report(f, MG_CHECK_NO_ENERGY, -1,
                           "no reading is in kWh or Wh");
    }
    if (o->context == 'F') {
        mg_findings_report(f, MG_CHECK_FISCAL, -1,
                           "a fiscal record, of no transaction");
    }
}

/* ---- What is billed ---- */

static bool find_span(const struct mg_ocmf *o, int first,
                      const struct mg_ocmf_reading **ret_begin,
                      const struct mg_ocmf_reading **ret_end)
{
    const struct mg_ocmf_reading *from = NULL;
    const struct mg_ocmf_reading *to = NULL;
    for (int i = first; i >= 0; i = ocmf_next_of_register(o, i)) {
        const struct mg_ocmf_reading *r = &o->readings[i];
        from = from == NULL && r->tx == 'B' ? r : from;
        to = mg_ocmf_is_end(r->tx) ? r : to;
    }
    if (from == NULL && to == NULL) {
        return false;
    }
    *ret_begin = from;
    *ret_end = to;
    return true;
}

bool mg_ocmf_transaction(const struct mg_ocmf *ocmf,
                         const struct mg_ocmf_reading **ret_begin,
                         const struct mg_ocmf_reading **ret_end)
{
    for (int i = 0; (size_t)i < ocmf->n_readings; i++) {
        if (ocmf_is_energy(&ocmf->readings[i]) &&
            ocmf_is_first_of_register(ocmf, i) &&
            find_span(ocmf, i, ret_begin, ret_end)) {
            return true;
        }
    }
    return false;
}
