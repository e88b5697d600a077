/* Two meters in one simulated device on CAN: loads, messages and channels of
 * their own, one firmware and one memory. In virtual time; the model is a small
 * one that says what it measures. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/simulation.h"
#include "wire/isotp.h"

#define MS      UINT64_C(1000000)
#define LOG_MAX 4096
#define COUNTS  32768 /* of full scale */

/* ---- The model ---- */

struct options {
    int64_t side;
};

struct small {
    uint8_t *nv;
    int64_t ma[MG_CIRCUITS_MAX], mv[MG_CIRCUITS_MAX];
    bool says[MG_CIRCUITS_MAX]; /* by itself, next */
};

static void power_on(void *state, const struct mg_fw_env *env)
{
    struct small *s = state;
    s->nv = env->nv;
    s->nv[0] = (uint8_t)(s->nv[0] + 1); /* starts; new: 0xff */
}

static void power_fail(void *state)
{
    (void)state;
}

static int64_t root(int64_t n)
{
    int64_t r = 0;
    for (int64_t bit = INT64_C(1) << 30; bit > 0; bit >>= 1) {
        r += (r + bit) * (r + bit) <= n ? bit : 0;
    }
    return r;
}

static void tick(void *state, const struct mg_tick *tick)
{
    struct small *s = state;
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        const struct mg_lane_sums *lane = &tick->lane[3 * i];
        s->ma[i] = root(lane->i2 / tick->n_samples) * 100000 / COUNTS;
        s->mv[i] = root(lane->u2 / tick->n_samples) * 400000 / COUNTS;
    }
}

/* Circuit and request; to a one, the other side says something by itself. */
static size_t pdu(void *state, uint8_t unit, const uint8_t *request, size_t len,
                  uint8_t *ret, size_t cap)
{
    struct small *s = state;
    assert_true(unit < MG_CIRCUITS_MAX && len + 1 <= cap);
    s->says[1 - unit] = len == 1 && request[0] == 1;
    ret[0] = unit;
    memcpy(ret + 1, request, len);
    return len + 1;
}

static size_t unasked(void *state, unsigned circuit, uint8_t *ret, size_t cap)
{
    struct small *s = state;
    assert_true(circuit < MG_CIRCUITS_MAX && cap == MG_PDU_MAX);
    if (!s->says[circuit]) {
        return 0;
    }
    s->says[circuit] = false;
    ret[0] = 0xee;
    ret[1] = (uint8_t)circuit;
    return 2;
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    (void)state;
    *ret = (struct mg_fw_outputs){
        .circuit = {{.load_connected = true}, {.load_connected = true}}};
}

static int set_input(void *state, unsigned index, bool is_closed)
{
    (void)state;
    (void)index;
    (void)is_closed;
    return MG_E_NOSUP;
}

static int set(void *state, mg_channel channel, int64_t value)
{
    (void)state;
    (void)channel;
    (void)value;
    return MG_E_NOSUP;
}

static int fault(void *state, enum mg_fw_fault kind)
{
    (void)state;
    (void)kind;
    return MG_E_NOSUP;
}

static const struct mg_fw_signal fw_signals[] = {
    {"Right.I", MG_UNIT_MA},
    {"Left.I", MG_UNIT_MA},
    {"Right.U", MG_UNIT_MV},
    {"Left.U", MG_UNIT_MV},
    {"Common.Boots", MG_UNIT_COUNT}};

static bool signal_value(const void *state, size_t index, int64_t *ret)
{
    const struct small *s = state;
    *ret = index < 2 ? s->ma[index] : index < 4 ? s->mv[index - 2] : s->nv[0];
    return true;
}

static const struct mg_frontend frontend = {.rate_mhz = 4000000,
                                            .samples_per_tick = 80, /* 20 ms */
                                            .n_lanes = 6,
                                            .bits = 16,
                                            .full_scale_mv = 400000,
                                            .full_scale_ma = 100000};

