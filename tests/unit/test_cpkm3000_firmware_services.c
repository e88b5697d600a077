/* The simulated CPKM3000's messages: identity, signed telegrams, seal, relay,
 * update; and that none of them ever writes an energy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpkm3000_meter.h"
#include "crypto/deterministic.h"
#include "crypto/encode.h"
#include "crypto/verify.h"

#include "../../plugins/cpkm3000/firmware.h"

#define FW cpkm3000_firmware

#define IDENTITY_LEN 189
#define SEALED_AT    156

static const struct angle in_phase = {1000, 0};

/* ---- Identity ---- */

static void identify(struct meter *m, uint8_t ret[IDENTITY_LEN])
{
    uint8_t answer[MG_PDU_MAX];
    assert_int_equal(meter_ask(m, (const uint8_t *)"\x10", 1, answer),
                     IDENTITY_LEN);
    memcpy(ret, answer, IDENTITY_LEN);
}

static void test_identity(void **state)
{
    (void)state;
    struct meter m;
    uint8_t id[IDENTITY_LEN], hash[32];
    meter_blank(&m);
    for (unsigned k = 0; k < 64; k++) {
        m.public_key[k] = (uint8_t)(k + 1);
    }
    meter_start(&m);
    identify(&m, id);
    assert_memory_equal(id, "\x50\x01\x07", 3);
    assert_memory_equal(id + 3, "251300012345\0\0\0\0", 16);
    assert_memory_equal(id + 19, "31-002700-04-01\0", 16);
    assert_int_equal(id[35], 3);
    assert_memory_equal(id + 36, "1.4.2\0\0\0\0\0\0\0", 12);
    /* Of a factory image that everybody can check. */
    assert_memory_equal(id + 48, "1.0.0\0\0\0\0\0\0\0", 12);
    mg_sha256("MGCPKM011.0.0\0\0\0\0\0\0\0CPKM3000", 28, hash);
    assert_memory_equal(id + 60, hash, 32);
    assert_memory_equal(id + 92, m.public_key, 64);
    uint8_t unsealed[33] = {0};
    assert_memory_equal(id + 156, unsealed, 33);
    m.options.variant = CPKM3000_ONE_PHASE;
    meter_power_cycle(&m);
    identify(&m, id);
    assert_memory_equal(id + 19, "31-002700-01-01\0", 16);
    assert_int_equal(id[35], 1);
}

/* ---- Telegrams ---- */

/* The bytes of the first one of this key, pinned: magic, version, node, serial,
 * start, counter, uptime, POS, NEG, status, LRS hash, challenge, r, s. */
static void test_golden_telegram(void **state)
{
    (void)state;
    static const char want[] =
        "43504b4d"
        "01"
        "07"
        "32353133303030313233343500000000"
        "00000001"
        "0000000000000001"
        "00000000000003e8"
        "000000000000003d"
        "0000000000000000"
        "00090000"
        "8fa97ed6cc55345890cb9209e3be07da6445a16f00e6c0a8f8c22c104552d743"
        "00000000000000000000000000000000"
        "37b38c5b3e916a02017492353db9861add3a4de6846afd0b9374af816e186b59"
        "d3880030f9b62c533cf83a00e5f932d7aa8788ffcb5dfddf593f46f3e10bdfa3";
    struct meter m;
    char hex[2 * TELEGRAM_LEN + 1];
    meter_blank(&m);
    meter_give_key(&m, 7);
    meter_start(&m);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 1);
    mg_hex_write(m.last, TELEGRAM_LEN, false, hex);
    assert_string_equal(hex, want);
    meter_drop_key(&m);
}

