#include "model/loss.h"

/* 1 uOhm * 1 mA^2 = 1e-12 W, and a millisecond of it 1e-15 J; 1 mWh = 3.6 J. */
#define FJ_PER_MWH UINT64_C(3600000000000000)

__extension__ typedef unsigned __int128 wide;

static wide joined(const struct mg_loss *loss)
{
    return (wide)loss->hi << 64 | loss->lo;
}

/* At most 3 * 1e12 mA^2. */
static uint64_t sum_of_squares(const int64_t *current_ma, unsigned n_phases)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n_phases; i++) {
        int64_t ma = current_ma[i];
        sum += (uint64_t)(ma * ma);
    }
    return sum;
}

void mg_loss_add(struct mg_loss *loss, uint32_t r_uohm,
                 const int64_t *current_ma, unsigned n_phases, int64_t now_ms,
                 int64_t max_gap_ms)
{
    uint64_t i2 = sum_of_squares(current_ma, n_phases);
    int64_t elapsed_ms = now_ms - loss->last_ms;
    if (loss->last_ms != 0 && elapsed_ms > max_gap_ms) {
        loss->gap_ms += (uint64_t)elapsed_ms;
    } else if (loss->last_ms != 0 && elapsed_ms > 0) {
        /* Twice the mean, halved at the read-out: nothing is rounded here. */
        wide sum = joined(loss) +
                   (wide)r_uohm * (loss->last_i2 + i2) * (uint64_t)elapsed_ms;
        loss->hi = (uint64_t)(sum >> 64);
        loss->lo = (uint64_t)sum;
    }
    loss->last_ms = now_ms;
    loss->last_i2 = i2;
}

void mg_loss_interrupt(struct mg_loss *loss)
{
    loss->last_ms = 0;
    loss->last_i2 = 0;
}

int64_t mg_loss_mwh(const struct mg_loss *loss)
{
    wide mwh = joined(loss) / 2 / FJ_PER_MWH;
    return mwh > INT64_MAX ? INT64_MAX : (int64_t)mwh;
}
