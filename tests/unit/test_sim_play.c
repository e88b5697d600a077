/* Scenarios: what a vehicle draws, what the net does, and when what breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/play.h"
#include "sim/rng.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct mg_sim_vehicle sedan = {.id = "sedan",
                                            .n_phases = 3,
                                            .max_ma = 16000,
                                            .min_ma = 6000,
                                            .ramp_ma_per_s = 4000,
                                            .battery_mwh = 10000000,
                                            .soc_start = 2000,
                                            .soc_target = 9500,
                                            .taper_from = 8000,
                                            .reserve = 1000,
                                            .standby_mw = 6900};

struct bed {
    struct mg_sim_scenario scenario;
    struct mg_sim_vehicle vehicles[2];
    struct mg_sim_session sessions[2];
    struct mg_sim_net_event net[2];
    struct mg_sim_act acts[3];
    struct mg_sim_point points[3];
    struct mg_sim_play *play;
};

static void set_up(struct bed *b)
{
    memset(b, 0, sizeof *b);
    b->vehicles[0] = sedan;
    b->sessions[0] = (struct mg_sim_session){.when = {.at_ms = 10 * SECOND},
                                             .limit_ma = 32000};
    b->scenario = (struct mg_sim_scenario){.seed = 1,
                                           .low_mdegc = 23000,
                                           .high_mdegc = 23000,
                                           .n_vehicles = 1,
                                           .n_sessions = 1,
                                           .vehicles = b->vehicles,
                                           .sessions = b->sessions,
                                           .net = b->net,
                                           .acts = b->acts};
    for (size_t i = 0; i < 3; i++) {
        b->points[i] = (struct mg_sim_point){
            .n_phases = 3,
            .profile = {
                .is_fixed = true,
                .fixed = {.voltage_mv = 230000, .frequency_mhz = 50000}}};
    }
}

static void start(struct bed *b)
{
    mg_sim_play_destroy(b->play);
    b->play = mg_sim_play_create(&b->scenario, b->points, 3);
    assert_non_null(b->play);
}

static int64_t current_at(struct bed *b, uint64_t t_ms)
{
    struct mg_sim_mains m;
    uint64_t until_ms = mg_sim_play_at(b->play, 0, SIZE_MAX, t_ms, &m);
    assert_true(until_ms > t_ms);
    bool is_export = m.phase[0].phase_cdeg >= 9000;
    return is_export ? -m.phase[0].current_ma : m.phase[0].current_ma;
}

/* Energy that flows until t_ms at 230 V and PF 1, mWh; negative: export.
 * @param ret_max  the most pieces in an hour */
static int64_t energy_until(struct bed *b, uint64_t t_ms, size_t *ret_pieces)
{
    int64_t uj = 0;
    *ret_pieces = 0;
    for (uint64_t t = 0; t < t_ms;) {
        struct mg_sim_mains m;
        uint64_t until_ms = mg_sim_play_at(b->play, 0, SIZE_MAX, t, &m);
        assert_true(until_ms > t);
        until_ms = until_ms < t_ms ? until_ms : t_ms;
        int64_t mw = 0;
        for (unsigned k = 0; k < 3; k++) {
            int64_t part = 230 * m.phase[k].current_ma;
            mw += m.phase[k].phase_cdeg >= 9000 ? -part : part;
        }
        uj += mw * (int64_t)(until_ms - t);
        t = until_ms;
        ++*ret_pieces;
    }
    return uj / 3600000;
}

/* ---- One vehicle ---- */

