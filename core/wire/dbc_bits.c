/* Where the bits of a signal lie.
 *
 * Bit numbers are byte * 8 + bit, bit 0 the lowest of a byte. An Intel signal
 * starts at its lowest bit and goes upwards; a Motorola signal starts at its
 * highest bit, goes downwards in the byte, and on at bit 7 of the next. In both
 * the value is a run of bytes from its lowest to its highest, upwards in the
 * frame or downwards: so one loop serves both. */
#include "dbc_priv.h"

struct run {
    unsigned first;   /* byte with the lowest bit of the value */
    int step;         /* to the next higher byte */
    unsigned shift;   /* of the lowest bit in it */
    unsigned n_bytes; /* 1..9 */
};

/* Of a Motorola signal's lowest bit, counted from the frame's first on wire. */
static unsigned motorola_end(const struct mg_dbc_signal *signal)
{
    unsigned first = (signal->start & ~7U) | (7 - (signal->start & 7U));
    return first + signal->length - 1;
}

static struct run run_of(const struct mg_dbc_signal *signal)
{
    struct run run = {.step = 1};
    if (signal->is_big_endian) {
        unsigned end = motorola_end(signal);
        run.first = end >> 3;
        run.shift = 7 - (end & 7);
        run.step = -1;
    } else {
        run.first = signal->start >> 3;
        run.shift = signal->start & 7;
    }
    run.n_bytes = (run.shift + signal->length + 7) / 8;
    return run;
}

bool dbc_bits_fit(const struct mg_dbc_signal *signal, size_t len)
{
    unsigned end = signal->is_big_endian
                       ? motorola_end(signal)
                       : (unsigned)signal->start + signal->length - 1;
    return end < 8 * len;
}

unsigned dbc_bit_number(const struct mg_dbc_signal *signal, unsigned i)
{
    if (!signal->is_big_endian) {
        return signal->start + i;
    }
    unsigned bit = motorola_end(signal) - i;
    return (bit & ~7U) | (7 - (bit & 7));
}

uint64_t dbc_bits_get(const struct mg_dbc_signal *signal, const uint8_t *data)
{
    struct run run = run_of(signal);
    const uint8_t *byte = &data[run.first];
    unsigned n = run.n_bytes < 8 ? run.n_bytes : 8;
    uint64_t raw = 0;
    for (unsigned i = 0; i < n; i++) {
        raw |= (uint64_t)*byte << (8 * i);
        byte += i + 1 < n ? run.step : 0; /* never beyond the frame */
    }
    raw >>= run.shift;
    if (run.n_bytes == 9) { /* so shift is not 0 */
        raw |= (uint64_t)byte[run.step] << (64 - run.shift);
    }
    return raw & UINT64_MAX >> (64 - signal->length);
}

void dbc_bits_put(const struct mg_dbc_signal *signal, uint64_t raw,
                  uint8_t *data)
{
    struct run run = run_of(signal);
    uint64_t ones = UINT64_MAX >> (64 - signal->length);
    dbc_uwide mask = (dbc_uwide)ones << run.shift;
    dbc_uwide bits = (dbc_uwide)(raw & ones) << run.shift;
    for (unsigned i = 0; i < run.n_bytes; i++) {
        uint8_t *byte = &data[(int)run.first + run.step * (int)i];
        *byte = (uint8_t)((*byte & ~(mask >> (8 * i))) | bits >> (8 * i));
    }
}
