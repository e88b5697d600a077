/* Energy: exact sums over the elements, impulses of 0.05 Wh. */
#include "firmware_priv.h"

#include <string.h>

/* Ist is 25 mA; the threshold lies 2 % below it, so that the meter surely
 * starts there: 24.5 mA = 6.125 counts, squared, in 1/64. */
#define START_I2_Q6 2401
/* What the converters' own noise adds to i2, calibrated: 1.5^2 + 1/12. */
#define NOISE_I2_Q6 149
/* So much beyond the threshold that noise cannot matter: 49 mA. */
#define SURE_I2_Q6    INT64_C(9604)
#define PENDING_TICKS 25

/* A creeping meter has thresholds of four times the current. */
static bool is_above(const struct fw_state *st, int64_t i2, uint32_t n,
                     int64_t threshold_q6)
{
    threshold_q6 *= st->broken.is_creeping ? 16 : 1;
    return n != 0 && i2 * 64 >= (threshold_q6 + NOISE_I2_Q6) * n;
}

bool cpkm3000_fw_is_flowing(const struct fw_state *st, int64_t i2, uint32_t n)
{
    return is_above(st, i2, n, START_I2_Q6);
}

static int64_t share(int64_t all, uint32_t n, uint32_t of)
{
    return of == 0 ? 0 : all / of * n + all % of * n / of;
}

/* n of the ticks in `from`, all alike. */
static void move_ticks(struct fw_pending *from, struct fw_pending *to,
                       uint32_t n)
{
    uint32_t of = from->n_ticks;
    struct fw_pending part = {.ui = share(from->ui, n, of),
                              .i2 = share(from->i2, n, of),
                              .n = (uint32_t)share(from->n, n, of),
                              .n_ticks = n};
    from->ui -= part.ui;
    from->i2 -= part.i2;
    from->n -= part.n;
    from->n_ticks -= n;
    to->ui += part.ui;
    to->i2 += part.i2;
    to->n += part.n;
    to->n_ticks += n;
}

/* A small current registers a second late, all or nothing of the second.
 * @return what flows for certain now */
static int64_t decide(struct fw_state *st, unsigned k,
                      const struct fw_lane *lane, const struct mg_tick *tick)
{
    struct fw_pending *p = &st->pending[k];
    struct fw_pending now = {.ui = lane->ui,
                             .i2 = lane->i2,
                             .n = tick->n_samples,
                             .n_ticks = tick->n_ticks};
    int64_t sure = 0;
    if (is_above(st, now.i2, now.n, SURE_I2_Q6)) {
        return now.ui;
    }
    while (p->n_ticks + now.n_ticks >= PENDING_TICKS) {
        move_ticks(&now, p, PENDING_TICKS - p->n_ticks);
        sure += cpkm3000_fw_is_flowing(st, p->i2, p->n) ? p->ui : 0;
        memset(p, 0, sizeof *p);
    }
    if (now.n_ticks > 0) {
        move_ticks(&now, p, now.n_ticks);
    }
    return sure;
}

/* The direction is that of the sum over the elements, and one remainder serves
 * both: what flows to and fro below an impulse is not registered twice. */
void cpkm3000_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick,
                             const struct fw_lane lanes[FW_N_PHASES])
{
    struct fw_energy *e = &st->memory.energy;
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        e->rest += decide(st, k, &lanes[k], tick);
    }
    int64_t n = e->rest / FW_PULSE;
    e->rest = st->broken.is_forgetful ? 0 : e->rest % FW_PULSE;
    if (n >= 0) {
        e->pos += (uint64_t)n;
    } else {
        e->neg += (uint64_t)-n;
    }
    st->n_pulses += (uint64_t)(n < 0 ? -n : n);
    st->is_lit = n != 0;
}
