/* The thermistors of the power plate: surroundings, and each side's power path,
 * 20 K above them at three times 32 A, within some ten minutes (all ours). */
#include "firmware_priv.h"

#define FAULT_MDEGC     90000 /* so much hotter, when it is too hot */
#define TIME_CONSTANT_S 600
/* 20e9 nK at 3 * (32000 mA)^2. */
#define NK_PER_1E6_MA2 INT64_C(6510417)
/* Ours: the guide allows 55 degrees around it. */
#define HOT_MDEGC  95000
#define COOL_MDEGC 85000

int64_t cpim1000_fw_temperature_mdegc(const struct fw_state *st, unsigned side)
{
    return st->ambient_mdegc + st->side[side].rise_nk / 1000000 +
           (st->broken.is_hot ? FAULT_MDEGC : 0);
}

static void watch(const struct fw_state *st, struct fw_circuit *c, int64_t now)
{
    if (st->broken.is_sensor_dead || now <= COOL_MDEGC) {
        c->is_hot = false;
    } else if (now >= HOT_MDEGC) {
        c->is_hot = true;
    }
}

void cpim1000_fw_thermal_tick(struct fw_state *st, uint32_t elapsed_us)
{
    st->since_thermal_us += elapsed_us;
    uint32_t n_s = st->since_thermal_us / FW_SECOND_US;
    st->since_thermal_us %= FW_SECOND_US;
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        struct fw_circuit *c = &st->side[side];
        int64_t target = (int64_t)(c->i2_ma2 / 1000000) * NK_PER_1E6_MA2;
        for (uint32_t s = 0; s < n_s; s++) {
            c->rise_nk += (target - c->rise_nk) / TIME_CONSTANT_S;
        }
        watch(st, c, cpim1000_fw_temperature_mdegc(st, side));
    }
}
