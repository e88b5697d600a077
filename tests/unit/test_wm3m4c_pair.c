/* Driver and simulated WM3M4C, two readings of one manual, byte against byte:
 * each operation of a session with trouble at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/wm3m4c/firmware.h"
#include "wm3m4c_bed.h"

#define UNIT 33

struct device {
    struct wm3m4c_options options;
    void *state;
    uint8_t *nv;
    struct mg_fw_env env;
    uint8_t key[64], signature[64];
    uint32_t left_us;
    unsigned n_signed;
    uint8_t message[2048]; /* that was signed last */
    size_t message_len;
};

static struct device device;
static struct bed_meter meter;
static struct bed_run run;

static void serve_chip(struct device *d)
{
    const uint8_t *message;
    size_t len = wm3m4c_firmware.sign_request(d->state, &message);
    if (len == 0) {
        return;
    }
    assert_true(len <= sizeof d->message);
    memcpy(d->message, message, len);
    d->message_len = len;
    d->n_signed++;
    for (size_t i = 0; i < sizeof d->signature; i++) {
        d->signature[i] = (uint8_t)(0x91 + i + d->n_signed);
    }
    wm3m4c_firmware.sign_result(d->state, d->signature);
}

static size_t ask(void *self, const uint8_t *pdu, size_t len, uint8_t *ret)
{
    struct device *d = self;
    size_t n = wm3m4c_firmware.pdu(d->state, UNIT, pdu, len, ret, MG_PDU_MAX);
    serve_chip(d);
    return n;
}

/* 230 V on all phases and no current, in ticks of two periods. */
static void tick(struct device *d)
{
    const struct mg_frontend *f = wm3m4c_firmware.frontend;
    struct mg_tick t = {.n_ticks = 1,
                        .elapsed_us = 40000,
                        .n_samples = f->rate_mhz / 1000 / 25,
                        .n_crossings = 2};
    t.crossing_span_q8 = t.n_samples / 2 * 256;
    int64_t u = (INT64_C(230000) << (f->bits - 1)) / f->full_scale_mv;
    for (unsigned lane = 0; lane < 3; lane++) {
        t.lane[lane].u2 = u * u * t.n_samples;
    }
    wm3m4c_firmware.tick(d->state, &t);
    serve_chip(d);
}

static void run_device(void *self, uint32_t ms)
{
    struct device *d = self;
    d->left_us += ms * 1000;
    while (d->left_us >= 40000) {
        d->left_us -= 40000;
        tick(d);
    }
}

static void power_on(void)
{
    if (device.state != NULL) {
        memset(device.state, 0, wm3m4c_firmware.state_size);
    }
    wm3m4c_firmware.power_on(device.state, &device.env);
    run_device(&device, 2000);
}

static void free_device(void)
{
    free(device.state);
    free(device.nv);
    device.state = NULL;
    device.nv = NULL;
}

static void new_device(int64_t version, int64_t sign_time_ms)
{
    free_device();
    memset(&device, 0, sizeof device);
    bed_meter_init(&meter);
    device.options = (struct wm3m4c_options){.crypto = 1,
                                             .end_format = 1,
                                             .clock_timeout_min = 1440,
                                             .lcd_row2 = -1,
                                             .firmware_version = version,
                                             .sign_time_ms = sign_time_ms,
                                             .is_locked = 1};
    device.state = calloc(1, wm3m4c_firmware.state_size);
    device.nv = malloc(wm3m4c_firmware.nv_size);
    if (device.state == NULL || device.nv == NULL) {
        abort();
    }
    memset(device.nv, 0xff, wm3m4c_firmware.nv_size);
    memset(device.key, 0x5a, sizeof device.key);
    device.env = (struct mg_fw_env){.options = &device.options,
                                    .nv = device.nv,
                                    .seed = 7,
                                    .serial = 18230001,
                                    .unit = UNIT,
                                    .baud = 115200,
                                    .utc_ms = BED_UTC_MS,
                                    .public_key = device.key};
    meter.host = (struct bed_host){&device, ask, run_device};
    power_on();
}

static int teardown(void **state)
{
    (void)state;
    free_device();
    return 0;
}

static struct mg_session_args *prepare(unsigned op)
{
    bed_run_init(&run, &meter, "session");
    struct mg_session_args *args = (struct mg_session_args *)run.args;
    args->op = (uint8_t)op;
    args->reason = 'R';
    args->offset_min = 60;
    return args;
}

