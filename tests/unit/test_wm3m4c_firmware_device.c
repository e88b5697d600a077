/* The simulated WM3M4C in the simulation's world: accuracy on the sampled front
 * end (WM3M4 manual V1.07, 6.3), signatures by its own key, optical port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/verify.h"
#include "sim/fleet.h"
#include "wire/crc16.h"
#include "wm3m4c_meter.h"

#include "../../plugins/wm3m4c/firmware.h"

#define UNIT 33
#define MS   UINT64_C(1000000)
#define HOUR (3600000 * MS)

static const struct mg_plugin plugin = {.firmware = &wm3m4c_firmware,
                                        .capabilities = MG_CAP_SIGNS,
                                        .options_size =
                                            sizeof(struct wm3m4c_options)};

static struct mg_sim_device *create(const struct mg_sim_load *load,
                                    uint64_t seed)
{
    struct wm3m4c_options options = {.crypto = 1,
                                     .firmware_version = 208,
                                     .sign_time_ms = 400,
                                     .is_locked = 1};
    struct mg_sim_profile profile = {.is_fixed = true, .fixed = *load};
    struct mg_sim_device *d = mg_sim_device_create(
        &plugin, &options, &profile, seed, 18230001, UNIT, 115200, 0);
    assert_non_null(d);
    return d;
}

static const struct mg_sim_load charging = {230000, 16000, 50000, 0};

static size_t ask(struct mg_sim_device *d, uint8_t function, unsigned address,
                  unsigned value, uint8_t ret[MG_PDU_MAX])
{
    uint8_t request[5] = {function, (uint8_t)(address >> 8), (uint8_t)address,
                          (uint8_t)(value >> 8), (uint8_t)value};
    return mg_sim_device_pdu(d, UNIT, request, sizeof request, ret);
}

static uint32_t read_wide(struct mg_sim_device *d, uint8_t function,
                          unsigned address)
{
    uint8_t a[MG_PDU_MAX];
    assert_int_equal(ask(d, function, address, 2, a), 6);
    return (uint32_t)a[2] << 24 | (uint32_t)a[3] << 16 | (uint32_t)a[4] << 8 |
           a[5];
}

static unsigned read_word(struct mg_sim_device *d, unsigned address)
{
    uint8_t a[MG_PDU_MAX];
    assert_int_equal(ask(d, 3, address, 1, a), 4);
    return (unsigned)a[2] << 8 | a[3];
}

static void read_bytes(struct mg_sim_device *d, unsigned address, size_t len,
                       uint8_t *ret)
{
    for (size_t k = 0; k < len; k += 2) {
        unsigned word = read_word(d, address + (unsigned)k / 2);
        ret[k] = (uint8_t)(word >> 8);
        if (k + 1 < len) {
            ret[k + 1] = (uint8_t)word;
        }
    }
}

static void write_word(struct mg_sim_device *d, unsigned address, unsigned word)
{
    uint8_t a[MG_PDU_MAX];
    assert_int_equal(ask(d, 6, address, word, a), 5);
}

/* T5 or T6 in 1e-3. */
static int64_t milli(uint32_t bits, bool is_signed)
{
    int64_t value = bits & 0xffffff;
    if (is_signed && value >= 0x800000) {
        value -= 0x1000000;
    }
    /* The decade is always negative here. */
    for (int exponent = (int)(bits >> 24) - 256; exponent > -3; exponent--) {
        value *= 10;
    }
    return value;
}

static void assert_within(int64_t is, int64_t want, int64_t limit)
{
    if (llabs(is - want) > limit) {
        fail_msg("is %lld, want %lld +- %lld", (long long)is, (long long)want,
                 (long long)limit);
    }
}

/* ---- Accuracy ---- */

/* Active energy of class B: 1.5 % from Imin, 1 % from Itr on; here a third of
 * it, over an hour. */
