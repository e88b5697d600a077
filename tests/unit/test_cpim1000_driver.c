/* The CPIM1000's driver: which signal of the DBC is which value of which side,
 * who the unit says it is, and the commands step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/can_signals.h"
#include "cpim1000_meter.h"
#include "crypto/deterministic.h"
#include "crypto/encode.h"
#include "crypto/verify.h"

#include "../../plugins/cpim1000/messages.h"
#include "../../plugins/cpim1000/update.h"

extern const struct mg_plugin mg_plugin;

static struct mg_dbc *load_dbc(void)
{
    static char text[MG_DBC_FILE_MAX];
    struct mg_err err;
    FILE *file = fopen(MG_TEST_DBC, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    assert_int_equal(fclose(file), 0);
    struct mg_dbc *dbc = mg_dbc_parse("cpim1000.dbc", text, len, &err);
    assert_non_null(dbc);
    return dbc;
}

static void test_circuits(void **state)
{
    (void)state;
    struct cpim1000_options o = {.side = CPIM1000_RIGHT,
                                 .phases = CPIM1000_THREE_PHASE};
    assert_int_equal(mg_plugin.circuit(&o), 0);
    assert_int_equal(mg_plugin.variant(&o), 0);
    o.phases = CPIM1000_ONE_PHASE;
    assert_int_equal(mg_plugin.variant(&o), 1);
    o.side = CPIM1000_LEFT;
    assert_int_equal(mg_plugin.circuit(&o), 1);
    assert_int_equal(mg_plugin.variant(&o), 3);
    o.phases = CPIM1000_THREE_PHASE;
    assert_int_equal(mg_plugin.variant(&o), 2);
}

/* Each side has its own messages but for those of the unit. */
static void test_signals_of_sides(void **state)
{
    (void)state;
    struct mg_dbc *dbc = load_dbc();
    for (unsigned variant = 0; variant < 4; variant++) {
        struct mg_can_map map;
        struct mg_err err;
        const char *own = variant < 2 ? "Right" : "Left";
        size_t n_of_unit = 0;
        assert_int_equal(mg_can_map_build(mg_plugin.driver->can, variant,
                                          variant / 2, dbc, NULL, 0, &map,
                                          &err),
                         MG_OK);
        assert_int_equal(map.n, variant % 2 == 0 ? 24 : 14);
        for (size_t k = 0; k < map.n; k++) {
            const char *name = map.signals[k].message->name;
            bool is_own = strncmp(name, own, strlen(own)) == 0;
            n_of_unit += !is_own;
            assert_true(is_own || strcmp(name, "UnitState") == 0);
        }
        assert_int_equal(n_of_unit, 3);
        assert_int_equal(strncmp(map.to_meter->name, own, strlen(own)), 0);
        assert_int_equal(strncmp(map.from_meter->name, own, strlen(own)), 0);
    }
    mg_dbc_destroy(dbc);
}

/* Two units and others on 500 kbit/s: an eighth of it at most for one. */
static void test_load_of_the_bus(void **state)
{
    (void)state;
    struct mg_dbc *dbc = load_dbc();
    unsigned per_1000_s = 0;
    for (size_t k = 0; k < mg_dbc_n_messages(dbc); k++) {
        const struct mg_dbc_message *message = mg_dbc_message(dbc, k);
        assert_true(message->id + 31 <= 0x7ff);
        per_1000_s += message->cycle_ms == 0 ? 0 : 1000000 / message->cycle_ms;
    }
    assert_int_equal(per_1000_s, 64000);
    assert_true(per_1000_s / 1000 * 135 < 500000 / 8);
    mg_dbc_destroy(dbc);
}

/* ---- Identity ---- */

static void test_identity(void **state)
{
    (void)state;
    struct meter m;
    struct mg_identity id;
    uint8_t ask[MG_PDU_MAX], answer[MG_PDU_MAX];
    meter_new(&m);
    size_t len = cpim1000__identify(ask);
    size_t n = meter_ask(&m, LEFT, ask, len, answer);
    assert_int_equal(cpim1000__identity(answer, n, &id), MG_OK);
    assert_string_equal(id.serial, "260800012345");
    assert_string_equal(id.part_number, "CPIM1000-3");
    assert_string_equal(id.version, "2.3.1");
    assert_string_equal(id.lrs_version, "1.0.0");
    assert_memory_equal(id.software_hash, answer + 49, 32);
    assert_memory_equal(id.lrs_hash, answer + 93, 32);
    assert_true(id.has_software_hash);
    assert_false(id.is_sealed);
}