static void session(unsigned op)
{
    (void)prepare(op);
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    bed_assert_done(&run);
}

static int64_t value_of(mg_channel channel)
{
    const struct mg_value *v = bed_value(&run, channel);
    assert_non_null(v);
    return v->value;
}

/* What was handed over is what was signed. */
static void assert_record(void)
{
    assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], device.message_len);
    assert_memory_equal(run.chunks[MG_CHUNK_PAYLOAD], device.message,
                        device.message_len);
    assert_int_equal(run.chunk_len[MG_CHUNK_PUBLIC_KEY], 64);
    assert_memory_equal(run.chunks[MG_CHUNK_PUBLIC_KEY], device.key, 64);
    assert_true(run.chunk_len[MG_CHUNK_SIGNATURE_DER] > 66);
    assert_int_equal(run.chunks[MG_CHUNK_SIGNATURE_DER][0], 0x30);
}

static void assert_in_record(const char *text)
{
    char record[2049] = {0};
    memcpy(record, run.chunks[MG_CHUNK_PAYLOAD],
           run.chunk_len[MG_CHUNK_PAYLOAD]);
    if (strstr(record, text) == NULL) {
        fail_msg("no %s in %s", text, record);
    }
}

static void a_whole_charging(void **state)
{
    (void)state;
    static const struct {
        uint8_t op;
        const char *text;
    } OPS[] = {{MG_SESSION_BEGIN, "\"TX\":\"B\""},
               {MG_SESSION_INTERMEDIATE, "\"TX\":\"C\""},
               {MG_SESSION_TARIFF, "\"TX\":\"T\""},
               {MG_SESSION_SUSPEND, "\"TX\":\"S\""},
               {MG_SESSION_RESUME, "\"TX\":\"C\""},
               {MG_SESSION_FISCAL, "\"PG\":\"F"},
               {MG_SESSION_HOLD, NULL},
               {MG_SESSION_INTERMEDIATE, "\"TX\":\"C\""},
               {MG_SESSION_EXCEPTION, "\"EF\":\"Et\""},
               {MG_SESSION_END, "\"TX\":\"E\""},
               {MG_SESSION_LAST, "\"TX\":\"E\""}};
    new_device(208, 400);
    for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++) {
        session(OPS[i].op);
        if (OPS[i].text != NULL) {
            assert_record();
            assert_in_record(OPS[i].text);
            assert_in_record("\"MS\":\"18230001\"");
        }
    }
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 0);
    session(MG_SESSION_LOOK);
    assert_record();
    assert_int_equal(value_of(MG_CH(CLOCK_STATUS, TOTAL)), 2);
}

static void the_clock_of_the_record(void **state)
{
    (void)state;
    new_device(208, 400);
    session(MG_SESSION_BEGIN);
    /* 1570096309: 2019-10-03T09:51:49Z, an hour more in the zone. */
    assert_in_record("2019-10-03T10:51:");
    assert_in_record("+0100 S");
}

static void power_loss_in_a_charging(void **state)
{
    (void)state;
    new_device(208, 400);
    session(MG_SESSION_BEGIN);
    wm3m4c_firmware.power_fail(device.state);
    power_on();
    session(MG_SESSION_LOOK);
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)),
                     MG_SESSION_AFTER_POWER_LOSS);
    assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
    session(MG_SESSION_RESTORE);
    session(MG_SESSION_END);
    assert_record();
    assert_in_record("\"EF\":\"t\"");
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 0);
}

static void a_reset_in_a_charging(void **state)
{
    (void)state;
    new_device(208, 400);
    session(MG_SESSION_BEGIN);
    assert_int_equal(wm3m4c_firmware.fault(device.state, MG_FW_FAULT_RESET),
                     MG_OK);
    run_device(&device, 2000);
    session(MG_SESSION_LOOK);
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)),
                     MG_SESSION_AFTER_RESET);
    session(MG_SESSION_END);
    assert_in_record("\"EF\":\"E");
}