static void test_shape(void **state)
{
    struct bed b;
    (void)state;
    set_up(&b);
    start(&b);
    assert_int_equal(current_at(&b, 0), 0); /* nobody is there */
    assert_int_equal(current_at(&b, 9999), 0);
    assert_int_equal(current_at(&b, 10000), 10); /* 6.9 W in three phases */
    assert_int_equal(current_at(&b, 12999), 10);
    assert_int_equal(current_at(&b, 13000), 4000); /* 4 A a second */
    assert_int_equal(current_at(&b, 14000), 8000);
    assert_int_equal(current_at(&b, 15500), 12000);
    assert_int_equal(current_at(&b, 16000), 16000);
    /* 6 kWh of 11.04 kW until the taper: 32.6 minutes. */
    assert_int_equal(current_at(&b, 30 * MINUTE), 16000);
    int64_t before = 16000;
    for (uint64_t t = 34 * MINUTE; t < 45 * MINUTE; t += SECOND) {
        int64_t ma = current_at(&b, t);
        assert_true(ma <= before && (ma >= 6000 || ma == 10));
        before = ma;
    }
    assert_in_range(current_at(&b, 36 * MINUTE), 8000, 15999);
    struct mg_sim_presence p;
    mg_sim_play_presence(b.play, 0, 2 * HOUR, &p);
    assert_false(p.is_there); /* full and gone */
    assert_int_equal(current_at(&b, 2 * HOUR), 0);
    mg_sim_play_destroy(b.play);
}

/* What flows is what the battery was given, and what stands by. */
static void test_energy_is_the_battery(void **state)
{
    struct bed b;
    size_t pieces;
    (void)state;
    set_up(&b);
    b.vehicles[0].standby_mw = 0;
    start(&b);
    int64_t mwh = energy_until(&b, 3 * HOUR, &pieces);
    assert_in_range(mwh, 7500000, 7501000); /* 75 % of 10 kWh */
    assert_in_range(pieces, 50, 200);
    b.vehicles[0].taper_from = 10000;
    start(&b);
    assert_in_range(energy_until(&b, 3 * HOUR, &pieces), 7500000, 7501000);
    assert_in_range(pieces, 5, 15); /* the plateau is one piece */
    b.points[0].n_phases = 1;
    start(&b);
    assert_in_range(energy_until(&b, 3 * HOUR, &pieces), 7500000, 7501000);
    mg_sim_play_destroy(b.play);
}

static void test_limits(void **state)
{
    struct bed b;
    (void)state;
    set_up(&b);
    b.sessions[0].n_limits = 4;
    b.sessions[0].limits[0] =
        (struct mg_sim_span){.after_ms = MINUTE, .current_ma = 10000};
    b.sessions[0].limits[1] =
        (struct mg_sim_span){.after_ms = 2 * MINUTE, .current_ma = 5999};
    b.sessions[0].limits[2] =
        (struct mg_sim_span){.after_ms = 3 * MINUTE, .current_ma = 6000};
    b.sessions[0].limits[3] =
        (struct mg_sim_span){.after_ms = 4 * MINUTE, .current_ma = 20000};
    start(&b);
    uint64_t at = 10 * SECOND;
    assert_int_equal(current_at(&b, at + MINUTE - 1), 16000);
    assert_int_equal(current_at(&b, at + MINUTE), 10000); /* within 5 s */
    assert_int_equal(current_at(&b, at + 2 * MINUTE + SECOND), 10);
    assert_int_equal(current_at(&b, at + 3 * MINUTE + 5 * SECOND), 6000);
    assert_int_equal(current_at(&b, at + 4 * MINUTE + 5 * SECOND), 16000);
    mg_sim_play_destroy(b.play);
}