static void test_telegram_each_second(void **state)
{
    (void)state;
    static const uint8_t none[CHALLENGE_LEN] = {0};
    struct meter m;
    meter_blank(&m);
    meter_give_key(&m, 7);
    meter_start(&m);
    meter_load(&m, 32000, in_phase);
    for (unsigned k = 1; k <= 20; k++) {
        meter_run_s(&m, 1);
        assert_int_equal(m.n_telegrams, k);
        assert_true(meter_verifies(&m));
        assert_int_equal(m.telegram.counter, k);
        assert_int_equal(m.telegram.uptime_ms, 1000 * k);
        assert_int_equal(m.telegram.version, 1);
        assert_int_equal(m.telegram.node, METER_NODE);
        assert_string_equal(m.telegram.serial, "251300012345");
        assert_int_equal(m.telegram.status, 0x00090000);
        /* 22080 Ws a second, in 0.1 Wh. */
        assert_in_range(m.telegram.pos, 22080 * k / 360 - 1, 22080 * k / 360);
        assert_int_equal(m.telegram.neg, 0);
        assert_memory_equal(m.telegram.challenge, none, sizeof none);
    }
    meter_drop_key(&m);
}

static void test_challenge(void **state)
{
    (void)state;
    uint8_t challenge[CHALLENGE_LEN] = "one's challenge";
    uint8_t other[CHALLENGE_LEN] = "and another one";
    struct meter m;
    meter_blank(&m);
    meter_give_key(&m, 7);
    meter_start(&m);
    meter_run_ms(&m, 400);
    assert_int_equal(meter_do(&m, 0x11, challenge, 16), 0);
    assert_int_equal(m.n_telegrams, 1); /* at once */
    assert_memory_equal(m.telegram.challenge, challenge, 16);
    assert_true(meter_verifies(&m));
    /* The chip is busy with the cyclic one: the latest waits, and is next. */
    m.is_chip_silent = true;
    meter_run_ms(&m, 1000);
    assert_int_equal(meter_do(&m, 0x11, challenge, 16), 0);
    assert_int_equal(meter_do(&m, 0x11, other, 16), 0);
    m.is_chip_silent = false;
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(m.telegram.challenge[0], 0);
    meter_run_ms(&m, TICK_MS);
    assert_memory_equal(m.telegram.challenge, other, 16);
    assert_int_equal(m.telegram.counter, 3);
    assert_int_equal(m.n_telegrams, 3);
    /* So it is before a cyclic one that is due already. */
    m.is_chip_silent = true;
    meter_run_ms(&m, 600); /* t = 2080: the cyclic one of 2000 is running */
    assert_int_equal(meter_do(&m, 0x11, challenge, 16), 0);
    meter_run_ms(&m, 1000); /* and that of 3000 is due */
    m.is_chip_silent = false;
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(m.telegram.challenge[0], 0);
    meter_run_ms(&m, TICK_MS);
    assert_memory_equal(m.telegram.challenge, challenge, 16);
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(m.telegram.challenge[0], 0);
    assert_int_equal(m.telegram.counter, 6);
    memset(other, 0, sizeof other);
    assert_int_equal(meter_do(&m, 0x11, other, 16), 4);
    meter_drop_key(&m);
}

static void test_wrong_signature(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    meter_give_key(&m, 7);
    meter_start(&m);
    meter_fault(&m, MG_FW_FAULT_TELEGRAM);
    meter_run_s(&m, 1);
    assert_int_equal(m.n_telegrams, 1);
    assert_false(meter_verifies(&m));
    assert_int_equal(meter_errors(&m), 0);
    meter_fault(&m, MG_FW_FAULT_OVER);
    meter_run_s(&m, 1);
    assert_true(meter_verifies(&m));
    meter_drop_key(&m);
}

static void test_chip_fails(void **state)
{
    (void)state;
    uint8_t challenge[CHALLENGE_LEN] = {1};
    struct meter m;
    meter_new(&m);
    meter_fault(&m, MG_FW_FAULT_CRYPTO);
    meter_run_ms(&m, 2960);
    assert_int_equal(meter_errors(&m), 0);
    meter_run_ms(&m, 80);
    assert_int_equal(meter_errors(&m), 1 << 7);
    assert_int_equal(meter_do(&m, 0x11, challenge, 16), 7);
    assert_int_equal(m.n_telegrams, 0);
    meter_fault(&m, MG_FW_FAULT_OVER);
    meter_run_s(&m, 3);
    assert_int_equal(meter_errors(&m), 0);
    assert_true(m.n_telegrams > 0);
    assert_int_equal(m.telegram.counter, m.n_telegrams); /* no gap */
}

