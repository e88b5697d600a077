/* How warm it is inside: surroundings of 25 degrees, and the heat of the
 * current, 20 K at three times 32 A, within some ten minutes (all ours). */
#include "firmware_priv.h"

#define SURROUNDINGS_MDEGC 25000
#define FAULT_MDEGC        80000 /* so much hotter, when it is too hot */
#define TIME_CONSTANT_S    600
/* 20e9 nK at 3 * (32000 mA)^2. */
#define NK_PER_1E6_MA2 INT64_C(6510417)
/* Ours: the guide allows 70 degrees around it. */
#define HOT_MDEGC  95000
#define COOL_MDEGC 85000

int64_t cpkm3000_fw_temperature_mdegc(const struct fw_state *st)
{
    return SURROUNDINGS_MDEGC + st->thermal.rise_nk / 1000000 +
           (st->broken.is_hot ? FAULT_MDEGC : 0);
}

void cpkm3000_fw_thermal_tick(struct fw_state *st, uint32_t elapsed_us)
{
    struct fw_thermal *t = &st->thermal;
    t->since_us += elapsed_us;
    for (; t->since_us >= FW_SECOND_US; t->since_us -= FW_SECOND_US) {
        int64_t target = (int64_t)(t->i2_ma2 / 1000000) * NK_PER_1E6_MA2;
        t->rise_nk += (target - t->rise_nk) / TIME_CONSTANT_S;
    }
    int64_t now = cpkm3000_fw_temperature_mdegc(st);
    if (st->broken.is_sensor_dead || now <= COOL_MDEGC) {
        st->is_hot = false;
    } else if (now >= HOT_MDEGC) {
        st->is_hot = true;
    }
}
