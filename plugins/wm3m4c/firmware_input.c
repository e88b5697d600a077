/* Input registers 3xxxx, function 04: the published map of the Iskra family.
 * Words that nobody describes, between others, read 0. */
#include "firmware_priv.h"

#include <string.h>

struct row {
    uint16_t first; /* of the first of n values, on the wire */
    uint8_t type;   /* enum fw_type */
    uint8_t value, n;
};

static const struct row rows[] = {
    {105, FW_T5, FW_FREQUENCY, 1}, {107, FW_T5, FW_U1, 3},
    {113, FW_T5, FW_U_MEAN, 1},    {115, FW_T17, FW_PHI12, 3},
    {118, FW_T5, FW_U12, 3},       {124, FW_T5, FW_ULL_MEAN, 1},
    {126, FW_T5, FW_I1, 3},        {132, FW_T5, FW_I_NEUTRAL, 1},
    {136, FW_T5, FW_I_MEAN, 1},    {138, FW_T5, FW_I_SUM, 1},
    {140, FW_T6, FW_P, 4},         {148, FW_T6, FW_Q, 4},
    {156, FW_T5, FW_S, 4},         {164, FW_T7, FW_PF, 4},
    {172, FW_T17, FW_ANGLE, 4},    {181, FW_T17, FW_TEMPERATURE, 1},
    {182, FW_T16, FW_THD_U1, 3},   {185, FW_T16, FW_THD_U12, 3},
    {188, FW_T16, FW_THD_I1, 3},
};

#define N_ROWS (sizeof rows / sizeof rows[0])

#define LIVE_FIRST 105
#define LIVE_LAST  190

static unsigned width(unsigned type)
{
    return type == FW_T16 || type == FW_T17 ? 1 : 2;
}

bool wm3m4c_fw_value_place(enum fw_value value, uint16_t *ret_address,
                           enum fw_type *ret_type)
{
    for (size_t k = 0; k < N_ROWS; k++) {
        const struct row *r = &rows[k];
        unsigned at = (unsigned)value - r->value;
        if ((unsigned)value >= r->value && at < r->n) {
            *ret_address = (uint16_t)(r->first + at * width(r->type));
            *ret_type = (enum fw_type)r->type;
            return true;
        }
    }
    return false;
}

/* @param address  LIVE_FIRST..LIVE_LAST */
static uint16_t value_word(const struct fw_values *values, unsigned address)
{
    for (size_t k = 0; k < N_ROWS; k++) {
        const struct row *r = &rows[k];
        unsigned w = width(r->type);
        if (address < r->first || address >= r->first + r->n * w) {
            continue;
        }
        unsigned at = (address - r->first) / w;
        uint16_t words[2];
        bool is_capacitive = r->type == FW_T7 && values->v[FW_Q + at] < 0;
        (void)wm3m4c_fw_encode((enum fw_type)r->type, values->v[r->value + at],
                               is_capacitive, words);
        return words[(address - r->first) % w];
    }
    return 0;
}

uint16_t wm3m4c_fw_chars(const uint8_t *bytes, size_t len, unsigned offset)
{
    size_t at = 2 * (size_t)offset;
    unsigned high = at < len ? bytes[at] : 0;
    unsigned low = at + 1 < len ? bytes[at + 1] : 0;
    return (uint16_t)(high << 8 | low);
}

/* 30001 to 30018. */
static uint16_t identity_word(const struct fw_state *st, unsigned address)
{
    static const uint8_t model[] = {'W', 'M', '3', 'M', '4', 'C'};
    uint8_t serial[8];
    uint32_t rest = st->env.serial;
    for (unsigned k = 0; k < sizeof serial; k++) {
        serial[sizeof serial - 1 - k] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    }
    if (address < 9) {
        size_t len = sizeof model - (st->options->crypto != 0 ? 0 : 1);
        return wm3m4c_fw_chars(model, len, address - 1);
    }
    if (address < 13) {
        return wm3m4c_fw_chars(serial, sizeof serial, address - 9);
    }
    switch (address) {
    case 13:
        return (uint16_t)st->options->firmware_version;
    case 15: /* calibrated for 230 V and 5 A, 1/100 */
        return 23000;
    case 16:
        return 500;
    default:
        return 0;
    }
}

/* 30401 to 30437: exponents are 0, so they read as the rest of the area. */
static uint16_t counter_word(const struct fw_state *st, unsigned address)
{
    static const uint16_t at[] = {406, 418, 434};
    for (unsigned k = 0; k < 3; k++) {
        if (address >= at[k] && address < at[k] + 4U) {
            uint32_t wh = st->energy.wh[(address - at[k]) / 2];
            wh /= k == 2 ? 1000 : 1; /* 30434: coarser (confidence C) */
            return (uint16_t)((address - at[k]) % 2 == 0 ? wh >> 16 : wh);
        }
    }
    return 0;
}

/* 34999: seconds of life; 35500: interval of the averages, 0.1 s since the
 * last one. */
static uint16_t time_word(const struct fw_state *st, unsigned address)
{
    uint32_t life_s = (uint32_t)(st->life_us / FW_SECOND_US);
    switch (address) {
    case 4999:
        return (uint16_t)(life_s >> 16);
    case 5000:
        return (uint16_t)life_s;
    case 5500:
        return 15;
    default:
        return (uint16_t)(st->statistics.n * 10);
    }
}

static bool is_within(unsigned address, unsigned first, unsigned last)
{
    return address >= first && address <= last;
}

bool wm3m4c_fw_input_word(const struct fw_state *st, unsigned address,
                          uint16_t *ret)
{
    const struct fw_statistics *a = &st->statistics;
    if (is_within(address, 1, 18)) {
        *ret = identity_word(st, address);
    } else if (is_within(address, LIVE_FIRST, LIVE_LAST)) {
        *ret = value_word(&st->live, address);
    } else if (is_within(address, 401, 437)) {
        *ret = counter_word(st, address);
    } else if (is_within(address, 4999, 5000) ||
               is_within(address, 5500, 5501)) {
        *ret = time_word(st, address);
    } else if (is_within(address, LIVE_FIRST + 5400, LIVE_LAST + 5400)) {
        *ret = value_word(&a->average, address - 5400);
    } else if (is_within(address, LIVE_FIRST + 5500, LIVE_LAST + 5500)) {
        *ret = value_word(&a->max, address - 5500);
    } else if (is_within(address, LIVE_FIRST + 5600, LIVE_LAST + 5600)) {
        *ret = value_word(&a->min, address - 5600);
    } else {
        return false;
    }
    return true;
}
