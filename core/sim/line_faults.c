#include <string.h>

#include "sim/line_priv.h"

#define CHANCES  10000
#define NEVER_MS UINT32_MAX /* seven weeks */

enum mg_sim_trouble mg_trouble_pick(const struct mg_sim_faults *faults,
                                    struct mg_sim_rng *rng)
{
    const struct {
        uint32_t weight;
        enum mg_sim_trouble trouble;
    } table[] = {
        {faults->drop, MG_TROUBLE_DROP},
        {faults->late, MG_TROUBLE_LATE},
        {faults->bad_crc, MG_TROUBLE_BAD_CRC},
        {faults->half_frame, MG_TROUBLE_HALF_FRAME},
        {faults->wrong_unit, MG_TROUBLE_WRONG_UNIT},
        {faults->noise, MG_TROUBLE_NOISE},
        {faults->exception, MG_TROUBLE_EXCEPTION},
        {faults->stall, MG_TROUBLE_STALL},
    };
    uint64_t chance = mg_sim_rng_below(rng, CHANCES);
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        sum += table[i].weight;
        if (chance < sum) {
            return table[i].trouble;
        }
    }
    return MG_TROUBLE_NONE;
}

/* The length field of the MBAP header says more than there is, or less. */
static void spoil_length(struct mg_sim_rng *rng, struct mg_sim_answer *a)
{
    uint32_t wrong = mg_sim_rng_below(rng, 65535);
    uint32_t right = (uint32_t)a->adu[4] << 8 | a->adu[5];
    wrong += wrong >= right; /* all but the right one */
    a->adu[4] = (uint8_t)(wrong >> 8);
    a->adu[5] = (uint8_t)wrong;
}

static void add_noise(struct mg_sim_rng *rng, struct mg_sim_answer *a)
{
    uint16_t n = (uint16_t)(1 + mg_sim_rng_below(rng, MG_NOISE_MAX));
    uint16_t at = a->len;
    if (mg_sim_rng_below(rng, 2) == 0) {
        memmove(a->adu + n, a->adu, a->len);
        at = 0;
    }
    for (uint16_t i = 0; i < n; i++) {
        a->adu[at + i] = (uint8_t)mg_sim_rng_next(rng);
    }
    a->len = (uint16_t)(a->len + n);
}

/* The rest comes later or never. A serial line goes on after that; a TCP stream
 * loses no bytes, so a connection whose frame is never finished is stuck. */
static void halve(enum mg_sim_framing framing, struct mg_sim_rng *rng,
                  struct mg_sim_answer *a)
{
    uint16_t half = (uint16_t)(1 + mg_sim_rng_below(rng, a->len - 1U));
    bool has_rest = mg_sim_rng_below(rng, 2) != 0;
    if (!has_rest && framing != MG_SIM_TCP) {
        a->len = half;
        return;
    }
    a->pause_at = half;
    a->pause_ms = has_rest ? 300 : NEVER_MS;
}

void mg_trouble_apply(enum mg_sim_trouble trouble, enum mg_sim_framing framing,
                      struct mg_sim_rng *rng, struct mg_sim_answer *answer)
{
    bool is_garbled =
        trouble == MG_TROUBLE_BAD_CRC || trouble == MG_TROUBLE_NOISE;
    if (framing == MG_SIM_TCP && is_garbled) {
        spoil_length(rng, answer);
    } else if (trouble == MG_TROUBLE_BAD_CRC) {
        answer->adu[answer->len - 1] ^=
            (uint8_t)(1 + mg_sim_rng_below(rng, 255));
    } else if (trouble == MG_TROUBLE_NOISE) {
        add_noise(rng, answer);
    } else if (trouble == MG_TROUBLE_HALF_FRAME) {
        halve(framing, rng, answer);
    } else if (trouble == MG_TROUBLE_LATE) {
        answer->due_ns += UINT64_C(1000000000) * (1 + mg_sim_rng_below(rng, 4));
    }
}
