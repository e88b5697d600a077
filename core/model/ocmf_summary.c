#include "model/ocmf_summary.h"

#include <stdio.h>

#include "metergate/fixed.h"
#include "model/json.h"

#define ENERGY_DECIMALS 4 /* of a kWh */

static void set(char ret[MG_SUMMARY_TEXT], const char *text, const char *mark)
{
    (void)snprintf(ret, MG_SUMMARY_TEXT, "%s%s", text, mark);
}

static void time_text(const struct mg_ocmf_reading *r, int16_t offset_min,
                      char ret[MG_SUMMARY_TEXT])
{
    char local[MG_TIME_TEXT], text[24];
    const char *mark = r->is_time_bad ? " t" : "";
    if (r->has_time && r->clock == 'U') {
        set(ret, "time not synchronised", mark);
    } else if (!r->has_time ||
               mg_time_format(r->utc_ms + offset_min * INT64_C(60000), local) !=
                   MG_OK) {
        set(ret, "-", mark);
    } else {
        (void)snprintf(text, sizeof text, "%.10s %.8s", local, local + 11);
        set(ret, text, mark);
    }
}

/* Decimals of a kWh. @return false: no such number */
static bool kwh_of(const struct mg_ocmf_reading *r,
                   const struct mg_ocmf_number *n, unsigned *ret_decimals)
{
    if (!n->is_there || !n->is_exact ||
        (r->unit != MG_OCMF_KWH && r->unit != MG_OCMF_WH)) {
        return false;
    }
    *ret_decimals = n->decimals + (r->unit == MG_OCMF_WH ? 3U : 0U);
    return *ret_decimals <= 18;
}

static void number_text(int64_t value, unsigned decimals, const char *unit,
                        const char *mark, char ret[MG_SUMMARY_TEXT])
{
    char digits[MG_SUMMARY_TEXT - 8];
    struct mg_json j = mg_json_init(digits, sizeof digits - 1);
    mg_json_decimal(&j, value, decimals, 0);
    digits[j.failed ? 0 : j.len] = '\0';
    (void)snprintf(ret, MG_SUMMARY_TEXT, "%s %s%s", digits, unit, mark);
}

static void energy_text(const struct mg_ocmf_reading *r,
                        char ret[MG_SUMMARY_TEXT])
{
    const char *mark = r->is_energy_bad ? " E" : "";
    unsigned decimals;
    if (!kwh_of(r, &r->rv, &decimals)) {
        set(ret, "-", mark);
        return;
    }
    int64_t value = r->rv.mantissa, padded;
    if (decimals < ENERGY_DECIMALS &&
        !__builtin_mul_overflow(value, mg_pow10(ENERGY_DECIMALS - decimals),
                                &padded)) {
        value = padded;
        decimals = ENERGY_DECIMALS;
    }
    number_text(value, decimals, "kWh", mark, ret);
}

/* "-0.0" for none, as the guide shows it: a loss is always taken off. */
static void loss_text(const struct mg_ocmf_reading *r,
                      char ret[MG_SUMMARY_TEXT])
{
    unsigned decimals;
    int64_t tenths = 0; /* of a Wh: four decimals of a kWh */
    if (!kwh_of(r, &r->cl, &decimals) || r->cl.mantissa < 0 ||
        (decimals < ENERGY_DECIMALS &&
         __builtin_mul_overflow(
             r->cl.mantissa, mg_pow10(ENERGY_DECIMALS - decimals), &tenths))) {
        set(ret, "-", "");
        return;
    }
    if (decimals >= ENERGY_DECIMALS) {
        int64_t step = mg_pow10(decimals - ENERGY_DECIMALS);
        tenths = r->cl.mantissa / step;
        tenths += r->cl.mantissa % step >= step - r->cl.mantissa % step;
    }
    char text[MG_SUMMARY_TEXT];
    number_text(tenths, 1, "Wh", "", text);
    (void)snprintf(ret, MG_SUMMARY_TEXT, "-%.30s", text);
}

void mg_ocmf_summarise(const struct mg_ocmf_reading *reading,
                       int16_t offset_min, struct mg_ocmf_summary *ret)
{
    time_text(reading, offset_min, ret->time);
    energy_text(reading, ret->energy);
    loss_text(reading, ret->loss);
}

bool mg_ocmf_has_summary(const struct mg_ocmf *ocmf)
{
    for (size_t i = 0; i < ocmf->n_readings; i++) {
        if (ocmf->readings[i].cl.is_there) {
            return true;
        }
    }
    return false;
}
