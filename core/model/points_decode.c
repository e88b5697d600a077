/* From the answer of a block to the values of a sample. */
#include <stdio.h>

#include "metergate/bytes.h"
#include "metergate/fixed.h"
#include "model/channel.h"
#include "model/civil.h"
#include "model/points.h"

static const struct mg_value NO_VALUE = {.quality = MG_QUALITY_INVALID};

/* shift: decimals between register and base unit, 0..9 as the plan checked. */
static struct mg_value scaled(int64_t raw, unsigned shift)
{
    int64_t step = mg_pow10(shift);
    return (struct mg_value){.value = raw * step, .resolution = step};
}

/* value = mantissa * 10^decimals in base units, half to even where that is
 * finer than one of them. The exponent came from the wire. */
static struct mg_value at_power(int64_t mantissa, int decimals)
{
    struct mg_value v = {.resolution = 1};
    if (decimals < 0) {
        bool is_tiny = -decimals > MG_POW10_MAX;
        v.value =
            is_tiny ? 0
                    : mg_div_half_even(mantissa, mg_pow10((unsigned)-decimals));
        return v;
    }
    if (decimals > MG_POW10_MAX) {
        return NO_VALUE;
    }
    v.resolution = mg_pow10((unsigned)decimals);
    if (__builtin_mul_overflow(mantissa, v.resolution, &v.value)) {
        return NO_VALUE;
    }
    return v;
}

static struct mg_value from_f32(uint32_t bits, unsigned shift)
{
    struct mg_value v = {0};
    int rc = mg_fixed_from_f32(bits, shift, &v.value, &v.resolution);
    return rc == MG_OK ? v : NO_VALUE;
}

/* Years since 2000, month, day, hour, minute, second. */
static struct mg_value from_clock6(struct mg_rd *r)
{
    struct mg_civil c;
    unsigned year = mg_rd_u8(r);
    c.year = 2000 + year;
    c.month = mg_rd_u8(r);
    c.day = mg_rd_u8(r);
    c.hour = mg_rd_u8(r);
    c.minute = mg_rd_u8(r);
    c.second = mg_rd_u8(r);
    if (year > 99 || !mg_civil_exists(&c)) {
        return NO_VALUE;
    }
    return (struct mg_value){.value = mg_civil_unix_s(&c), .resolution = 1};
}

static struct mg_value from_map(const struct mg_point *row, unsigned content,
                                unsigned shift)
{
    bool is_known = content < row->n_map && row->map[content] != MG_MAP_HOLE;
    return is_known ? scaled(row->map[content], shift) : NO_VALUE;
}

/* Two's complement without casts that depend on the compiler. */
static int64_t sign_extend(uint32_t raw, unsigned bits)
{
    int64_t half = (int64_t)1 << (bits - 1);
    return raw < half ? (int64_t)raw : (int64_t)raw - 2 * half;
}

/* Top byte: exponent of ten; below: 24 bits of mantissa. 0xfd01e240 is
 * 123456 * 10^-3. */
static struct mg_value from_decade(uint32_t raw, bool is_signed, unsigned shift)
{
    uint32_t mantissa = raw & 0xffffff;
    int exponent = (int)sign_extend(raw >> 24, 8);
    return at_power(is_signed ? sign_extend(mantissa, 24) : mantissa,
                    exponent + (int)shift);
}

/* 0x00ff2694: energy is imported, capacitive, 0.9876. */
static struct mg_value from_power_factor(uint32_t raw)
{
    unsigned direction = raw >> 24;
    unsigned character = raw >> 16 & 0xff;
    int64_t value = raw & 0xffff;
    if ((direction != 0 && direction != 0xff) ||
        (character != 0 && character != 0xff)) {
        return NO_VALUE;
    }
    return (struct mg_value){.value = direction == 0 ? value : -value,
                             .resolution = 1};
}

static struct mg_value from_registers(const struct mg_plan_point *p,
                                      struct mg_rd *r)
{
    enum mg_unit unit = mg_channel_unit(p->channel);
    unsigned shift = (unsigned)((int)mg_unit_decimals(unit) + p->row->exp10);
    switch ((enum mg_encoding)p->row->encoding) {
    case MG_ENC_U16:
        return scaled(mg_rd_be16(r), shift);
    case MG_ENC_S16:
        return scaled(sign_extend(mg_rd_be16(r), 16), shift);
    case MG_ENC_U32:
        return scaled(mg_rd_be32(r), shift);
    case MG_ENC_S32:
        return scaled(sign_extend(mg_rd_be32(r), 32), shift);
    case MG_ENC_F32:
        return from_f32(mg_rd_be32(r), shift);
    case MG_ENC_CLOCK6:
        return from_clock6(r);
    case MG_ENC_MAP:
        return from_map(p->row, mg_rd_be16(r), shift);
    case MG_ENC_U24E8:
        return from_decade(mg_rd_be32(r), false, shift);
    case MG_ENC_S24E8:
        return from_decade(mg_rd_be32(r), true, shift);
    case MG_ENC_PF:
        return from_power_factor(mg_rd_be32(r));
    case MG_ENC_BIT:
    case MG_ENC_ASCII:
    case MG_ENC_VERSION:
        break;
    }
    return NO_VALUE;
}