static void check_energy(int64_t u_mv, int64_t i_ma, int64_t f_mhz,
                         int32_t cdeg)
{
    struct mg_sim_load load = {u_mv, i_ma, f_mhz, cdeg};
    struct mg_sim_device *d = create(&load, 5);
    mg_sim_device_run(d, HOUR);
    bool is_export = cdeg > 9000;
    int64_t truth = mg_sim_device_true_energy_mwh(d);
    int64_t wh = read_wide(d, 4, is_export ? 420 : 418);
    assert_int_equal(read_wide(d, 4, is_export ? 418 : 420), 0);
    int64_t limit = (i_ma < 500 ? 5 : 3) * llabs(truth) / 1000 + 1000;
    assert_within(wh * 1000, llabs(truth), limit);
    mg_sim_device_destroy(d);
}

static void test_energy_accuracy(void **state)
{
    (void)state;
    static const int64_t currents[] = {20, 250, 500, 5000, 40000};
    for (size_t k = 0; k < 5; k++) {
        check_energy(230000, currents[k], 50000, 0);
    }
    check_energy(230000, 5000, 50000, 6000);  /* 0.5 inductive */
    check_energy(230000, 5000, 50000, -3687); /* 0.8 capacitive */
    check_energy(184000, 5000, 50000, 0);     /* - 20 % */
    check_energy(264500, 5000, 60000, 0);     /* + 15 % */
    check_energy(230000, 5000, 50000, 18000); /* export */
}

/* Manual 6.3: U 1 %, I 1 %, P 1 %, Q and S 2 %, f 0.5 %; a third of that. */
static void test_value_accuracy(void **state)
{
    (void)state;
    static const int64_t currents[] = {20, 5000, 40000};
    for (size_t k = 0; k < 3; k++) {
        struct mg_sim_load load = {230000, currents[k], 49950, 3000};
        struct mg_sim_device *d = create(&load, 5);
        int64_t s = 230 * currents[k];
        int64_t top = currents[k] > 5000 ? s : 1150000;
        mg_sim_device_run(d, 3000 * MS);
        for (unsigned phase = 0; phase < 3; phase++) {
            assert_within(milli(read_wide(d, 4, 107 + 2 * phase), false),
                          230000, 766);
            assert_within(milli(read_wide(d, 4, 126 + 2 * phase), false),
                          currents[k], top / 230 / 300);
            assert_within(milli(read_wide(d, 4, 142 + 2 * phase), true),
                          s * 866025 / 1000000, top / 300);
            assert_within(milli(read_wide(d, 4, 150 + 2 * phase), true), s / 2,
                          top / 150);
            assert_within(milli(read_wide(d, 4, 158 + 2 * phase), false), s,
                          top / 150);
        }
        assert_within(milli(read_wide(d, 4, 105), false), 49950, 20);
        mg_sim_device_destroy(d);
    }
}

/* Standard no-load test: 1.15 Un, open circuit, 15.1 minutes. */
static void test_no_load(void **state)
{
    (void)state;
    struct mg_sim_load load = {264500, 0, 50000, 0};
    struct mg_sim_device *d = create(&load, 5);
    struct mg_fw_outputs out;
    mg_sim_device_run(d, HOUR);
    mg_sim_device_outputs(d, &out);
    assert_int_equal(out.circuit[0].n_pulses, 0);
    assert_int_equal(read_wide(d, 4, 140) & 0xffffff, 0);
    mg_sim_device_destroy(d);
}

/* ---- Signatures ---- */

static uint64_t command(struct mg_sim_device *d, uint64_t now_ns, char letter)
{
    write_word(d, 7051, (unsigned)letter << 8);
    assert_int_equal(read_word(d, 7052), 2);
    mg_sim_device_run(d, now_ns + 1000 * MS);
    assert_int_equal(read_word(d, 7052), 15);
    return now_ns + 1000 * MS;
}