/* ---- Seal, relay ---- */

static void test_seal_once(void **state)
{
    (void)state;
    struct meter m;
    uint8_t seal[32], other[32] = {0}, id[IDENTITY_LEN];
    memset(seal, 0x5e, sizeof seal);
    meter_new(&m);
    assert_int_equal(meter_do(&m, 0x12, other, 32), 4);
    other[31] = 1;
    assert_int_equal(meter_do(&m, 0x12, seal, 32), 0);
    assert_int_equal(meter_do(&m, 0x12, seal, 32), 0);
    assert_int_equal(meter_do(&m, 0x12, other, 32), 4);
    meter_start(&m); /* it was saved at once */
    assert_int_equal(meter_do(&m, 0x12, other, 32), 4);
    assert_int_equal(meter_do(&m, 0x12, seal, 32), 0);
    identify(&m, id);
    assert_int_equal(id[SEALED_AT], 1);
    assert_memory_equal(id + SEALED_AT + 1, seal, 32);
    assert_int_equal(meter_signal(&m, "MeterStatus.ErrorWord"), 0x000d0000);
}

static void test_relay(void **state)
{
    (void)state;
    struct meter m;
    uint8_t answer[MG_PDU_MAX];
    meter_new(&m);
    assert_true(meter_is_connected(&m));
    assert_int_equal(meter_ask(&m, (const uint8_t *)"\x13\0", 2, answer), 2);
    assert_memory_equal(answer, "\x53\0", 2);
    assert_false(meter_is_connected(&m));
    meter_run_s(&m, 2);
    assert_int_equal(m.telegram.status, 0x00080000);
    assert_int_equal(meter_ask(&m, (const uint8_t *)"\x13\1", 2, answer), 2);
    assert_memory_equal(answer, "\x53\1", 2);
    assert_true(meter_is_connected(&m));
    assert_int_equal(meter_do(&m, 0x13, "\2", 1), 4);
}

/* ---- Update ---- */

struct image {
    uint8_t bytes[IMAGE_MAX], hash[32], signature[SIGNATURE_LEN];
    uint32_t size;
};

/* Signed by the manufacturer's key, whose public part is in the options. */
static void make_image(struct meter *m, struct image *i, uint32_t size,
                       const char *version)
{
    struct mg_sim_key *key = mg_sim_key_create(99, 1);
    assert_non_null(key);
    memset(i, 0, sizeof *i);
    i->size = size;
    memcpy(i->bytes, "MGCPKM01", 8);
    memcpy(i->bytes + 8, version, strlen(version));
    for (uint32_t k = 20; k < size; k++) {
        i->bytes[k] = (uint8_t)(k * 7);
    }
    mg_sha256(i->bytes, size, i->hash);
    assert_int_equal(mg_sim_key_sign(key, i->bytes, size, i->signature), MG_OK);
    mg_hex_write(mg_sim_key_public(key), 64, false, m->options.update_key);
    mg_sim_key_destroy(key);
}

static int begin(struct meter *m, const struct image *i)
{
    uint8_t data[36] = {0, 0, (uint8_t)(i->size >> 8), (uint8_t)i->size};
    memcpy(data + 4, i->hash, 32);
    return meter_do(m, 0x20, data, sizeof data);
}

static int send_piece(struct meter *m, const struct image *i, uint32_t at,
                      uint32_t len)
{
    uint8_t data[4 + 240] = {0, 0, (uint8_t)(at >> 8), (uint8_t)at};
    memcpy(data + 4, i->bytes + at, len);
    return meter_do(m, 0x21, data, 4 + len);
}

static void send_until(struct meter *m, const struct image *i, uint32_t end)
{
    uint8_t answer[MG_PDU_MAX];
    assert_int_equal(begin(m, i), 0);
    for (uint32_t at = 0; at < end; at += 240) {
        uint32_t len = end - at < 240 ? end - at : 240;
        assert_int_equal(send_piece(m, i, at, len), 0);
    }
    assert_int_equal(meter_ask(m, (const uint8_t *)"\x24", 1, answer), 47);
    assert_memory_equal(answer, "\x64\x01", 2);
}