static const struct mg_firmware firmware = {.frontend = &frontend,
                                            .state_size = sizeof(struct small),
                                            .nv_size = 4,
                                            .power_on = power_on,
                                            .power_fail = power_fail,
                                            .tick = tick,
                                            .pdu = pdu,
                                            .outputs = outputs,
                                            .set_input = set_input,
                                            .set = set,
                                            .fault = fault,
                                            .signals = fw_signals,
                                            .n_signals = sizeof fw_signals /
                                                         sizeof *fw_signals,
                                            .signal = signal_value,
                                            .unasked = unasked};

static const struct mg_signal rows[] = {
    {MG_CH(CURRENT, L1), "Right.I", 1, "ours"},
    {MG_CH(CURRENT, L1), "Left.I", 2, "ours"},
    {MG_CH(VOLTAGE, L1), "Right.U", 1, "ours"},
    {MG_CH(VOLTAGE, L1), "Left.U", 2, "ours"},
    {MG_CH(BOOTS, TOTAL), "Common.Boots", 0, "ours"},
};

static const struct mg_can_driver can_driver = {
    .signals = rows,
    .n_signals = sizeof rows / sizeof *rows,
    .max_node = 31,
    .to_meter = {"RightIn", "LeftIn"},
    .from_meter = {"RightOut", "LeftOut"}};
static const struct mg_driver driver = {.can = &can_driver};

static const char *const sides[] = {"right", "left", NULL};
static const struct mg_option option_table[] = {{.name = "side",
                                                 .type = MG_OPTION_ENUM,
                                                 .max = 1,
                                                 .choices = sides,
                                                 .size = sizeof(int64_t),
                                                 .help = "Side."}};

static unsigned circuit(const void *options)
{
    return (unsigned)((const struct options *)options)->side;
}

static const struct mg_plugin plugin = {.model = "toy",
                                        .bus = MG_BUS_CAN,
                                        .options = option_table,
                                        .n_options = 1,
                                        .options_size = sizeof(struct options),
                                        .variant = circuit,
                                        .circuit = circuit,
                                        .driver = &driver,
                                        .firmware = &firmware};

#define SIDE                                                                   \
    " SG_ I : 0|32@1+ (0.001,0) [0|0] \"A\" M\n"                               \
    " SG_ U : 32|32@1+ (0.001,0) [0|0] \"V\" M\n"
static const char dbc_text[] =
    "BU_: M\n"
    "BO_ 256 Right: 8 M\n" SIDE "BO_ 288 Left: 8 M\n" SIDE
    "BO_ 320 Common: 8 M\n"
    " SG_ Boots : 0|8@1+ (1,0) [0|0] \"\" M\n"
    "BO_ 352 Foreign: 8 M\n" SIDE
    "BO_ 1024 RightIn: 8 M\nBO_ 1056 RightOut: 8 M\n"
    "BO_ 1088 LeftIn: 8 M\nBO_ 1120 LeftOut: 8 M\n"
    "BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\n"
    "BA_DEF_DEF_ \"GenMsgCycleTime\" 100;\n"
    "BA_ \"GenMsgCycleTime\" BO_ 1024 0;\n"
    "BA_ \"GenMsgCycleTime\" BO_ 1056 0;\n"
    "BA_ \"GenMsgCycleTime\" BO_ 1088 0;\n"
    "BA_ \"GenMsgCycleTime\" BO_ 1120 0;\n";
enum {
    RIGHT = 256,
    LEFT = 288,
    COMMON = 320,
    FOREIGN = 352,
    RIGHT_IN = 1024,
    RIGHT_OUT = 1056,
    LEFT_IN = 1088,
    LEFT_OUT = 1120
};

/* ---- Bed ---- */

#define METERS_MAX 3

struct bed {
    struct mg_sim_can_node node; /* first: hears all */
    struct mg_clock *clock;
    struct mg_dbc *dbc;
    struct mg_setup setup;
    struct mg_setup_bus bus;
    struct mg_setup_meter meters[METERS_MAX];
    struct options options[METERS_MAX];
    struct mg_simulation *simulation;
    size_t n;
    struct mg_can_frame log[LOG_MAX];
};

static void hear(struct mg_sim_can_node *node, const struct mg_can_frame *frame)
{
    struct bed *b = (struct bed *)node;
    assert_true(b->n < LOG_MAX);
    b->log[b->n++] = *frame;
}

