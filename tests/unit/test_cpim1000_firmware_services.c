/* The simulated CPIM1000's messages and memory: identity, relay, shunt trip,
 * update under seal, secure boot; no message writes an energy, and no power cut
 * loses one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpim1000_meter.h"
#include "crypto/deterministic.h"
#include "crypto/encode.h"
#include "crypto/verify.h"
#include "metergate/bytes.h"

#include "../../plugins/cpim1000/firmware.h"

#define FW           cpim1000_firmware
#define IN_PHASE     ((struct angle){1000, 0})
#define IDENTITY_LEN 125
#define IMAGE_LEN    1000
#define HEAD_LEN     36
#define IN_SEAL      0

static int64_t pulses(const struct meter *m, unsigned side)
{
    return meter_of(m, side, "Impulses.Pulses");
}

/* ---- Identity ---- */

static void identify(struct meter *m, unsigned side, uint8_t ret[IDENTITY_LEN])
{
    uint8_t answer[MG_PDU_MAX];
    assert_int_equal(meter_ask(m, side, (const uint8_t *)"\x10", 1, answer),
                     IDENTITY_LEN);
    memcpy(ret, answer, IDENTITY_LEN);
}

static void test_identity(void **state)
{
    (void)state;
    struct meter m;
    uint8_t id[IDENTITY_LEN], hash[32];
    meter_new(&m);
    identify(&m, LEFT, id);
    assert_memory_equal(id, "\x50\x01\x09\x01", 4);
    assert_memory_equal(id + 4, "260800012345\0\0\0\0", 16);
    assert_memory_equal(id + 20, "CPIM1000-3\0\0\0\0\0\0", 16);
    assert_int_equal(id[36], 3);
    assert_memory_equal(id + 37, "2.3.1\0\0\0\0\0\0\0", 12);
    /* Of a factory image that everybody can check. */
    mg_sha256("MGCPIM01"
              "1.0.0\0\0\0\0\0\0\0"
              "2.3.1\0\0\0\0\0\0\0"
              "\0\0\0\x0c"
              "CPIM1000 LRSCPIM1000",
              56, hash);
    assert_memory_equal(id + 49, hash, 32);
    assert_memory_equal(id + 81, "1.0.0\0\0\0\0\0\0\0", 12);
    mg_sha256("CPIM1000 LRS", 12, hash);
    assert_memory_equal(id + 93, hash, 32);
    identify(&m, RIGHT, id);
    assert_int_equal(id[3], 0);
    m.options.phases = CPIM1000_ONE_PHASE;
    meter_power_cycle(&m);
    identify(&m, RIGHT, id);
    assert_memory_equal(id + 20, "CPIM1000-1\0\0\0\0\0\0", 16);
    assert_int_equal(id[36], 1);
}

/* ---- Relay, shunt trip ---- */

static void test_relays_of_sides(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_do(&m, RIGHT, 0x13, "\0", 1), 0);
    assert_false(meter_is_connected(&m, RIGHT));
    assert_true(meter_is_connected(&m, LEFT));
    assert_int_equal(meter_of(&m, RIGHT, "Status.RelayClosed"), 0);
    assert_int_equal(meter_of(&m, LEFT, "Status.RelayClosed"), 1);
    assert_int_equal(meter_do(&m, RIGHT, 0x13, "\1", 1), 0);
    assert_true(meter_is_connected(&m, RIGHT));
    assert_int_equal(meter_do(&m, RIGHT, 0x13, "\2", 1), 4);
    assert_int_equal(meter_do(&m, RIGHT, 0x13, "\1\1", 2), 2);
}