static int finish(struct meter *m, const struct image *i)
{
    return meter_do(m, 0x22, i->signature, SIGNATURE_LEN);
}

static void expect_lrs(struct meter *m, const char *version,
                       const uint8_t hash[32], unsigned result)
{
    uint8_t answer[MG_PDU_MAX], id[IDENTITY_LEN];
    char text[13] = {0};
    assert_int_equal(meter_ask(m, (const uint8_t *)"\x24", 1, answer), 47);
    assert_int_equal(answer[2], result);
    memcpy(text, answer + 3, 12);
    assert_string_equal(text, version);
    assert_memory_equal(answer + 15, hash, 32);
    identify(m, id);
    assert_memory_equal(id + 48, answer + 3, 12 + 32);
}

static void factory_hash(struct meter *m, uint8_t ret[32])
{
    uint8_t id[IDENTITY_LEN];
    identify(m, id);
    memcpy(ret, id + 60, 32);
}

static void test_update(void **state)
{
    (void)state;
    struct meter m;
    struct image first, second;
    meter_new(&m);
    make_image(&m, &first, IMAGE_MAX, "1.1.0");
    make_image(&m, &second, 21, "2.0.0-rc1234");
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 100);
    int64_t before = meter_signal(&m, "MeterImpulses.PulsesPos");
    uint64_t counter = m.telegram.counter;
    send_until(&m, &first, first.size);
    assert_int_equal(finish(&m, &first), 0);
    expect_lrs(&m, "1.1.0", first.hash, 1);
    /* It has started again, and nothing of what it counted is lost. */
    assert_int_equal(meter_signal(&m, "MeterDiagnostics.Boots"), 2);
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesPos"), before);
    meter_run_s(&m, 1);
    assert_int_equal(m.telegram.uptime_ms, 1000);
    assert_true(m.telegram.counter > counter);
    assert_memory_equal(m.telegram.hash, first.hash, 32);
    assert_int_equal(meter_errors(&m), 0);
    meter_power_cycle(&m);
    expect_lrs(&m, "1.1.0", first.hash, 1);
    send_until(&m, &second, 21);
    assert_int_equal(finish(&m, &second), 0);
    expect_lrs(&m, "2.0.0-rc1234", second.hash, 1);
    meter_start(&m);
    expect_lrs(&m, "2.0.0-rc1234", second.hash, 1);
    assert_int_equal(meter_errors(&m), 0);
}

static void refuse(struct meter *m, const struct image *i, int code)
{
    uint8_t hash[32];
    factory_hash(m, hash);
    send_until(m, i, i->size);
    assert_int_equal(finish(m, i), code);
    expect_lrs(m, "1.0.0", hash, 2);
    assert_int_equal(finish(m, i), 3); /* nothing is left of it */
    meter_start(m);
    expect_lrs(m, "1.0.0", hash, 2);
}

static void test_update_refused(void **state)
{
    (void)state;
    struct meter m;
    struct image good, i;
    meter_new(&m);
    make_image(&m, &good, 1000, "1.1.0");
    i = good;
    i.signature[63] ^= 1;
    refuse(&m, &i, 5);
    i = good;
    i.hash[0] ^= 1;
    refuse(&m, &i, 6);
    i = good;
    i.bytes[999] ^= 1; /* a hash of its own does not help */
    refuse(&m, &i, 6);
    mg_sha256(i.bytes, i.size, i.hash);
    refuse(&m, &i, 5);
    make_image(&m, &i, 1000, "");
    refuse(&m, &i, 4);
    make_image(&m, &i, 1000, "1.0 beta");
    refuse(&m, &i, 4);
    m.options.update_key[5] ^= 1; /* another manufacturer */
    refuse(&m, &good, 5);
    m.options.update_key[127] = '\0';
    refuse(&m, &good, 5);
    m.options.update_key[0] = '\0'; /* no update is taken */
    refuse(&m, &good, 5);
}