static struct bed *new_bed(void)
{
    struct bed *b = calloc(1, sizeof *b);
    struct mg_err err = {0};
    assert_non_null(b);
    b->clock = mg_clock_create_virtual(1700000000000);
    b->dbc = mg_dbc_parse("toy.dbc", dbc_text, strlen(dbc_text), &err);
    if (b->dbc == NULL) {
        fail_msg("%s", err.text);
    }
    b->bus = (struct mg_setup_bus){.id = "can0", .type = MG_SETUP_SOCKETCAN};
    (void)snprintf(b->bus.can.interface, sizeof b->bus.can.interface, "can0");
    b->setup = (struct mg_setup){.simulation = {.seed = 1},
                                 .n_buses = 1,
                                 .buses = &b->bus,
                                 .meters = b->meters};
    return b;
}

static struct mg_setup_meter *add(struct bed *b, uint8_t node, int64_t side,
                                  int64_t ma)
{
    size_t i = b->setup.n_meters++;
    b->options[i].side = side;
    b->meters[i] =
        (struct mg_setup_meter){.plugin = &plugin,
                                .options = &b->options[i],
                                .unit = node,
                                .dbc = b->dbc,
                                .load = {.is_fixed = true,
                                         .voltage_mv = 230000 - 10000 * side,
                                         .current_ma = ma,
                                         .pf_1e4 = 10000,
                                         .frequency_mhz = 50000}};
    (void)snprintf(b->meters[i].id, MG_ID_MAX, "m%zu", i);
    return &b->meters[i];
}

static void start(struct bed *b, const char *keep_dir)
{
    const struct mg_simulation_settings settings = {.clock = b->clock,
                                                    .keep_dir = keep_dir};
    struct mg_err err = {0};
    b->simulation = mg_simulation_create(&b->setup, &settings, &err);
    if (b->simulation == NULL) {
        fail_msg("%s", err.text);
    }
    b->node = (struct mg_sim_can_node){.frame = hear};
    mg_sim_can_bus_attach(mg_simulation_can(b->simulation, 0), &b->node);
}

static void end(struct bed *b)
{
    mg_simulation_destroy(b->simulation);
    mg_dbc_destroy(b->dbc);
    mg_clock_destroy(b->clock);
    free(b);
}

static void run_ms(struct bed *b, uint64_t ms)
{
    b->n = 0;
    mg_clock_advance(b->clock, mg_clock_now_ns(b->clock) + ms * MS);
}

static const struct mg_can_frame *last(const struct bed *b, uint32_t id)
{
    for (size_t i = b->n; i > 0; i--) {
        if (b->log[i - 1].id == id) {
            return &b->log[i - 1];
        }
    }
    return NULL;
}

static int64_t value_of(const struct bed *b, uint32_t id, size_t at)
{
    const struct mg_can_frame *f = last(b, id);
    uint32_t n = 0;
    if (f == NULL) {
        fail_msg("no frame %u", id);
        return 0;
    }
    for (size_t i = at + 4; i > at; i--) {
        n = n << 8 | f->data[i - 1];
    }
    return n;
}

static void check_load(const struct bed *b, uint32_t id, int64_t mv, int64_t ma)
{
    assert_in_range(value_of(b, id, 0) + 100, ma + 90, ma + 110);
    assert_in_range(value_of(b, id, 4), mv - 300, mv + 300);
}

/* ---- Tests ---- */