static void test_pause_and_export(void **state)
{
    struct bed b;
    size_t pieces;
    (void)state;
    set_up(&b);
    b.vehicles[0].n_pauses = 1;
    b.vehicles[0].pauses[0] = (struct mg_sim_span){MINUTE, MINUTE, 0};
    b.vehicles[0].n_exports = 1;
    b.vehicles[0].exports[0] =
        (struct mg_sim_span){10 * MINUTE, 10 * MINUTE, 12000};
    start(&b);
    uint64_t at = 10 * SECOND;
    assert_int_equal(current_at(&b, at + 90 * SECOND), 10);
    assert_int_equal(current_at(&b, at + 3 * MINUTE), 16000);
    assert_int_equal(current_at(&b, at + 10 * MINUTE + 500),
                     10); /* through 0 */
    assert_int_equal(current_at(&b, at + 10 * MINUTE + 1500), -4000);
    assert_int_equal(current_at(&b, at + 15 * MINUTE), -12000);
    assert_int_equal(current_at(&b, at + 21 * MINUTE), 16000);
    b.vehicles[0].standby_mw = 0;
    start(&b);
    assert_in_range(energy_until(&b, 4 * HOUR, &pieces), 7500000, 7501000);
    /* Never below the reserve: 1 kWh of the 2 is left. */
    b.vehicles[0].exports[0] = (struct mg_sim_span){SECOND, 3 * HOUR, 16000};
    start(&b);
    assert_in_range(-energy_until(&b, 3 * HOUR, &pieces), 1000000, 1001000);
    mg_sim_play_destroy(b.play);
}

static void test_harmonics_rise(void **state)
{
    struct bed b;
    struct mg_sim_mains m;
    (void)state;
    set_up(&b);
    b.vehicles[0].has_harmonics = true;
    b.sessions[0].n_limits = 1;
    b.sessions[0].limits[0] =
        (struct mg_sim_span){.after_ms = MINUTE, .current_ma = 6000};
    start(&b);
    (void)mg_sim_play_at(b.play, 0, SIZE_MAX, 30 * SECOND, &m);
    assert_int_equal(m.n_harmonics, 6);
    assert_int_equal(m.harmonic[0].order, 3);
    assert_int_equal(m.harmonic[0].i_ppm, 40000);
    (void)mg_sim_play_at(b.play, 0, SIZE_MAX, 5 * MINUTE, &m);
    /* (16 / 6)^0.8 = 2.192 */
    assert_in_range(m.harmonic[0].i_ppm, 87000, 88000);
    mg_sim_play_destroy(b.play);
}

/* ---- Who comes when ---- */

static size_t arrivals(struct bed *b, uint64_t until_ms, uint64_t *ret_hash)
{
    size_t n = 0;
    bool was_there = false;
    for (uint64_t t = 0; t < until_ms;) {
        struct mg_sim_presence p;
        struct mg_sim_mains m;
        mg_sim_play_presence(b->play, 0, t, &p);
        n += p.is_there && !was_there;
        was_there = p.is_there;
        *ret_hash = mg_sim_hash(*ret_hash ^ t ^ (uint64_t)p.current_ma);
        t = mg_sim_play_at(b->play, 0, SIZE_MAX, t, &m);
    }
    return n;
}

static void test_random_arrivals(void **state)
{
    struct bed b;
    uint64_t hash[3] = {0};
    (void)state;
    set_up(&b);
    b.sessions[0].when = (struct mg_sim_when){.at_ms = HOUR,
                                              .slot_ms = 6 * HOUR,
                                              .window_ms = 2 * HOUR,
                                              .is_random = true};
    for (size_t i = 0; i < 3; i++) {
        b.scenario.seed = i == 2 ? 8 : 7;
        start(&b);
        assert_int_equal(arrivals(&b, 31 * DAY, &hash[i]), 124);
    }
    assert_true(hash[0] == hash[1]);
    assert_true(hash[0] != hash[2]);
    mg_sim_play_destroy(b.play);
}

/* One that finds the place taken drives on. */
static void test_taken(void **state)
{
    struct bed b;
    uint64_t hash = 0;
    (void)state;
    set_up(&b);
    b.scenario.n_sessions = 2;
    b.sessions[0].when = (struct mg_sim_when){.length_ms = 2 * HOUR};
    b.sessions[1] = b.sessions[0];
    b.sessions[1].when =
        (struct mg_sim_when){.at_ms = HOUR, .slot_ms = 2 * HOUR};
    start(&b);
    /* 0 h to 2 h, the one of 1 h goes; 3 h on: full after some 50 minutes. */
    b.sessions[1].when.length_ms = MINUTE;
    assert_int_equal(arrivals(&b, 10 * HOUR, &hash), 1 + 4);
    mg_sim_play_destroy(b.play);
}