static void prepare(struct mg_sim_device *d)
{
    const char *text = DATASET;
    size_t len = strlen(text);
    write_word(d, 7054, UTC_2022_11_11 >> 16);
    write_word(d, 7055, UTC_2022_11_11 & 0xffff);
    for (size_t k = 0; k < len; k += 2) {
        write_word(d, 7100 + (unsigned)k / 2,
                   (unsigned)(uint8_t)text[k] << 8 | (uint8_t)text[k + 1]);
    }
    write_word(d, 7056, (unsigned)len);
}

struct record {
    uint8_t key[65], der[256], text[1024];
    size_t der_len, text_len;
};

static void read_record(struct mg_sim_device *d, struct record *r)
{
    memset(r, 0, sizeof *r);
    r->key[0] = 4;
    read_bytes(d, 8124, 64, r->key + 1);
    r->text_len = read_word(d, 7057);
    r->der_len = read_word(d, 7058);
    read_bytes(d, 7612, r->text_len, r->text);
    read_bytes(d, 8188, r->der_len, r->der);
}

static void assert_verifies(const struct record *r)
{
    struct mg_public_key *key;
    struct mg_err err;
    unsigned lenient;
    assert_int_equal(mg_public_key_parse((const char *)r->key, 65,
                                         MG_CURVE_SECP256R1, &key, &lenient,
                                         &err),
                     MG_OK);
    assert_int_equal(mg_verify(key, r->text, r->text_len, r->der, r->der_len),
                     MG_OK);
    assert_int_equal(
        mg_verify(key, r->text, r->text_len - 1, r->der, r->der_len),
        MG_E_MISMATCH);
    mg_public_key_destroy(key);
}

static void charge(struct mg_sim_device *d, struct record *ret)
{
    uint64_t now = 2000 * MS;
    mg_sim_device_run(d, now);
    prepare(d);
    now = command(d, now, 'B');
    read_record(d, ret);
    assert_verifies(ret);
    mg_sim_device_run(d, now += HOUR);
    (void)command(d, now, 'r');
    read_record(d, ret);
    assert_verifies(ret);
}

static void test_signed_by_its_key(void **state)
{
    (void)state;
    static struct record first, again, other;
    struct mg_sim_device *d = create(&charging, 5);
    charge(d, &first);
    mg_sim_device_destroy(d);
    d = create(&charging, 5); /* the same seed: the same bytes */
    charge(d, &again);
    mg_sim_device_destroy(d);
    assert_memory_equal(&first, &again, sizeof first);
    d = create(&charging, 6);
    charge(d, &other);
    mg_sim_device_destroy(d);
    assert_memory_not_equal(first.key, other.key, sizeof first.key);
}

/* Power gone in the middle of a charge: state, begin and counters are kept. */
static void test_power_loss(void **state)
{
    (void)state;
    static struct record r;
    struct mg_sim_device *d = create(&charging, 5);
    mg_sim_device_run(d, 2000 * MS);
    prepare(d);
    uint64_t now = command(d, 2000 * MS, 'B');
    mg_sim_device_run(d, now + HOUR);
    uint32_t wh = read_wide(d, 4, 418);
    mg_sim_device_power_cycle(d, 60000);
    now = mg_sim_device_now_ns(d);
    assert_int_equal(read_word(d, 7000), 2);
    assert_int_equal(read_wide(d, 4, 418), wh);
    prepare(d);
    (void)command(d, now, 'r');
    read_record(d, &r);
    assert_verifies(&r);
    assert_non_null(strstr((char *)r.text, "\"EF\":\"t\""));
    mg_sim_device_destroy(d);
}

/* ---- Optical port (manual 6.7) ---- */

