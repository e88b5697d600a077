/* Cable loss (OCMF 1.4, LC and CL): CL is what was withdrawn from the meter's
 * reading since the begin, so RV + CL is the meter's own reading. */
#include "metergate/fixed.h"
#include "model/ocmf_checks_priv.h"

static const struct mg_ocmf_number ZERO = {.is_there = true, .is_exact = true};

static const struct mg_ocmf_number *loss_of(const struct mg_ocmf_reading *r)
{
    return r->cl.is_exact ? &r->cl : &ZERO;
}

/* @return whether d * 10^-a plus e * 10^-b is negative; false when too large */
static bool is_sum_negative(int64_t d, uint8_t a, int64_t e, uint8_t b)
{
    uint8_t decimals = a > b ? a : b;
    int64_t x = mg_pow10(decimals - a);
    int64_t y = mg_pow10(decimals - b);
    if (d > INT64_MAX / 2 / x || d < -INT64_MAX / 2 / x ||
        e > INT64_MAX / 2 / y || e < -INT64_MAX / 2 / y) {
        return false;
    }
    return d * x + e * y < 0;
}

static void check_step(const struct mg_ocmf_reading *a,
                       const struct mg_ocmf_reading *b, int i,
                       struct mg_findings *f)
{
    int64_t energy = 0;
    int64_t loss = 0;
    uint8_t energy_decimals = 0;
    uint8_t loss_decimals = 0;
    if (mg_ocmf_difference(loss_of(a), loss_of(b), &loss, &loss_decimals) !=
            MG_OK ||
        a->unit != b->unit) {
        return;
    }
    if (loss < 0) {
        mg_findings_report(f, MG_CHECK_LOSS_ORDER, i, "CL %.*s after %.*s",
                           ocmf_cut(b->cl.text, 24), b->cl.text.text,
                           ocmf_cut(a->cl.text, 24), a->cl.text.text);
    }
    if (mg_ocmf_difference(&a->rv, &b->rv, &energy, &energy_decimals) ==
            MG_OK &&
        is_sum_negative(energy, energy_decimals, loss, loss_decimals)) {
        mg_findings_report(f, MG_CHECK_LOSS_SUM, i,
                           "RV + CL is below that of the reading before");
    }
}

static void check_reading(const struct mg_ocmf *o, int i, struct mg_findings *f)
{
    const struct mg_ocmf_reading *r = &o->readings[i];
    struct mg_obis_parts obis;
    if (r->cl.text.text == NULL) {
        return;
    }
    if (!r->cl.is_exact || r->cl.mantissa < 0) {
        mg_findings_report(f, MG_CHECK_LOSS_FORM, i,
                           "CL '%.*s' is no number from 0 up",
                           ocmf_cut(r->cl.text, 24), r->cl.text.text);
        return;
    }
    if (r->tx == 'B' && r->cl.mantissa != 0) {
        mg_findings_report(f, MG_CHECK_LOSS_BEGIN, i, "CL is %.*s at the begin",
                           ocmf_cut(r->cl.text, 24), r->cl.text.text);
    }
    if (r->cl.mantissa != 0 && !o->has_lc) {
        mg_findings_report(f, MG_CHECK_LOSS_CABLE, i,
                           "CL without LC: of which cable?");
    }
    if (mg_obis_parse(r->ri, &obis) && obis.d != 8) {
        mg_findings_report(f, MG_CHECK_LOSS_REGISTER, i, "CL with RI %.*s",
                           ocmf_cut(r->ri, 40), r->ri.text);
    }
}

/* ---- Plausible? ---- */

/* LR in uOhm, rounded up. @return false: none, or beyond 1 Ohm */
static bool resistance_uohm(const struct mg_ocmf *o, int64_t *ret)
{
    int64_t factor = ocmf_is(o->lu, "mOhm") ? 1000 : 1;
    if (!o->lr.is_exact || o->lr.mantissa < 0 ||
        o->lr.mantissa > INT64_MAX / 1000 ||
        (factor == 1 && !ocmf_is(o->lu, "uOhm"))) {
        return false;
    }
    int64_t unit = mg_pow10(o->lr.decimals);
    int64_t value = o->lr.mantissa * factor;
    *ret = value / unit + (value % unit != 0);
    return *ret <= 1000000;
}

/* The loss is R * I^2 * t per conductor, the energy U * I * t: their ratio is
 * at most R * Imax / U. Bounds far beyond any station: 100 A at 200 V for AC,
 * 1500 A at 150 V for DC. */
static int64_t limit_of(int64_t energy, int64_t r_uohm, bool is_dc)
{
    int64_t product = energy * r_uohm / 1000000;
    return is_dc ? product * 10 : product / 2;
}

static void check_amount(const struct mg_ocmf *o, int begin, int end,
                         struct mg_findings *f)
{
    const struct mg_ocmf_reading *a = &o->readings[begin];
    const struct mg_ocmf_reading *b = &o->readings[end];
    const struct mg_ocmf_number *loss = loss_of(b);
    int64_t energy = 0;
    int64_t r_uohm = 0;
    uint8_t decimals = 0;
    if (loss->mantissa <= 0 || !resistance_uohm(o, &r_uohm) ||
        mg_ocmf_difference(&a->rv, &b->rv, &energy, &decimals) != MG_OK ||
        energy < 0 || energy > INT64_C(1000000000000)) {
        return;
    }
    uint8_t fine = decimals > loss->decimals ? decimals : loss->decimals;
    uint8_t coarse = decimals < loss->decimals ? decimals : loss->decimals;
    if (fine - coarse > 6 ||
        energy > INT64_C(1000000000000) / mg_pow10(fine - decimals) ||
        loss->mantissa > INT64_MAX / mg_pow10(fine - loss->decimals)) {
        return;
    }
    energy *= mg_pow10(fine - decimals);
    /* Two steps of the coarser number are rounding. */
    int64_t limit = r_uohm == 0
                        ? 0
                        : limit_of(energy, r_uohm, ocmf_is(b->rt, "DC")) +
                              2 * mg_pow10(fine - coarse);
    if (loss->mantissa * mg_pow10(fine - loss->decimals) > limit) {
        mg_findings_report(f, MG_CHECK_LOSS_HIGH, end,
                           "CL %.*s is more than %lld uOhm can account for",
                           ocmf_cut(b->cl.text, 24), b->cl.text.text,
                           (long long)r_uohm);
    }
}

void ocmf_check_loss(const struct mg_ocmf *o, int first, struct mg_findings *f)
{
    int before = -1;
    int begin = -1;
    for (int i = first; i >= 0; i = ocmf_next_of_register(o, i)) {
        const struct mg_ocmf_reading *r = &o->readings[i];
        check_reading(o, i, f);
        if (before >= 0 && r->tx != 'B') {
            check_step(&o->readings[before], r, i, f);
        }
        if (begin >= 0 && mg_ocmf_is_end(r->tx)) {
            check_amount(o, begin, i, f);
        }
        begin = r->tx == 'B' ? i : begin;
        before = i;
    }
}

void ocmf_check_cable(const struct mg_ocmf *o, struct mg_findings *f)
{
    bool has_unit = ocmf_is(o->lu, "mOhm") || ocmf_is(o->lu, "uOhm");
    if (o->has_lc && (!has_unit || !o->lr.is_exact || o->lr.mantissa < 0)) {
        mg_findings_report(f, MG_CHECK_CABLE_FORM, -1,
                           "LC without a resistance LR in mOhm or uOhm");
    }
}