static void test_bad_identities(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t byte;
        int code;
    } cases[] = {{0, 0x51, MG_E_NOSUP},  {1, 2, MG_E_PROTO},
                 {3, 2, MG_E_PROTO},     {4, 0, MG_E_PROTO},
                 {4, 0x80, MG_E_PROTO},  {17, 'x', MG_E_PROTO},
                 {20, '\n', MG_E_PROTO}, {36, 2, MG_E_PROTO},
                 {37, 0, MG_E_PROTO},    {81, 0x7f, MG_E_PROTO}};
    struct meter m;
    struct mg_identity id = {.serial = "untouched"};
    uint8_t good[MG_PDU_MAX];
    meter_new(&m);
    size_t n = meter_ask(&m, RIGHT, (const uint8_t *)"\x10", 1, good);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        uint8_t bad[MG_PDU_MAX];
        memcpy(bad, good, n);
        bad[cases[k].at] = cases[k].byte;
        assert_int_equal(cpim1000__identity(bad, n, &id), cases[k].code);
    }
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_not_equal(cpim1000__identity(good, cut, &id), MG_OK);
    }
    assert_int_not_equal(cpim1000__identity(good, n + 1, &id), MG_OK);
    assert_string_equal(id.serial, "untouched");
}

/* ---- Commands ---- */

static const struct mg_procedure *procedure(const char *verb)
{
    for (size_t k = 0; k < mg_plugin.driver->n_procedures; k++) {
        if (strcmp(mg_plugin.driver->procedures[k].verb, verb) == 0) {
            return &mg_plugin.driver->procedures[k];
        }
    }
    fail_msg("no command %s", verb);
    return NULL;
}

/* Against the simulated unit, to the end. */
static struct mg_step_out run(struct meter *m, unsigned side, const char *verb,
                              const void *args, const char *text,
                              size_t text_len)
{
    static struct mg_step_out out;
    const struct mg_procedure *p = procedure(verb);
    uint64_t step_state[MG_STEP_STATE_MAX / 8] = {0};
    uint8_t answer[MG_PDU_MAX];
    struct mg_step_in in = {.event = MG_STEP_START,
                            .args = args,
                            .text = text,
                            .text_len = text_len};
    for (unsigned n = 0; n < 200; n++) {
        memset(&out, 0, sizeof out);
        p->step(step_state, &in, &out);
        if (out.action == MG_STEP_DONE || out.action == MG_STEP_FAIL) {
            return out;
        }
        in.event = MG_STEP_WOKE;
        if (out.action == MG_STEP_SEND) {
            in.pdu_len = meter_ask(m, side, out.pdu, out.pdu_len, answer);
            in.pdu = answer;
            in.event = in.pdu_len == 0 ? MG_STEP_TIMEOUT : MG_STEP_REPLY;
        }
    }
    fail_msg("%s comes to no end", verb);
    return out;
}

static void test_relay(void **state)
{
    (void)state;
    struct meter m;
    int64_t open = 0;
    int64_t closed = 1;
    meter_new(&m);
    struct mg_step_out out = run(&m, LEFT, "relay", &open, NULL, 0);
    assert_int_equal(out.action, MG_STEP_DONE);
    assert_int_equal(out.n_values, 1);
    assert_int_equal(out.values[0].channel, MG_CH(RELAY_CLOSED, TOTAL));
    assert_int_equal(out.values[0].value, 0);
    assert_false(meter_is_connected(&m, LEFT));
    assert_true(meter_is_connected(&m, RIGHT));
    assert_int_equal(run(&m, LEFT, "relay", &closed, NULL, 0).action,
                     MG_STEP_DONE);
    assert_true(meter_is_connected(&m, LEFT));
    meter_fault(&m, MG_FW_FAULT_NAN);
    meter_power_cycle(&m);
    out = run(&m, LEFT, "relay", &closed, NULL, 0);
    assert_int_equal(out.code, MG_E_EXCEPTION);
    assert_string_equal(out.reason,
                        "relay, refused: a fault at the start keeps "
                        "the relays open");
}