/* Whoever asks, however often and in which order. */
static void test_pure(void **state)
{
    struct bed b;
    struct mg_sim_rng rng = {3};
    static int64_t known[7200];
    (void)state;
    set_up(&b);
    start(&b);
    for (size_t i = 0; i < 7200; i++) {
        known[i] = current_at(&b, i * SECOND);
    }
    for (size_t i = 0; i < 2000; i++) {
        size_t k = mg_sim_rng_below(&rng, 7200);
        assert_int_equal(current_at(&b, k * SECOND), known[k]);
    }
    mg_sim_play_destroy(b.play);
}

/* ---- The net ---- */

static void test_net(void **state)
{
    struct bed b;
    struct mg_sim_mains m;
    (void)state;
    set_up(&b);
    b.scenario.n_net = 2;
    b.net[0] = (struct mg_sim_net_event){
        .kind = MG_SIM_NET_DIP,
        .meter = MG_SIM_ALL_METERS,
        .voltage_mv = 161000,
        .phase = 2,
        .when = {.at_ms = MINUTE, .slot_ms = MINUTE, .length_ms = 500}};
    b.net[1] = (struct mg_sim_net_event){
        .kind = MG_SIM_NET_PHASE_LOSS,
        .meter = 0,
        .phase = 1,
        .when = {.at_ms = 5 * MINUTE, .length_ms = MINUTE}};
    start(&b);
    assert_int_equal(mg_sim_play_at(b.play, 1, SIZE_MAX, 0, &m), MINUTE);
    assert_int_equal(m.phase[1].voltage_mv, 230000);
    assert_int_equal(mg_sim_play_at(b.play, 1, SIZE_MAX, MINUTE, &m),
                     MINUTE + 500);
    assert_int_equal(m.phase[1].voltage_mv, 161000);
    assert_int_equal(m.phase[0].voltage_mv, 230000);
    assert_int_equal(mg_sim_play_at(b.play, 1, SIZE_MAX, MINUTE + 500, &m),
                     2 * MINUTE);
    assert_int_equal(m.phase[1].voltage_mv, 230000);
    (void)mg_sim_play_at(b.play, 0, SIZE_MAX, 5 * MINUTE + SECOND, &m);
    assert_int_equal(m.phase[0].voltage_mv, 0);
    assert_int_equal(m.phase[0].current_ma, 0);
    assert_int_equal(m.phase[2].current_ma, 16000);
    (void)mg_sim_play_at(b.play, 1, SIZE_MAX, 5 * MINUTE + SECOND, &m);
    assert_int_equal(m.phase[0].voltage_mv, 230000);
    mg_sim_play_destroy(b.play);
}

static void test_day(void **state)
{
    struct bed b;
    struct mg_sim_mains m;
    (void)state;
    set_up(&b);
    b.scenario.low_mdegc = 5000;
    b.scenario.high_mdegc = 25000;
    b.scenario.day_start_ms = 3600000;
    start(&b);
    (void)mg_sim_play_at(b.play, 1, SIZE_MAX, 3 * HOUR, &m); /* 4 h */
    assert_int_equal(m.ambient_mdegc, 5000);
    (void)mg_sim_play_at(b.play, 1, SIZE_MAX, 14 * HOUR + DAY, &m); /* 15 h */
    assert_int_equal(m.ambient_mdegc, 25000);
    (void)mg_sim_play_at(b.play, 1, SIZE_MAX, 8 * HOUR + 30 * MINUTE, &m);
    assert_int_equal(m.ambient_mdegc, 15000);
    mg_sim_play_destroy(b.play);
}