static void test_loads(void **state)
{
    (void)state;
    struct bed *b = new_bed();
    (void)add(b, 3, 0, 10000);
    (void)add(b, 3, 1, 4000);
    (void)add(b, 4, 1, 2000);
    start(b, NULL);
    struct mg_sim_device *d = mg_simulation_device(b->simulation, 0);
    assert_ptr_equal(mg_simulation_device(b->simulation, 1), d);
    assert_ptr_not_equal(mg_simulation_device(b->simulation, 2), d);
    run_ms(b, 1000);
    check_load(b, RIGHT + 3, 230000, 10000);
    check_load(b, LEFT + 3, 220000, 4000);
    /* Nobody is right of it: no load, but the voltage that it is fed by. */
    check_load(b, RIGHT + 4, 220000, 0);
    check_load(b, LEFT + 4, 220000, 2000);
    /* A load is one side's, whose meter is named. */
    mg_simulation_live(b->simulation, 1);
    mg_sim_device_set_current(d, 1, 20000);
    run_ms(b, 1000);
    check_load(b, RIGHT + 3, 230000, 10000);
    check_load(b, LEFT + 3, 220000, 20000);
    mg_sim_device_set_profile(d, 0, NULL);
    run_ms(b, 1000);
    check_load(b, RIGHT + 3, 220000, 0);
    end(b);
}

/* Each message once, however many meters the device is. */
static void test_cycles(void **state)
{
    (void)state;
    struct bed *b = new_bed();
    (void)add(b, 3, 0, 10000);
    (void)add(b, 3, 1, 4000);
    start(b, NULL);
    run_ms(b, 1000);
    size_t n[4] = {0};
    for (size_t i = 0; i < b->n; i++) {
        assert_true(b->log[i].id >= RIGHT + 3 && b->log[i].id <= FOREIGN + 3);
        n[(b->log[i].id - RIGHT) / 32]++;
    }
    assert_in_range(n[0], 9, 11);
    assert_in_range(n[1], 9, 11);
    assert_in_range(n[2], 9, 11);
    assert_int_equal(n[3], 0);
    end(b);
}

static void ask(struct bed *b, uint32_t id, uint8_t what)
{
    const struct mg_can_frame f = {.id = id, .len = 8, .data = {1, what}};
    mg_sim_can_bus_send(mg_simulation_can(b->simulation, 0), &b->node, &f);
}

static void assert_says(const struct bed *b, uint32_t id, uint8_t first,
                        uint8_t second)
{
    const struct mg_can_frame *f = last(b, id);
    assert_non_null(f);
    const uint8_t body[] = {2, first, second};
    assert_memory_equal(f->data, body, sizeof body);
}

static void test_channels(void **state)
{
    (void)state;
    struct bed *b = new_bed();
    (void)add(b, 3, 0, 10000);
    (void)add(b, 3, 1, 4000);
    start(b, NULL);
    run_ms(b, 10);
    ask(b, RIGHT_IN + 3, 0xaa);
    assert_says(b, RIGHT_OUT + 3, 0, 0xaa);
    assert_null(last(b, LEFT_OUT + 3));
    ask(b, LEFT_IN + 3, 0xbb);
    assert_says(b, LEFT_OUT + 3, 1, 0xbb);
    assert_says(b, RIGHT_OUT + 3, 0, 0xaa);
    /* What one is asked makes the other say something. */
    ask(b, RIGHT_IN + 3, 1);
    assert_says(b, RIGHT_OUT + 3, 0, 1);
    assert_says(b, LEFT_OUT + 3, 0xee, 1);
    /* Both at once: a first frame each, then the rest. */
    struct mg_can_frame f = {.len = 8, .data = {0x10, 9, 1, 2, 3, 4, 5, 6}};
    f.id = RIGHT_IN + 3;
    mg_sim_can_bus_send(mg_simulation_can(b->simulation, 0), &b->node, &f);
    f.id = LEFT_IN + 3;
    mg_sim_can_bus_send(mg_simulation_can(b->simulation, 0), &b->node, &f);
    assert_int_equal(last(b, RIGHT_OUT + 3)->data[0], 0x30);
    assert_int_equal(last(b, LEFT_OUT + 3)->data[0], 0x30);
    f.data[0] = 0x21;
    mg_sim_can_bus_send(mg_simulation_can(b->simulation, 0), &b->node, &f);
    assert_int_equal(last(b, LEFT_OUT + 3)->data[0], 0x10);
    assert_int_equal(last(b, LEFT_OUT + 3)->data[2], 1);
    f.id = RIGHT_IN + 3;
    mg_sim_can_bus_send(mg_simulation_can(b->simulation, 0), &b->node, &f);
    assert_int_equal(last(b, RIGHT_OUT + 3)->data[0], 0x10);
    assert_int_equal(last(b, RIGHT_OUT + 3)->data[2], 0);
    end(b);
}

