/* How long things take on a serial line (Modbus over serial line V1.02,
 * 2.5.1.1): characters, and the silence of 3.5 of them between frames, which
 * above 19200 baud is 1.75 ms. */
#include "bus/modbus_priv.h"

#define FIXED_GAP_NS    1750000U
#define FIXED_GAP_ABOVE 19200U
#define QUIET_MS        20U /* a USB adapter delivers every 16 ms at worst */

static uint64_t chars_ns(const struct mg_modbus_settings *set, uint32_t baud,
                         uint64_t n_tenths)
{
    uint32_t bits = set->char_bits == 0 ? 11 : set->char_bits;
    return baud == 0 ? 0 : (n_tenths * bits * 100000000U + baud - 1) / baud;
}

static uint64_t gap_ns(const struct mg_modbus_settings *set, uint32_t baud)
{
    uint64_t gap = 0;
    if (set->framing == MG_MODBUS_RTU) {
        gap = baud > FIXED_GAP_ABOVE ? FIXED_GAP_NS : chars_ns(set, baud, 35);
    }
    uint64_t bus_gap = (uint64_t)set->bus_gap_us * 1000;
    return gap > bus_gap ? gap : bus_gap;
}

uint64_t mg_modbus_chars_ns(const struct mg_modbus *bus, size_t n)
{
    return chars_ns(&bus->set, bus->baud, (uint64_t)n * 10);
}

uint64_t mg_modbus_gap_ns(const struct mg_modbus *bus)
{
    return gap_ns(&bus->set, bus->baud);
}

uint64_t mg_modbus_drain_ns(const struct mg_modbus *bus)
{
    uint64_t gap = mg_modbus_gap_ns(bus);
    uint32_t quiet_ms = bus->set.quiet_ms == 0 ? QUIET_MS : bus->set.quiet_ms;
    uint64_t quiet = quiet_ms * MS_NS;
    return gap > quiet ? gap : quiet;
}

/* Unit and checksum go around each PDU. */
static uint64_t frame_chars(size_t pdu_len)
{
    return pdu_len == 0 ? 0 : (uint64_t)pdu_len + 3;
}

uint64_t mg_modbus_exchange_ns(const struct mg_modbus_settings *set,
                               size_t request_pdu_len, size_t reply_pdu_len)
{
    uint64_t n = frame_chars(request_pdu_len) + frame_chars(reply_pdu_len);
    return chars_ns(set, set->baud, n * 10) + 2 * gap_ns(set, set->baud);
}