static void test_relay_that_stays_open(void **state)
{
    (void)state;
    static const uint8_t open[] = {0x53, 0};
    int64_t closed = 1;
    struct mg_step_in in = {.event = MG_STEP_REPLY,
                            .args = &closed,
                            .pdu = open,
                            .pdu_len = sizeof open};
    struct mg_step_out out = {0};
    procedure("relay")->step(NULL, &in, &out);
    assert_int_equal(out.action, MG_STEP_FAIL);
    assert_int_equal(out.code, MG_E_MISMATCH);
    assert_string_equal(out.reason, "the relay still reads open");
}

static void test_shunt_trip(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(run(&m, LEFT, "shunt-trip", NULL, NULL, 0).action,
                     MG_STEP_DONE);
    assert_false(meter_is_connected(&m, LEFT));
    assert_int_equal(run(&m, RIGHT, "shunt-trip", NULL, NULL, 0).action,
                     MG_STEP_DONE);
    meter_ticks(&m, 10);
    struct mg_step_out out = run(&m, LEFT, "shunt-trip", NULL, NULL, 0);
    assert_int_equal(out.code, MG_E_TIMEOUT);
}

/* Installed is what the unit says that it runs. */
static void test_update(void **state)
{
    (void)state;
    struct meter m;
    struct cpim1000_update_args args = {"image"};
    struct mg_sim_key *key = mg_sim_key_create(5, 1);
    char file[32 + 700 + 64] = {0};
    uint8_t *image = (uint8_t *)file + 32;
    assert_non_null(key);
    memcpy(image, "MGCPIM011.1.0\0\0\0\0\0\0\0003.0.0\0\0\0\0\0\0\0", 32);
    memcpy(image + 32, "\0\0\1\0", 4);
    mg_sha256(image, 700, (uint8_t *)file);
    assert_int_equal(mg_sim_key_sign(key, image, 700, image + 700), MG_OK);
    meter_blank(&m);
    m.options.has_seal = 0;
    mg_hex_write(mg_sim_key_public(key), 64, false, m.options.update_key);
    meter_start(&m);
    struct mg_step_out out =
        run(&m, RIGHT, "firmware-update", &args, file, sizeof file);
    assert_int_equal(out.action, MG_STEP_DONE);
    assert_int_equal(out.stage, MG_STAGE_INSTALLED);
    mg_sim_key_destroy(key);
}

static void test_update_that_does_not_run(void **state)
{
    (void)state;
    struct cpim1000_update_state s = {.phase = 3, .offset = 300};
    struct cpim1000_update_args args = {"image"};
    char file[32 + 300 + 64] = {1};
    uint8_t status[47] = {0x64, 0, 1};
    struct mg_step_in in = {.event = MG_STEP_REPLY,
                            .args = &args,
                            .text = file,
                            .text_len = sizeof file,
                            .pdu = status,
                            .pdu_len = sizeof status};
    struct mg_step_out out = {0};
    procedure("firmware-update")->step(&s, &in, &out);
    assert_int_equal(out.code, MG_E_MISMATCH);
    memcpy(status + 15, file, 32);
    memset(&out, 0, sizeof out);
    procedure("firmware-update")->step(&s, &in, &out);
    assert_int_equal(out.action, MG_STEP_DONE);
    status[2] = 2;
    memset(&out, 0, sizeof out);
    procedure("firmware-update")->step(&s, &in, &out);
    assert_int_equal(out.code, MG_E_MISMATCH);
}

static void test_update_is_refused_under_seal(void **state)
{
    (void)state;
    struct meter m;
    char file[32 + 300 + 64] = {0};
    struct cpim1000_update_args args = {"image"};
    meter_new(&m);
    struct mg_step_out out =
        run(&m, LEFT, "firmware-update", &args, file, 32 + 36 + 64);
    assert_int_equal(out.code, MG_E_INVAL);
    out = run(&m, LEFT, "firmware-update", &args, file, sizeof file);
    assert_int_equal(out.code, MG_E_EXCEPTION);
    assert_string_equal(out.reason,
                        "firmware-update, refused: the seal is in place");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuits),
        cmocka_unit_test(test_signals_of_sides),
        cmocka_unit_test(test_load_of_the_bus),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_bad_identities),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_relay_that_stays_open),
        cmocka_unit_test(test_shunt_trip),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_update_that_does_not_run),
        cmocka_unit_test(test_update_is_refused_under_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