/* Two meters in one device. */
static void test_circuits(void **state)
{
    struct bed b;
    struct mg_sim_mains m;
    (void)state;
    set_up(&b);
    b.sessions[0].meter = 2;
    start(&b);
    (void)mg_sim_play_at(b.play, 1, 2, MINUTE, &m);
    assert_int_equal(m.phase[0].current_ma, 0);
    assert_int_equal(m.phase[3].current_ma, 16000);
    assert_int_equal(m.phase[5].current_ma, 16000);
    (void)mg_sim_play_at(b.play, SIZE_MAX, 2, MINUTE, &m);
    assert_int_equal(m.phase[3].current_ma, 16000);
    mg_sim_play_destroy(b.play);
}

/* ---- What is done ---- */

static void test_happenings(void **state)
{
    struct bed b;
    struct mg_sim_happening h;
    (void)state;
    set_up(&b);
    b.scenario.n_acts = 3;
    b.acts[0].when = (struct mg_sim_when){.at_ms = 30 * SECOND};
    b.acts[1].when = (struct mg_sim_when){.at_ms = 10 * SECOND,
                                          .slot_ms = MINUTE,
                                          .until_ms = 3 * MINUTE,
                                          .length_ms = 25 * SECOND};
    b.acts[2].when = (struct mg_sim_when){.at_ms = HOUR,
                                          .until_ms = 3 * HOUR,
                                          .slot_ms = HOUR / 4,
                                          .length_ms = MINUTE,
                                          .is_random = true};
    start(&b);
    static const struct {
        uint64_t at_ms;
        size_t act;
        bool is_end;
    } wanted[] = {{10000, 1, false}, {30000, 0, false}, {35000, 1, true},
                  {70000, 1, false}, {95000, 1, true},  {130000, 1, false},
                  {155000, 1, true}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_true(mg_sim_play_next(b.play, &h));
        assert_int_equal(h.at_ms, wanted[i].at_ms);
        assert_ptr_equal(h.act, &b.acts[wanted[i].act]);
        assert_int_equal(h.is_end, wanted[i].is_end);
        mg_sim_play_pass(b.play);
    }
    /* 4 an hour for 2 hours, each in its quarter and over within it. */
    for (uint64_t i = 0; i < 8; i++) {
        assert_true(mg_sim_play_next(b.play, &h));
        assert_false(h.is_end);
        assert_in_range(h.at_ms, HOUR + i * HOUR / 4,
                        HOUR + (i + 1) * HOUR / 4 - MINUTE);
        uint64_t begin_ms = h.at_ms;
        mg_sim_play_pass(b.play);
        assert_true(mg_sim_play_next(b.play, &h) && h.is_end);
        assert_int_equal(h.at_ms, begin_ms + MINUTE);
        mg_sim_play_pass(b.play);
    }
    assert_false(mg_sim_play_next(b.play, &h));
    mg_sim_play_destroy(b.play);
}

/* ---- Orders ---- */

static void test_orders(void **state)
{
    struct bed b;
    struct mg_sim_presence p;
    struct mg_sim_net_event e = {.kind = MG_SIM_NET_FREQUENCY,
                                 .meter = MG_SIM_ALL_METERS,
                                 .frequency_mhz = 49000,
                                 .when = {.length_ms = 5 * SECOND}};
    struct mg_sim_mains m;
    (void)state;
    set_up(&b);
    start(&b);
    assert_int_equal(current_at(&b, MINUTE), 16000);
    mg_sim_play_limit(b.play, 0, MINUTE, 8000);
    assert_int_equal(current_at(&b, MINUTE), 8000);
    assert_int_equal(current_at(&b, MINUTE - 200), 8000); /* a tick behind */
    mg_sim_play_unplug(b.play, 0, 2 * MINUTE);
    assert_int_equal(current_at(&b, 2 * MINUTE), 0);
    assert_int_equal(current_at(&b, 2 * MINUTE - 300), 0);
    mg_sim_play_plug(b.play, 0, 3 * MINUTE, mg_sim_vehicle_common(4), 20000);
    assert_int_equal(current_at(&b, 3 * MINUTE + 20 * SECOND), 20000);
    mg_sim_play_presence(b.play, 0, 4 * MINUTE, &p);
    assert_true(p.is_there);
    assert_int_equal(p.since_ms, 3 * MINUTE);
    mg_sim_play_fix(b.play, 0, 5000);
    assert_int_equal(current_at(&b, 5 * MINUTE), 5000);
    mg_sim_play_fix(b.play, 0, -1);
    assert_int_equal(current_at(&b, 5 * MINUTE), 20000);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(mg_sim_play_add_net(b.play, 6 * MINUTE, &e), MG_OK);
    }
    assert_int_equal(mg_sim_play_add_net(b.play, 6 * MINUTE, &e), MG_E_NOSPC);
    (void)mg_sim_play_at(b.play, 1, SIZE_MAX, 6 * MINUTE + 1, &m);
    assert_int_equal(m.frequency_mhz, 49000);
    (void)mg_sim_play_at(b.play, 1, SIZE_MAX, 6 * MINUTE + 5001, &m);
    assert_int_equal(m.frequency_mhz, 50000);
    assert_int_equal(mg_sim_play_add_net(b.play, 7 * MINUTE, &e), MG_OK);
    mg_sim_play_destroy(b.play);
}

