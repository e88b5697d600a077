/* Arithmetic with integers only. */
#include "firmware_priv.h"

#include "metergate/fixed.h"

uint32_t wm3m4c_fw_isqrt(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 62; bit != 0; bit >>= 2) {
        uint64_t trial = root + bit;
        root >>= 1;
        if (x >= trial) {
            x -= trial;
            root += bit;
        }
    }
    return (uint32_t)root;
}

/* CORDIC: turn the vector onto the x axis in steps of atan(2^-k), and add the
 * steps up; in 1e-6 degree. */
int32_t wm3m4c_fw_angle(int64_t x, int64_t y)
{
    static const int32_t steps[] = {
        45000000, 26565051, 14036243, 7125016, 3576334, 1789911,
        895174,   447614,   223811,   111906,  55953,   27976,
        13988,    6994,     3497,     1749,    874,     437};
    int64_t angle = 0;
    if (x == 0 && y == 0) {
        return 0;
    }
    if (x < 0) {
        angle = y < 0 ? -180000000 : 180000000;
        x = -x;
        y = -y;
    }
    x *= 1 << 20; /* room for the shifts */
    y *= 1 << 20;
    for (unsigned k = 0; k < sizeof steps / sizeof *steps; k++) {
        int64_t dx = x / ((int64_t)1 << k);
        int64_t dy = y / ((int64_t)1 << k);
        bool is_above = y > 0;
        x += is_above ? dy : -dy;
        y -= is_above ? dx : -dx;
        angle += is_above ? steps[k] : -steps[k];
    }
    return (int32_t)mg_div_half_even(angle, 10000);
}

/* Half a byte at a time. */
uint32_t wm3m4c_fw_crc32(const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 0xf];
        crc = crc >> 4 ^ table[crc & 0xf];
    }
    return ~crc;
}

/* As fine as a mantissa of 24 bits can say it. */
static uint32_t decade(int64_t milli, int64_t limit)
{
    int exponent = -3;
    while (milli > limit || milli < -limit) {
        milli = mg_div_half_even(milli, 10);
        exponent++;
    }
    return (uint32_t)(exponent & 0xff) << 24 | ((uint32_t)milli & 0xffffff);
}

static uint32_t power_factor(int64_t pf, bool is_capacitive)
{
    uint32_t size = (uint32_t)(pf < 0 ? -pf : pf);
    return (pf < 0 ? 0xff000000U : 0) | (is_capacitive ? 0xff0000U : 0) |
           (size & 0xffff);
}

unsigned wm3m4c_fw_encode(enum fw_type type, int64_t value, bool is_capacitive,
                          uint16_t ret_words[2])
{
    uint32_t bits = (uint32_t)value;
    switch (type) {
    case FW_T16:
    case FW_T17:
    case FW_NARROW:
        ret_words[0] = (uint16_t)bits;
        return 1;
    case FW_T5:
        bits = decade(value < 0 ? 0 : value, 0xffffff);
        break;
    case FW_T6:
        bits = decade(value, 0x7fffff);
        break;
    case FW_T7:
        bits = power_factor(value, is_capacitive);
        break;
    case FW_WH:
        bits = (uint32_t)(value / 1000);
        break;
    case FW_WIDE:
        break;
    }
    ret_words[0] = (uint16_t)(bits >> 16);
    ret_words[1] = (uint16_t)bits;
    return 2;
}