static void test_shunt_trip(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, LEFT, 10000, IN_PHASE);
    meter_load(&m, RIGHT, 10000, IN_PHASE);
    meter_run_s(&m, 30);
    int64_t left = pulses(&m, LEFT);
    assert_int_equal(meter_do(&m, LEFT, 0x14, "TRIX", 4), 4);
    assert_int_equal(meter_do(&m, LEFT, 0x14, "TRIP", 4), 0);
    meter_run_s(&m, 30);
    assert_int_equal(pulses(&m, LEFT), left);
    assert_false(meter_is_connected(&m, LEFT));
    assert_true((meter_flags(&m, LEFT) & 1U << 22) != 0);
    assert_true((meter_flags(&m, RIGHT) & 1U << 22) == 0);
    assert_int_equal(pulses(&m, RIGHT), m.now_us * 6900 / 180 / 1000000);
    /* The right one takes the unit's own supply. */
    assert_int_equal(meter_do(&m, RIGHT, 0x14, "TRIP", 4), 0);
    meter_run_s(&m, 1);
    assert_true(meter_is_dark(&m));
    meter_power_cycle(&m);
    meter_run_s(&m, 1);
    assert_true(pulses(&m, LEFT) > left);
}

/* ---- Update ---- */

static void make_image(uint8_t image[IMAGE_LEN])
{
    for (unsigned k = 0; k < IMAGE_LEN; k++) {
        image[k] = (uint8_t)(k * 7);
    }
    memcpy(image, "MGCPIM011.1.0\0\0\0\0\0\0\0003.0.0\0\0\0\0\0\0\0", 32);
    memcpy(image + 32, "\0\0\1\0", 4); /* 256 bytes of it */
}

static int begin(struct meter *m, const uint8_t *image, uint32_t len)
{
    uint8_t data[36];
    struct mg_wr w = mg_wr_init(data, sizeof data);
    mg_put_be32(&w, len);
    mg_sha256(image, len, data + 4);
    return meter_do(m, LEFT, 0x20, data, sizeof data);
}

static int give(struct meter *m, const uint8_t *image, uint32_t len)
{
    uint8_t data[4 + 240];
    for (uint32_t at = 0; at < len; at += 240) {
        struct mg_wr w = mg_wr_init(data, sizeof data);
        mg_put_be32(&w, at);
        mg_put_bytes(&w, image + at, len - at < 240 ? len - at : 240);
        int refusal = meter_do(m, LEFT, 0x21, data, w.len);
        if (refusal != 0) {
            return refusal;
        }
    }
    return 0;
}

static int finish(struct meter *m, const struct mg_sim_key *key,
                  const uint8_t *image, uint32_t len)
{
    uint8_t signature[64];
    assert_int_equal(mg_sim_key_sign(key, image, len, signature), MG_OK);
    return meter_do(m, LEFT, 0x22, signature, sizeof signature);
}

/* A unit with the seal off and a manufacturer's key. */
static struct mg_sim_key *open_unit(struct meter *m)
{
    struct mg_sim_key *key = mg_sim_key_create(5, 1);
    assert_non_null(key);
    meter_blank(m);
    mg_hex_write(mg_sim_key_public(key), 64, false, m->options.update_key);
    m->options.has_seal = 0;
    meter_start(m);
    return key;
}

static void test_update(void **state)
{
    (void)state;
    struct meter m;
    uint8_t image[IMAGE_LEN], id[IDENTITY_LEN], hash[32];
    struct mg_sim_key *key = open_unit(&m);
    make_image(image);
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_run_s(&m, 30);
    int64_t before = pulses(&m, LEFT);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
    assert_int_equal(give(&m, image, IMAGE_LEN), 0);
    assert_int_equal(finish(&m, key, image, IMAGE_LEN), 0);
    assert_int_equal(meter_signal(&m, "UnitState.Boots"), 2);
    for (unsigned n = 0; n < 2; n++) {
        identify(&m, RIGHT, id);
        assert_memory_equal(id + 37, "3.0.0\0\0\0\0\0\0\0", 12);
        mg_sha256(image, IMAGE_LEN, hash);
        assert_memory_equal(id + 49, hash, 32);
        assert_memory_equal(id + 81, "1.1.0\0\0\0\0\0\0\0", 12);
        mg_sha256(image + HEAD_LEN, 256, hash);
        assert_memory_equal(id + 93, hash, 32);
        assert_int_equal(pulses(&m, LEFT), before);
        meter_power_cycle(&m);
    }
    mg_sim_key_destroy(key);
}