static void test_optical_port(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&charging, 5);
    uint8_t a[MG_PDU_MAX];
    const uint8_t read[5] = {4, 0, 107, 0, 2};
    const uint8_t led[5] = {6, 9005 >> 8, 9005 & 0xff, 0, 1};
    struct mg_fw_outputs before;
    struct mg_fw_outputs after;
    mg_sim_device_run(d, 2000 * MS);
    assert_int_equal(mg_sim_device_optical_pdu(d, 33, read, 5, a), 6);
    assert_int_equal(mg_sim_device_optical_pdu(d, 34, read, 5, a), 0);
    /* The LED is switched to reactive energy over it, and over it only. */
    assert_int_equal(mg_sim_device_pdu(d, UNIT, led, 5, a), 2);
    assert_int_equal(mg_sim_device_optical_pdu(d, 33, led, 5, a), 5);
    assert_int_equal(read_word(d, 9005), 1);
    mg_sim_device_outputs(d, &before);
    mg_sim_device_run(d, HOUR / 6);
    mg_sim_device_outputs(d, &after);
    assert_true(after.circuit[0].n_pulses - before.circuit[0].n_pulses <
                5); /* 1.8 kWh active */
    mg_sim_device_destroy(d);
}

struct inbox {
    uint8_t data[64];
    size_t len;
};

static void ignore(void *ctx)
{
    (void)ctx;
}

static void received(void *ctx, const uint8_t *data, size_t len)
{
    struct inbox *in = ctx;
    assert_true(in->len + len <= sizeof in->data);
    memcpy(in->data + in->len, data, len);
    in->len += len;
}

static const struct mg_transport_events events = {.opened = ignore,
                                                  .received = received};

static void advance(struct mg_clock *clock, uint64_t ns)
{
    mg_clock_advance(clock, mg_clock_now_ns(clock) + ns);
}

/* U1 through a line. @return bytes of the answer */
static size_t ask_line(struct mg_clock *clock, struct mg_transport *t,
                       struct inbox *in, uint8_t unit)
{
    struct mg_err err;
    uint8_t frame[8] = {unit, 4, 0, 107, 0, 2};
    uint16_t crc = mg_crc16(frame, 6);
    frame[6] = (uint8_t)crc;
    frame[7] = (uint8_t)(crc >> 8);
    in->len = 0;
    assert_int_equal(t->ops->send(t, frame, sizeof frame, &err), MG_OK);
    advance(clock, 1000 * MS);
    return in->len;
}

/* Both ports of one meter, each on a line of its own. */
static void test_optical_line(void **state)
{
    (void)state;
    struct mg_err err;
    struct inbox in[2] = {{.len = 0}, {.len = 0}};
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct mg_sim_line_settings set = {.framing = MG_SIM_RTU_PTY,
                                       .serial = {115200, 'N', 1},
                                       .is_paced = true};
    struct mg_sim_line *lines[2];
    struct mg_transport *near[2];
    lines[0] = mg_sim_line_create(NULL, clock, &set, &err);
    assert_int_equal(mg_sim_line_add(lines[0], create(&charging, 5)), MG_OK);
    advance(clock, 3210 * MS);
    set.serial.baud = 19200;
    lines[1] = mg_sim_line_create(NULL, clock, &set, &err);
    assert_int_equal(mg_sim_line_add_optical(lines[1], lines[0]), MG_OK);
    for (unsigned k = 0; k < 2; k++) {
        near[k] = mg_sim_line_memory(lines[k]);
        near[k]->events = &events;
        near[k]->ctx = &in[k];
        assert_int_equal(near[k]->ops->open(near[k], &err), MG_OK);
    }
    advance(clock, 1);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(ask_line(clock, near[k], &in[k], 33), 9);
        }
    }
    assert_memory_equal(in[0].data, in[1].data, 5);
    assert_int_equal(ask_line(clock, near[1], &in[1], 34), 0);
    for (unsigned k = 2; k-- > 0;) {
        near[k]->ops->destroy(near[k]);
        mg_sim_line_destroy(lines[k]);
    }
    mg_clock_destroy(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_energy_accuracy),
        cmocka_unit_test(test_value_accuracy),
        cmocka_unit_test(test_no_load),
        cmocka_unit_test(test_signed_by_its_key),
        cmocka_unit_test(test_power_loss),
        cmocka_unit_test(test_optical_port),
        cmocka_unit_test(test_optical_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