static void test_angles(void **state)
{
    (void)state;
    assert_int_equal(mg_sim_angle_of(10000), 0);
    assert_int_equal(mg_sim_angle_of(0), 9000);
    assert_in_range(mg_sim_angle_of(5000), 5999, 6001);
    assert_in_range(mg_sim_angle_of(9500), 1819, 1820);
}

/* Any numbers that the loader lets through: it goes on, and stays in bounds. */
static void test_any_vehicle(void **state)
{
    struct mg_sim_rng rng = {11};
    (void)state;
    for (unsigned n = 0; n < 300; n++) {
        struct bed b;
        set_up(&b);
        struct mg_sim_vehicle *v = &b.vehicles[0];
        v->n_phases = (uint8_t)(1 + mg_sim_rng_below(&rng, 3));
        v->max_ma = 1000 + mg_sim_rng_below(&rng, 100000);
        v->min_ma = 100 + mg_sim_rng_below(&rng, (uint64_t)v->max_ma - 99);
        v->ramp_ma_per_s = 100 + mg_sim_rng_below(&rng, 100000);
        v->battery_mwh = 10000 + mg_sim_rng_below(&rng, 1000000000);
        v->soc_start = mg_sim_rng_below(&rng, 10000);
        v->soc_target =
            v->soc_start + 1 + mg_sim_rng_below(&rng, 10000 - v->soc_start);
        v->taper_from = mg_sim_rng_below(&rng, 10001);
        v->reserve = mg_sim_rng_below(&rng, 10001);
        v->phase_cdeg = (int32_t)mg_sim_rng_below(&rng, 12000) - 6000;
        v->has_harmonics = true;
        v->n_exports = 1;
        v->exports[0] = (struct mg_sim_span){
            mg_sim_rng_below(&rng, 3600000),
            1000 + mg_sim_rng_below(&rng, 1000000),
            1 + mg_sim_rng_below(&rng, (uint64_t)v->max_ma)};
        start(&b);
        size_t pieces = 0;
        for (uint64_t t = 0; t < DAY; pieces++) {
            struct mg_sim_mains m;
            t = mg_sim_play_at(b.play, 0, SIZE_MAX, t, &m);
            assert_in_range(m.phase[0].current_ma, 0, v->max_ma);
            assert_true(m.n_harmonics <= MG_SIM_HARMONICS_MAX);
            assert_true(pieces < 20000);
        }
        mg_sim_play_destroy(b.play);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_energy_is_the_battery),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_pause_and_export),
        cmocka_unit_test(test_harmonics_rise),
        cmocka_unit_test(test_random_arrivals),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_day),
        cmocka_unit_test(test_circuits),
        cmocka_unit_test(test_happenings),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_angles),
        cmocka_unit_test(test_any_vehicle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
