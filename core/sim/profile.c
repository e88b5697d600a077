/* The life of one charging point as a pure function of seed and time: time is
 * cut into slots of equal length, each with one charging session somewhere in
 * it, and everything about a session follows from the seed and the slot's
 * number. So any moment costs the same, whatever has been before. */
#include "sim/device.h"
#include "sim/rng.h"

#define MINUTE_MS 60000U

/* Steps; a slot is whole cells. The ticks of the longest step, of which the
 * first may begin a tick late, are no longer than one may be (mg_tick). */
#define CELL_MS   12000U
#define STEADY_MS 12000U
#define BRISK_MS  1000U
#define RAMP_MS   16000 /* 32 A at 2 A/s */

/* What is asked of the seed. */
enum salt {
    SALT_SLOT,
    SALT_START,
    SALT_LENGTH,
    SALT_CURRENT,
    SALT_RAMP,
    SALT_TAPER,
    SALT_PHASE,
    SALT_STANDBY,
    SALT_WOBBLE,
    SALT_VOLTAGE_SLOW,
    SALT_VOLTAGE_FAST,
    SALT_FREQUENCY_SLOW,
    SALT_FREQUENCY_FAST
};

struct session {
    int64_t since_ms, length_ms; /* since its start; negative: not yet */
    int64_t current_ma, ramp_ma_per_s, taper_ms;
    int32_t phase_cdeg;
};

/* lo..hi by chance. */
static int64_t pick(uint64_t seed, enum salt salt, uint64_t index, int64_t lo,
                    int64_t hi)
{
    uint64_t chance = mg_sim_hash3(seed, salt, index) >> 32;
    return lo + (int64_t)(chance * (uint64_t)(hi - lo + 1) >> 32);
}

/* -amplitude..amplitude, in straight lines from knot to knot. */
static int64_t wander(uint64_t seed, enum salt salt, uint64_t t_ms,
                      uint64_t knot_ms, int64_t amplitude)
{
    uint64_t knot = t_ms / knot_ms;
    int64_t a = pick(seed, salt, knot, -amplitude, amplitude);
    int64_t b = pick(seed, salt, knot + 1, -amplitude, amplitude);
    return a + (b - a) * (int64_t)(t_ms % knot_ms) / (int64_t)knot_ms;
}

static struct session session_at(uint64_t seed, uint64_t t_ms)
{
    int64_t slot_ms = pick(seed, SALT_SLOT, 0, 24, 60) * MINUTE_MS;
    uint64_t slot = t_ms / (uint64_t)slot_ms;
    int64_t length = slot_ms * pick(seed, SALT_LENGTH, slot, 30, 75) / 100;
    int64_t start = pick(seed, SALT_START, slot, 0, slot_ms - length);
    if (slot == 0) {
        /* So that something is to be seen soon: half of all charging points
         * are charging from the first moment, the rest within 4 minutes. */
        bool is_charging = mg_sim_hash3(seed, SALT_START, slot) >> 63 != 0;
        start = is_charging ? -start % (length / 2)
                            : pick(seed, SALT_START, UINT32_MAX, 20000, 240000);
    }
    return (struct session){
        .since_ms = (int64_t)(t_ms % (uint64_t)slot_ms) - start,
        .length_ms = length,
        .current_ma = pick(seed, SALT_CURRENT, slot, 6, 32) * 1000,
        .ramp_ma_per_s = pick(seed, SALT_RAMP, slot, 2000, 5000),
        .taper_ms = length * pick(seed, SALT_TAPER, slot, 10, 25) / 100,
        .phase_cdeg = (int32_t)pick(seed, SALT_PHASE, slot, -400, 600),
    };
}

static int64_t at_most(int64_t a, int64_t limit)
{
    return a < limit ? a : limit;
}

/* Ramp up, plateau, linear taper to a quarter, stop within a second. */
static int64_t session_current_ma(const struct session *s)
{
    int64_t left_ms = s->length_ms - s->since_ms;
    if (s->since_ms < 0 || left_ms <= 0) {
        return 0;
    }
    int64_t ma = at_most(s->current_ma, s->since_ms * s->ramp_ma_per_s / 1000);
    if (left_ms < s->taper_ms) {
        int64_t floor_ma = s->current_ma / 4;
        ma = at_most(ma, floor_ma + (s->current_ma - floor_ma) * left_ms /
                                        s->taper_ms);
    }
    return at_most(ma, s->current_ma * left_ms / 1000);
}

/* The capacitors of the charger's input filter lead; they matter more the
 * smaller the current is. Stays within 14 degrees, power factor 0.97. */
static int32_t session_phase_cdeg(const struct session *s, int64_t current_ma)
{
    return s->phase_cdeg -
           (int32_t)(1800000 / (2000 + current_ma)); /* 4.5 deg at 2 A */
}

void mg_sim_profile_at(const struct mg_sim_profile *profile,
                       uint64_t elapsed_ms, struct mg_sim_load *ret)
{
    if (profile->is_fixed) {
        *ret = profile->fixed;
        return;
    }
    uint64_t seed = profile->seed;
    uint64_t t = elapsed_ms;
    struct session s = session_at(seed, t);
    int64_t ma = session_current_ma(&s);
    ma += ma * wander(seed, SALT_WOBBLE, t, 5000, 100) / 10000;
    int64_t standby_ma = pick(seed, SALT_STANDBY, 0, 20, 60);
    ret->current_ma = ma > standby_ma ? ma : standby_ma;
    ret->phase_cdeg = session_phase_cdeg(&s, ret->current_ma);
    /* 0.03 ohm of cable between the transformer and this point. */
    ret->voltage_mv = 230500 - ret->current_ma * 3 / 100 +
                      wander(seed, SALT_VOLTAGE_SLOW, t, 600000, 8000) +
                      wander(seed, SALT_VOLTAGE_FAST, t, 20000, 1000);
    ret->frequency_mhz = 50000 +
                         wander(seed, SALT_FREQUENCY_SLOW, t, 30000, 35) +
                         wander(seed, SALT_FREQUENCY_FAST, t, 8000, 15);
}

static uint64_t step_ms(uint64_t seed, uint64_t cell_ms)
{
    struct session s = session_at(seed, cell_ms);
    int64_t end_ms = s.since_ms + CELL_MS;
    if (end_ms <= 0 || s.since_ms >= s.length_ms) {
        return CELL_MS;
    }
    bool is_steady = s.since_ms >= RAMP_MS && end_ms <= s.length_ms - BRISK_MS;
    return is_steady ? STEADY_MS : BRISK_MS;
}

uint64_t mg_sim_profile_step(const struct mg_sim_profile *profile,
                             uint64_t elapsed_ms, struct mg_sim_load *ret)
{
    if (profile->is_fixed) {
        *ret = profile->fixed;
        return UINT64_MAX;
    }
    uint64_t in_cell_ms = elapsed_ms % CELL_MS;
    uint64_t each_ms = step_ms(profile->seed, elapsed_ms - in_cell_ms);
    uint64_t start_ms = elapsed_ms - in_cell_ms % each_ms;
    mg_sim_profile_at(profile, start_ms, ret);
    return start_ms + each_ms;
}
