/* Energy: exact sums over the phases of a side, impulses of 0.05 Wh. */
#include "firmware_priv.h"

#include <string.h>

#include "metergate/fixed.h"

/* Ist is 20 mA; the threshold lies 2 % below it, so that the meter surely
 * starts there: 19.6 mA = 1254.4 counts, squared. */
#define START_I2 INT64_C(1573519)
/* What the converter's own noise adds to i2, calibrated: 111.7^2. */
#define NOISE_I2 INT64_C(12477)
/* So much beyond the threshold that noise cannot matter: twice the current. */
#define SURE          4
#define PENDING_TICKS 100
#define BAD_CREEP     16 /* four times the current */

static int64_t threshold(const struct fw_state *st)
{
    return st->broken.has_bad_creep ? START_I2 * BAD_CREEP : START_I2;
}

static bool is_above(int64_t i2, uint32_t n, int64_t limit)
{
    return n != 0 && i2 / n >= limit + NOISE_I2;
}

bool cpim1000_fw_is_flowing(const struct fw_state *st, int64_t i2, uint32_t n)
{
    return is_above(i2, n, threshold(st));
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
static int64_t decide(const struct fw_state *st, struct fw_pending *p,
                      const struct mg_lane_sums *lane,
                      const struct mg_tick *tick)
{
    if (is_above(lane->i2, tick->n_samples, threshold(st) * SURE)) {
        return lane->ui;
    }
    struct fw_pending now = {.ui = lane->ui,
                             .i2 = lane->i2,
                             .n = tick->n_samples,
                             .n_ticks = tick->n_ticks == 0 ? 1 : tick->n_ticks};
    int64_t sure = 0;
    while (p->n_ticks + now.n_ticks >= PENDING_TICKS) {
        move_ticks(&now, p, PENDING_TICKS - p->n_ticks);
        sure += cpim1000_fw_is_flowing(st, p->i2, p->n) ? p->ui : 0;
        memset(p, 0, sizeof *p);
    }
    if (now.n_ticks > 0) {
        move_ticks(&now, p, now.n_ticks);
    }
    return sure;
}

/* The sum over the phases is what counts; what is negative of it registers
 * nowhere, and never takes back a whole impulse. Each phase is divided on its
 * own: their sum over a long tick might not fit. */
static void side_tick(struct fw_state *st, unsigned side,
                      const struct mg_tick *tick)
{
    struct fw_energy *e = &st->memory.energy[side];
    struct fw_circuit *c = &st->side[side];
    int64_t whole = 0;
    int64_t rest = e->rest;
    for (unsigned k = 0; k < cpim1000_fw_n_phases(st); k++) {
        int64_t ui = decide(st, &c->pending[k],
                            &tick->lane[side * FW_N_PHASES + k], tick);
        whole += ui / FW_PULSE;
        rest += ui % FW_PULSE;
    }
    whole += rest / FW_PULSE;
    rest %= FW_PULSE;
    if (rest < 0) {
        rest += FW_PULSE;
        whole--;
    }
    if (whole < 0) {
        whole = 0;
        rest = 0;
    }
    e->pulses += (uint64_t)whole;
    e->rest = st->broken.loses_rest ? 0 : rest;
    c->n_pulses += (uint64_t)whole;
    c->is_lit = whole != 0;
}

void cpim1000_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick)
{
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        side_tick(st, side, tick);
    }
}
