/* Arithmetic with integers only. */
#include "firmware_priv.h"

/* Newton's method from above, which falls until it is there. */
uint32_t cpim1000_fw_isqrt(uint64_t x)
{
    if (x == 0) {
        return 0;
    }
    uint64_t root = UINT32_MAX;
    for (;;) {
        uint64_t next = (root + x / root) / 2;
        if (next >= root) {
            return (uint32_t)root;
        }
        root = next;
    }
}

uint32_t cpim1000_fw_crc32(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len * 8; i++) {
        uint32_t bit = (crc ^ (uint32_t)data[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (bit != 0 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}