static void versions_and_ends(void **state)
{
    (void)state;
    static const struct {
        int64_t version, end_format;
        const char *text;
    } CASES[] = {{203, 2, "\"TX\":\"r\""}, {205, 0, "\"TX\":\"r\""},
                 {205, 1, "\"TX\":\"E\""}, {205, 2, "\"TX\":\"R\""},
                 {208, 0, "\"TX\":\"r\""}, {208, 2, "\"TX\":\"R\""}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        new_device(CASES[i].version, 100);
        (void)prepare(MG_SESSION_BEGIN);
        run.options.end_format = CASES[i].end_format;
        (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
        bed_assert_done(&run);
        session(MG_SESSION_END);
        assert_in_record("\"TX\":\"B\"");
        assert_in_record(CASES[i].text);
    }
}

static void base64_signatures(void **state)
{
    (void)state;
    new_device(208, 100);
    (void)prepare(MG_SESSION_BEGIN);
    run.options.signature_format = WM3M4C_BASE64;
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    bed_assert_done(&run);
    assert_int_equal(run.chunk_len[MG_CHUNK_SIGNATURE_DER], 0);
    assert_true(run.chunk_len[MG_CHUNK_SIGNATURE_BASE64] >= 92);
    assert_int_equal(run.chunks[MG_CHUNK_SIGNATURE_BASE64][0], 'M');
}

static void meters_that_cannot_sign(void **state)
{
    (void)state;
    new_device(208, 100);
    device.options.crypto_status = 254;
    (void)prepare(MG_SESSION_BEGIN);
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    bed_assert_failed(&run, MG_E_EXCEPTION, "47052 is 254 (signature error)");
    new_device(208, 100);
    device.options.errors = 1;
    run_device(&device, 61000);
    (void)prepare(MG_SESSION_BEGIN);
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    bed_assert_failed(&run, MG_E_EXCEPTION, "47052 is 129 (checksum error)");
}

/* The same operation, fresh, with trouble at one step. */
static void check_trouble(unsigned op, unsigned at, enum bed_trouble t,
                          int64_t sign_time_ms)
{
    new_device(208, sign_time_ms);
    if (op != MG_SESSION_BEGIN) {
        session(MG_SESSION_BEGIN);
        run_device(&device, 3000);
    }
    unsigned before = device.n_signed;
    (void)prepare(op);
    (void)bed_play(&run, at, t);
    if (device.n_signed - before > 1) {
        fail_msg("operation %u signed %u times, trouble %u at %u", op,
                 device.n_signed - before, t, at);
    }
    if (run.out.action == MG_STEP_DONE) {
        assert_int_equal(device.n_signed - before, 1);
        assert_record();
    } else if (t != BED_SILENCE && t != BED_GARBLED && t != BED_CANCELED) {
        fail_msg("operation %u, trouble %u at %u: %s", op, t, at,
                 run.out.reason);
    }
}

static void check_operation(unsigned op, int64_t sign_time_ms)
{
    check_trouble(op, BED_NOWHERE, BED_NO_TROUBLE, sign_time_ms);
    bed_assert_done(&run);
    unsigned n = run.n_steps;
    for (unsigned at = 1; at < n; at++) {
        for (unsigned t = 1; t < BED_N_TROUBLES; t++) {
            check_trouble(op, at, (enum bed_trouble)t, sign_time_ms);
        }
    }
}

static void trouble_at_every_step(void **state)
{
    (void)state;
    static const uint8_t OPS[] = {MG_SESSION_BEGIN, MG_SESSION_FISCAL,
                                  MG_SESSION_END};
    for (size_t i = 0; i < sizeof OPS; i++) {
        check_operation(OPS[i], 0);
        check_operation(OPS[i], 400);
    }
}

static void the_adjustment(void **state)
{
    (void)state;
    new_device(208, 100);
    session(MG_SESSION_BEGIN);
    prepare(MG_SESSION_ADJUST)->adjust_s = -3;
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    bed_assert_done(&run);
    /* One a charging: the second is refused. */
    prepare(MG_SESSION_ADJUST)->adjust_s = 1;
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    bed_assert_failed(&run, MG_E_EXCEPTION, "register 47074 was written");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_whole_charging, teardown),
        cmocka_unit_test_teardown(the_clock_of_the_record, teardown),
        cmocka_unit_test_teardown(power_loss_in_a_charging, teardown),
        cmocka_unit_test_teardown(a_reset_in_a_charging, teardown),
        cmocka_unit_test_teardown(versions_and_ends, teardown),
        cmocka_unit_test_teardown(base64_signatures, teardown),
        cmocka_unit_test_teardown(meters_that_cannot_sign, teardown),
        cmocka_unit_test_teardown(trouble_at_every_step, teardown),
        cmocka_unit_test_teardown(the_adjustment, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