/* The seal alone decides, at each step; and the signature besides. */
static void test_update_under_seal(void **state)
{
    (void)state;
    struct meter m;
    uint8_t image[IMAGE_LEN], id[IDENTITY_LEN];
    struct mg_sim_key *key = open_unit(&m);
    make_image(image);
    assert_int_equal(FW.set_input(m.state, IN_SEAL, true), MG_OK);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 8);
    assert_int_equal(FW.set_input(m.state, IN_SEAL, false), MG_OK);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
    assert_int_equal(FW.set_input(m.state, IN_SEAL, true), MG_OK);
    assert_int_equal(give(&m, image, IMAGE_LEN), 8);
    assert_int_equal(FW.set_input(m.state, IN_SEAL, false), MG_OK);
    assert_int_equal(give(&m, image, IMAGE_LEN), 0);
    assert_int_equal(FW.set_input(m.state, IN_SEAL, true), MG_OK);
    assert_int_equal(finish(&m, key, image, IMAGE_LEN), 8);
    meter_power_cycle(&m);
    identify(&m, RIGHT, id);
    assert_memory_equal(id + 37, "2.3.1\0", 6);
    mg_sim_key_destroy(key);
}

static void test_update_refused(void **state)
{
    (void)state;
    struct meter m;
    uint8_t image[IMAGE_LEN], id[IDENTITY_LEN];
    struct mg_sim_key *key = open_unit(&m);
    struct mg_sim_key *other = mg_sim_key_create(6, 1);
    static const unsigned heads[] = {0, 8, 20, 32};
    assert_non_null(other);
    make_image(image);
    assert_int_equal(begin(&m, image, 36), 4);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 3);
    assert_int_equal(finish(&m, key, image, IMAGE_LEN), 3);
    assert_int_equal(give(&m, image, IMAGE_LEN), 0);
    assert_int_equal(finish(&m, other, image, IMAGE_LEN), 5);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
    image[500] ^= 1;
    assert_int_equal(give(&m, image, IMAGE_LEN), 0);
    assert_int_equal(finish(&m, key, image, IMAGE_LEN), 6);
    for (unsigned k = 0; k < 4; k++) {
        make_image(image);
        image[heads[k]] = 0xff;
        assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
        assert_int_equal(give(&m, image, IMAGE_LEN), 0);
        assert_int_equal(finish(&m, key, image, IMAGE_LEN), 4);
    }
    identify(&m, RIGHT, id);
    assert_memory_equal(id + 37, "2.3.1\0", 6);
    m.options.update_key[0] = '\0';
    make_image(image);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
    assert_int_equal(give(&m, image, IMAGE_LEN), 0);
    assert_int_equal(finish(&m, key, image, IMAGE_LEN), 5);
    mg_sim_key_destroy(key);
    mg_sim_key_destroy(other);
}

/* Guide: a bad code image in flash keeps it in the boot loader. */
static void test_secure_boot(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_display shown;
    uint8_t image[IMAGE_LEN];
    struct mg_sim_key *key = open_unit(&m);
    make_image(image);
    assert_int_equal(begin(&m, image, IMAGE_LEN), 0);
    assert_int_equal(give(&m, image, IMAGE_LEN), 0);
    assert_int_equal(finish(&m, key, image, IMAGE_LEN), 0);
    meter_power_cycle(&m);
    assert_true(meter_is_connected(&m, LEFT));
    m.nv[1024 + 900] ^= 1; /* the bank's */
    meter_power_cycle(&m);
    FW.display(m.state, &shown);
    assert_string_equal(shown.row, "-CHARGEPOIN+");
    assert_false(meter_is_connected(&m, LEFT));
    m.nv[1024 + 900] ^= 1;
    meter_power_cycle(&m);
    assert_true(meter_is_connected(&m, LEFT));
    m.options.update_key[5] = m.options.update_key[5] == '0' ? '1' : '0';
    meter_power_cycle(&m);
    assert_true(meter_is_dark(&m));
    mg_sim_key_destroy(key);
}

/* ---- No energy by any message ---- */