/* Whatever bytes of the head are wrong, signed or not. */
static void test_update_of_a_wrong_head(void **state)
{
    (void)state;
    struct meter m;
    struct image i;
    meter_new(&m);
    make_image(&m, &i, 30, "1.1.0");
    struct mg_sim_key *key = mg_sim_key_create(99, 1);
    for (unsigned k = 0; k < 8; k++) {
        i.bytes[k] ^= 0x20;
        mg_sha256(i.bytes, i.size, i.hash);
        assert_int_equal(mg_sim_key_sign(key, i.bytes, i.size, i.signature),
                         MG_OK);
        refuse(&m, &i, 4);
        i.bytes[k] ^= 0x20;
    }
    mg_sim_key_destroy(key);
}

static void test_update_out_of_order(void **state)
{
    (void)state;
    struct meter m;
    struct image i;
    meter_new(&m);
    make_image(&m, &i, 1000, "1.1.0");
    assert_int_equal(send_piece(&m, &i, 0, 10), 3);
    assert_int_equal(finish(&m, &i), 3);
    assert_int_equal(meter_do(&m, 0x23, NULL, 0), 3);
    i.size = 20;
    assert_int_equal(begin(&m, &i), 4);
    i.size = IMAGE_MAX + 1;
    assert_int_equal(begin(&m, &i), 4);
    i.size = 1000;
    assert_int_equal(begin(&m, &i), 0);
    assert_int_equal(begin(&m, &i), 3);
    assert_int_equal(send_piece(&m, &i, 0, 200), 0);
    assert_int_equal(send_piece(&m, &i, 0, 200), 4);
    assert_int_equal(send_piece(&m, &i, 201, 10), 4);
    assert_int_equal(finish(&m, &i), 3); /* the rest may still come */
    for (uint32_t at = 200; at < 920; at += 240) {
        assert_int_equal(send_piece(&m, &i, at, 240), 0);
    }
    assert_int_equal(send_piece(&m, &i, 920, 81), 4);
    assert_int_equal(send_piece(&m, &i, 920, 80), 0);
    assert_int_equal(send_piece(&m, &i, 1000, 1), 4);
    assert_int_equal(meter_do(&m, 0x23, NULL, 0), 0);
    assert_int_equal(finish(&m, &i), 3);
}

/* The supply goes after each message of an update: the old one runs. */
static void test_update_cut_off(void **state)
{
    (void)state;
    struct meter m;
    struct image first, i;
    meter_new(&m);
    make_image(&m, &first, 300, "1.1.0");
    make_image(&m, &i, 2000, "1.2.0");
    send_until(&m, &first, first.size);
    assert_int_equal(finish(&m, &first), 0);
    for (uint32_t end = 0; end <= i.size; end += 200) {
        send_until(&m, &i, end);
        if (end % 400 == 0) {
            FW.power_fail(m.state);
        }
        meter_start(&m);
        assert_int_equal(finish(&m, &i), 3);
        expect_lrs(&m, "1.1.0", first.hash, 1);
        assert_int_equal(meter_errors(&m), 0);
    }
}

static void test_software_is_checked_at_start(void **state)
{
    (void)state;
    struct meter m;
    struct image i;
    unsigned n_bad = 0;
    meter_new(&m);
    make_image(&m, &i, 2000, "1.1.0");
    send_until(&m, &i, i.size);
    assert_int_equal(finish(&m, &i), 0);
    for (size_t at = 480; at < FW.nv_size; at += 1000) {
        struct meter again = m;
        again.nv[at] ^= 1;
        meter_start(&again);
        if (meter_errors(&again) != 0) {
            n_bad++;
            assert_int_equal(meter_errors(&again), 1 << 1);
            assert_false(meter_is_connected(&again));
            assert_int_equal(meter_do(&again, 0x13, "\1", 1), 7);
        }
    }
    assert_int_equal(n_bad, 2); /* 2000 bytes, at each 1000th */
}

/* ---- Whatever comes ---- */