/* A side that no meter of the configuration is answers where its model does. */
static void test_alone(void **state)
{
    (void)state;
    struct bed *b = new_bed();
    (void)add(b, 3, 1, 4000);
    start(b, NULL);
    run_ms(b, 500);
    ask(b, RIGHT_IN + 3, 0xaa);
    assert_says(b, RIGHT_OUT + 3, 0, 0xaa);
    ask(b, LEFT_IN + 3, 0xbb);
    assert_says(b, LEFT_OUT + 3, 1, 0xbb);
    end(b);
}

/* Each meter may have its own names for its signals and messages. */
static void test_names(void **state)
{
    (void)state;
    static struct mg_can_override of_left[] = {{"current_l1_a", "Foreign.I"},
                                               {"voltage_l1_v", "none"},
                                               {"request", "Foreign"},
                                               {"boots", "none"}};
    struct bed *b = new_bed();
    (void)add(b, 3, 0, 10000);
    struct mg_setup_meter *left = add(b, 3, 1, 4000);
    left->signals = of_left;
    left->n_signals = 4;
    start(b, NULL);
    run_ms(b, 1000);
    check_load(b, RIGHT + 3, 230000, 10000);
    assert_null(last(b, LEFT + 3));
    assert_in_range(value_of(b, FOREIGN + 3, 0), 3990, 4010);
    assert_int_equal(value_of(b, FOREIGN + 3, 4), 0);
    assert_int_equal(value_of(b, COMMON + 3, 0), 0); /* right has them */
    ask(b, FOREIGN + 3, 0xbb);
    assert_says(b, LEFT_OUT + 3, 1, 0xbb);
    end(b);
}

static void remove_folder(const char *path, size_t expected, const char *name)
{
    DIR *dir = opendir(path);
    size_t n = 0;
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char file[512];
        if (e->d_name[0] != '.') {
            assert_string_equal(e->d_name, name);
            (void)snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            assert_int_equal(unlink(file), 0);
            n++;
        }
    }
    (void)closedir(dir);
    assert_int_equal(n, expected);
    assert_int_equal(rmdir(path), 0);
}

/* One memory, kept once, under the name of the first meter. */
static void test_memory(void **state)
{
    (void)state;
    char path[] = "/tmp/test_two_circuits.XXXXXX";
    assert_non_null(mkdtemp(path));
    int64_t boots = 0;
    for (int i = 0; i < 3; i++) {
        struct bed *b = new_bed();
        (void)add(b, 3, 1, 4000);
        (void)add(b, 3, 0, 10000);
        start(b, path);
        run_ms(b, 1000);
        int64_t now = value_of(b, COMMON + 3, 0);
        assert_true(i == 0 || now == boots + 2); /* saved by an off and on */
        boots = now;
        end(b);
    }
    remove_folder(path, 1, "m0.nv");
}

/* Off is off for both. */
static void test_power(void **state)
{
    (void)state;
    struct bed *b = new_bed();
    (void)add(b, 3, 0, 10000);
    (void)add(b, 3, 1, 4000);
    start(b, NULL);
    run_ms(b, 500);
    assert_non_null(last(b, RIGHT + 3));
    mg_simulation_live(b->simulation, 1);
    mg_sim_device_power_cycle(mg_simulation_device(b->simulation, 1), 2000);
    run_ms(b, 1900);
    assert_int_equal(b->n, 0);
    ask(b, RIGHT_IN + 3, 0xaa);
    ask(b, LEFT_IN + 3, 0xbb);
    assert_int_equal(b->n, 0);
    run_ms(b, 1000);
    assert_int_equal(value_of(b, COMMON + 3, 0), 1);
    check_load(b, RIGHT + 3, 230000, 10000);
    check_load(b, LEFT + 3, 220000, 4000);
    end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads),    cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_channels), cmocka_unit_test(test_alone),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_memory),
        cmocka_unit_test(test_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