/* Registers that were never written hold NULs, blanks or 0xff. */
static bool has_text(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != 0 && text[i] != ' ' && text[i] != 0xff) {
            return true;
        }
    }
    return false;
}

/* The index-th bit of the block. */
static int add_bit(const struct mg_plan_point *p, const uint8_t *data,
                   size_t index, struct mg_sample *sample)
{
    struct mg_value v = {.channel = p->channel,
                         .value = data[index / 8] >> (index % 8) & 1,
                         .resolution = 1};
    return mg_sample_add(sample, &v);
}

/* 208 is "2.08". */
static int add_version(const struct mg_plan_point *p, unsigned content,
                       struct mg_sample *sample)
{
    char text[8];
    int len =
        snprintf(text, sizeof text, "%u.%02u", content / 100, content % 100);
    return mg_sample_add_text(sample, p->channel, (const uint8_t *)text,
                              (size_t)len);
}

/* A 32-bit register whose exponent of ten is in another register. */
static struct mg_value with_exponent(const struct mg_plan_point *p,
                                     struct mg_rd *r, struct mg_rd *exponent)
{
    enum mg_unit unit = mg_channel_unit(p->channel);
    int shift = (int)mg_unit_decimals(unit) + p->row->exp10;
    uint32_t raw = mg_rd_be32(r);
    int exp10 = (int)sign_extend(mg_rd_be16(exponent), 16);
    return at_power(p->row->encoding == MG_ENC_S32 ? sign_extend(raw, 32) : raw,
                    exp10 + shift);
}

/* @param data  registers of the block, which begins at first */
static int add_registers(const struct mg_plan_point *p, const uint8_t *data,
                         unsigned first, struct mg_sample *sample)
{
    const uint8_t *bytes = data + 2 * (size_t)(p->address - first);
    size_t n_bytes = (size_t)p->width * 2;
    struct mg_rd r = mg_rd_init(bytes, n_bytes);
    struct mg_value v = NO_VALUE;
    if (p->row->encoding == MG_ENC_VERSION) {
        return add_version(p, mg_rd_be16(&r), sample);
    }
    if (p->row->encoding == MG_ENC_ASCII && has_text(bytes, n_bytes)) {
        return mg_sample_add_text(sample, p->channel, bytes, n_bytes);
    }
    if (p->row->exponent_at != 0) {
        struct mg_rd exponent =
            mg_rd_init(data + 2 * (size_t)(p->row->exponent_at - first), 2);
        v = with_exponent(p, &r, &exponent);
    } else {
        v = from_registers(p, &r);
    }
    v.channel = p->channel;
    return mg_sample_add(sample, &v);
}

static bool is_answer(const struct mg_plan_block *block, const uint8_t *pdu,
                      size_t pdu_len)
{
    bool is_bits = block->function <= 2;
    size_t n_bytes =
        is_bits ? (block->count + 7U) / 8U : (size_t)block->count * 2;
    return pdu_len == 2 + n_bytes && pdu[0] == block->function &&
           pdu[1] == n_bytes;
}

int mg_plan_decode(const struct mg_plan *plan,
                   const struct mg_plan_block *block, const uint8_t *pdu,
                   size_t pdu_len, struct mg_sample *sample)
{
    if (!is_answer(block, pdu, pdu_len)) {
        return MG_E_PROTO;
    }
    uint16_t n_before = sample->n_values;
    uint16_t text_before = sample->text_len;
    const struct mg_plan_point *p = &plan->points[block->first_point];
    for (size_t i = 0; i < block->n_points; i++) {
        int rc = p[i].row->encoding == MG_ENC_BIT
                     ? add_bit(&p[i], pdu + 2,
                               (size_t)p[i].address - block->address, sample)
                     : add_registers(&p[i], pdu + 2, block->address, sample);
        if (rc != MG_OK) {
            sample->n_values = n_before;
            sample->text_len = text_before;
            return rc;
        }
    }
    return MG_OK;
}

int mg_plan_miss(const struct mg_plan *plan, const struct mg_plan_block *block,
                 enum mg_quality quality, struct mg_sample *sample)
{
    if (block->n_points > MG_SAMPLE_VALUES_MAX - sample->n_values) {
        return MG_E_NOSPC;
    }
    for (size_t i = 0; i < block->n_points; i++) {
        struct mg_value v = {.channel =
                                 plan->points[block->first_point + i].channel,
                             .quality = (uint8_t)quality};
        (void)mg_sample_add(sample, &v); /* room was checked */
    }
    return MG_OK;
}