static int length_wanted(unsigned service, size_t n)
{
    switch (service) {
    case 0x10:
    case 0x23:
    case 0x24:
        return n == 0;
    case 0x11:
        return n == 16;
    case 0x12:
        return n == 32;
    case 0x13:
        return n == 1;
    case 0x20:
        return n == 36;
    case 0x21:
        return n >= 5 && n <= 244;
    case 0x22:
        return n == 64;
    default:
        return -1;
    }
}

static void test_every_service_and_length(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 10);
    int64_t before = meter_signal(&m, "MeterImpulses.PulsesPos");
    for (unsigned service = 0; service < 256; service++) {
        for (size_t n = 0; n < MG_PDU_MAX; n++) {
            uint8_t data[MG_PDU_MAX] = {0};
            int code = meter_do(&m, (uint8_t)service, data, n);
            int wanted = length_wanted(service, n);
            assert_true(wanted == -1  ? code == 1
                        : wanted == 0 ? code == 2
                                      : code != 1 && code != 2);
        }
    }
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesPos"), before);
}

static void test_not_for_this_meter(void **state)
{
    (void)state;
    struct meter m;
    uint8_t ret[MG_PDU_MAX];
    const uint8_t open[] = {0x13, 0};
    meter_new(&m);
    assert_int_equal(FW.pdu(m.state, 1, open, 2, ret, sizeof ret), 0);
    assert_int_equal(FW.pdu(m.state, METER_NODE, open, 2, ret, sizeof ret), 0);
    assert_int_equal(FW.pdu(m.state, 0, open, 0, ret, sizeof ret), 0);
    assert_int_equal(FW.pdu(m.state, 0, open, 2, ret, 252), 0);
    assert_true(meter_is_connected(&m));
    meter_run_s(&m, 1);
    assert_int_equal(FW.unasked(m.state, 0, ret, TELEGRAM_LEN - 1), 0);
}

/* Nothing outside can write an energy: any message, energies as before, also
 * after the next start. */
static void test_random_messages_write_no_energy(void **state)
{
    (void)state;
    struct meter m;
    struct image i;
    uint32_t seed = 815;
    meter_new(&m);
    make_image(&m, &i, 1000, "1.1.0");
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 100);
    meter_load(&m, 10000, (struct angle){-1000, 0});
    meter_run_s(&m, 100);
    int64_t pos = meter_signal(&m, "MeterImpulses.PulsesPos");
    int64_t neg = meter_signal(&m, "MeterImpulses.PulsesNeg");
    assert_true(pos > 0 && neg > 0);
    for (unsigned k = 0; k < 200000; k++) {
        static const uint8_t lengths[] = {1, 2, 17, 33, 37, 65, 245};
        uint8_t request[MG_PDU_MAX];
        for (size_t b = 0; b < sizeof request; b++) {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            request[b] = (uint8_t)(seed >> 8);
        }
        request[0] =
            seed % 8 == 0 ? request[0] : (uint8_t)(0x10 + (seed >> 9) % 0x16);
        if (seed % 4 != 0) { /* so that sizes and offsets make sense */
            memset(request + 1, 0, 3);
        }
        size_t len = seed % 3 == 0 ? 1 + (seed >> 4) % 253
                                   : lengths[(seed >> 4) % sizeof lengths];
        (void)meter_refusal(&m, request, len);
    }
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesPos"), pos);
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesNeg"), neg);
    assert_int_equal(meter_errors(&m), 0);
    meter_power_cycle(&m);
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesPos"), pos);
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesNeg"), neg);
    assert_int_equal(meter_errors(&m), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_golden_telegram),
        cmocka_unit_test(test_telegram_each_second),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_wrong_signature),
        cmocka_unit_test(test_chip_fails),
        cmocka_unit_test(test_seal_once),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_update_refused),
        cmocka_unit_test(test_update_of_a_wrong_head),
        cmocka_unit_test(test_update_out_of_order),
        cmocka_unit_test(test_update_cut_off),
        cmocka_unit_test(test_software_is_checked_at_start),
        cmocka_unit_test(test_every_service_and_length),
        cmocka_unit_test(test_not_for_this_meter),
        cmocka_unit_test(test_random_messages_write_no_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
