/* Values from frames, and into them. */
#include "dbc_priv.h"

static bool is_exponent(int exp10)
{
    return exp10 >= -DBC_EXP10_MAX && exp10 <= DBC_EXP10_MAX;
}

static bool is_within_limits(const struct mg_dbc_signal *signal,
                             struct dbc_value value)
{
    if (signal->min.mantissa == 0 && signal->max.mantissa == 0) {
        return true;
    }
    return dbc_value_compare(value, dbc_value_of(signal->min)) >= 0 &&
           dbc_value_compare(value, dbc_value_of(signal->max)) <= 0;
}

/* raw * factor + offset */
static bool physical(const struct mg_dbc_signal *signal, uint64_t raw,
                     struct dbc_value *ret)
{
    dbc_wide n = raw;
    if (signal->type == MG_DBC_SIGNED && raw >> (signal->length - 1) != 0) {
        n -= (dbc_wide)1 << signal->length;
    }
    struct dbc_value product = {n * signal->factor.mantissa,
                                signal->factor.exp10};
    return dbc_value_add(product, dbc_value_of(signal->offset), ret);
}

/* The factor in the caller's unit, rounded up. */
static int resolution(struct mg_decimal factor, int exp10, int64_t *ret)
{
    if (factor.mantissa < 0) {
        factor.mantissa = -factor.mantissa;
    }
    int64_t step;
    if (dbc_value_round(dbc_value_of(factor), exp10, &step) != MG_OK) {
        return MG_E_RANGE;
    }
    struct dbc_value rounded = {step, -exp10};
    if (dbc_value_compare(rounded, dbc_value_of(factor)) < 0) {
        step++; /* below 2^63: a fraction was cut */
    }
    *ret = step;
    return MG_OK;
}

static int decode_integer(const struct mg_dbc_signal *signal, uint64_t raw,
                          int exp10, int64_t *ret, int64_t *ret_resolution)
{
    struct dbc_value exact;
    int64_t value;
    int64_t step;
    if (!physical(signal, raw, &exact) || !is_within_limits(signal, exact) ||
        dbc_value_round(exact, exp10, &value) != MG_OK ||
        resolution(signal->factor, exp10, &step) != MG_OK) {
        return MG_E_RANGE;
    }
    *ret = value;
    *ret_resolution = step;
    return MG_OK;
}

/* Its limits are compared after rounding: 0.1 as a float is above 0.1. */
static int decode_float(const struct mg_dbc_signal *signal, uint64_t raw,
                        int exp10, int64_t *ret, int64_t *ret_resolution)
{
    int64_t value;
    int64_t step;
    int rc =
        dbc_float_decode((uint32_t)raw, signal->factor, exp10, &value, &step);
    if (rc != MG_OK) {
        return rc;
    }
    if (!is_within_limits(signal, (struct dbc_value){value, -exp10})) {
        return MG_E_RANGE;
    }
    *ret = value;
    *ret_resolution = step;
    return MG_OK;
}

int mg_dbc_decode(const struct mg_dbc_message *message,
                  const struct mg_dbc_signal *signal, const uint8_t *data,
                  size_t len, int exp10, int64_t *ret, int64_t *ret_resolution)
{
    if (len < message->len) {
        return MG_E_PROTO;
    }
    if (!is_exponent(exp10)) {
        return MG_E_RANGE;
    }
    if (signal->mux == MG_DBC_MULTIPLEXED &&
        dbc_bits_get(message->multiplexor, data) != signal->mux_value) {
        return MG_E_NOTFOUND;
    }
    uint64_t raw = dbc_bits_get(signal, data);
    return signal->type == MG_DBC_FLOAT32
               ? decode_float(signal, raw, exp10, ret, ret_resolution)
               : decode_integer(signal, raw, exp10, ret, ret_resolution);
}

/* (value - offset) / factor, half to even; false: beyond 2^126. */
static bool raw_of(const struct mg_dbc_signal *signal, struct dbc_value value,
                   dbc_wide *ret)
{
    struct dbc_value minus = dbc_value_of(signal->offset);
    minus.n = -minus.n;
    struct dbc_value num;
    if (!dbc_value_add(value, minus, &num)) {
        return false;
    }
    dbc_wide den = signal->factor.mantissa;
    int exponent = num.exp10 - signal->factor.exp10;
    if (exponent >= 0 ? !dbc_wide_scale(&num.n, (unsigned)exponent)
                      : !dbc_wide_scale(&den, (unsigned)-exponent)) {
        return false;
    }
    *ret = dbc_wide_divide(num.n, den);
    return true;
}

static int encode_integer(const struct mg_dbc_signal *signal,
                          struct dbc_value value, uint64_t *ret)
{
    bool is_signed = signal->type == MG_DBC_SIGNED;
    dbc_wide end = (dbc_wide)1 << (signal->length - is_signed);
    dbc_wide raw;
    struct dbc_value exact;
    if (!raw_of(signal, value, &raw) || raw >= end ||
        raw < (is_signed ? -end : 0)) {
        return MG_E_RANGE;
    }
    uint64_t bits = (uint64_t)raw & UINT64_MAX >> (64 - signal->length);
    if (!physical(signal, bits, &exact) || !is_within_limits(signal, exact)) {
        return MG_E_RANGE;
    }
    *ret = bits;
    return MG_OK;
}

int mg_dbc_put_page(const struct mg_dbc_message *message, uint32_t page,
                    uint8_t *data, size_t len)
{
    if (len < message->len) {
        return MG_E_NOSPC;
    }
    if (message->multiplexor != NULL) {
        dbc_bits_put(message->multiplexor, page, data);
    }
    return MG_OK;
}

int mg_dbc_encode(const struct mg_dbc_message *message,
                  const struct mg_dbc_signal *signal, int64_t value, int exp10,
                  uint8_t *data, size_t len)
{
    if (len < message->len) {
        return MG_E_NOSPC;
    }
    if (!is_exponent(exp10)) {
        return MG_E_RANGE;
    }
    struct dbc_value wanted = {value, -exp10};
    uint64_t raw;
    if (signal->type == MG_DBC_FLOAT32) {
        uint32_t bits;
        if (!is_within_limits(signal, wanted) ||
            dbc_float_encode(value, signal->factor, exp10, &bits) != MG_OK) {
            return MG_E_RANGE;
        }
        raw = bits;
    } else if (encode_integer(signal, wanted, &raw) != MG_OK) {
        return MG_E_RANGE;
    }
    if (signal->mux == MG_DBC_MULTIPLEXED) {
        dbc_bits_put(message->multiplexor, signal->mux_value, data);
    }
    dbc_bits_put(signal, raw, data);
    return MG_OK;
}