static void test_no_message_writes_energy(void **state)
{
    (void)state;
    struct meter m;
    uint8_t answer[MG_PDU_MAX];
    uint64_t seed = 3;
    struct mg_sim_key *key = open_unit(&m);
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_load(&m, RIGHT, 5000, IN_PHASE);
    meter_run_s(&m, 60);
    int64_t left = pulses(&m, LEFT);
    int64_t right = pulses(&m, RIGHT);
    for (unsigned n = 0; n < 100000; n++) {
        uint8_t message[MG_PDU_MAX];
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        size_t len = 1 + (seed >> 40) % (n % 8 == 0 ? MG_PDU_MAX : 48);
        for (size_t k = 0; k < len; k++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            message[k] = (uint8_t)(seed >> 56);
        }
        message[0] = (uint8_t)(0x10 + message[0] % 0x18);
        (void)meter_ask(&m, n % 3, message, len, answer);
    }
    assert_int_equal(pulses(&m, LEFT), left);
    assert_int_equal(pulses(&m, RIGHT), right);
    mg_sim_key_destroy(key);
}

static void test_not_for_a_side(void **state)
{
    (void)state;
    struct meter m;
    uint8_t answer[MG_PDU_MAX];
    meter_new(&m);
    assert_int_equal(meter_ask(&m, 2, (const uint8_t *)"\x10", 1, answer), 0);
    assert_int_equal(meter_ask(&m, RIGHT, (const uint8_t *)"", 0, answer), 0);
    assert_int_equal(meter_do(&m, RIGHT, 0x11, NULL, 0), 1);
    assert_int_equal(meter_do(&m, RIGHT, 0x10, "x", 1), 2);
}

/* ---- Memory ---- */

static void test_power_cuts_lose_nothing(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    meter_new(&m);
    meter_load(&m, LEFT, 9000, (struct angle){800, 600});
    meter_load(&m, RIGHT, 31000, IN_PHASE);
    for (unsigned n = 1; n <= 500; n++) {
        meter_ticks(&m, 17);
        if (n % 3 == 0) { /* with a copy that is damaged then */
            meter_fault(&m, MG_FW_FAULT_NV_SLOT);
        }
        meter_power_cycle(&m);
        assert_int_equal(meter_signal(&m, "UnitState.Boots"), n + 1);
    }
    /* 4968 W and 21390 W, in whole ticks. */
    assert_int_equal(pulses(&m, LEFT), m.now_us * 4968 / 180 / 1000000);
    assert_int_equal(pulses(&m, RIGHT), m.now_us * 21390 / 180 / 1000000);
    FW.outputs(m.state, &out);
    assert_int_equal(out.circuit[0].n_pulses, 0); /* since power-on */
    assert_int_equal(meter_flags(&m, LEFT) & 0xffff, 0);
}

static void test_reset_loses_little(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_run_s(&m, 100);
    int64_t before = pulses(&m, LEFT);
    meter_fault(&m, MG_FW_FAULT_RESET);
    assert_in_range(before - pulses(&m, LEFT), 0, 200);
    assert_true(meter_is_connected(&m, LEFT));
}

static void test_all_copies_lost(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_run_s(&m, 100);
    meter_fault(&m, MG_FW_FAULT_NV_ALL);
    meter_power_cycle(&m);
    assert_int_equal(pulses(&m, LEFT), 0);
    assert_int_equal(meter_flags(&m, RIGHT) & 0xffff, 1);
    meter_run_s(&m, 1); /* it changes nothing else */
    assert_true(pulses(&m, LEFT) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_relays_of_sides),
        cmocka_unit_test(test_shunt_trip),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_update_under_seal),
        cmocka_unit_test(test_update_refused),
        cmocka_unit_test(test_secure_boot),
        cmocka_unit_test(test_no_message_writes_energy),
        cmocka_unit_test(test_not_for_a_side),
        cmocka_unit_test(test_power_cuts_lose_nothing),
        cmocka_unit_test(test_reset_loses_little),
        cmocka_unit_test(test_all_copies_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
