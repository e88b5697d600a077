#include "wire/crc16.h"

uint16_t mg_crc16(const uint8_t *data, size_t len)
{
    /* The remainders of the 16 half bytes. */
    static const uint16_t table[16] = {
        0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401,
        0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400};
    unsigned crc = 0xffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 0xf];
        crc = crc >> 4 ^ table[crc & 0xf];
    }
    return (uint16_t)crc;
}
