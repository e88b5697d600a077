/* The log book: its entries, their chain, its lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/deterministic.h"
#include "model/json.h"
#include "record/logbook_line.h"

#define N_BOOK 8

static const char zeros[] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static struct mg_log_entry example(void)
{
    return (struct mg_log_entry){.number = 26,
                                 .utc_ms = 1743487573123,
                                 .clock = 'S',
                                 .event = MG_LOGBOOK_FIRMWARE_UPDATE_REQUESTED,
                                 .meter = "c1",
                                 .data = {.lrs_hash = "09b265e1dcabcdef0011",
                                          .lrs_version = "1.0.0",
                                          .new_lrs_version = "1.1.0"}};
}

static void build(const struct mg_log_entry *e, char text[MG_LOG_ENTRY_MAX + 1])
{
    size_t len = 0;
    assert_int_equal(mg_log_entry_build(e, text, MG_LOG_ENTRY_MAX, &len),
                     MG_OK);
    text[len] = '\0';
}

/* ---- Entries ---- */

static void text_is_the_documented_one(void **state)
{
    (void)state;
    char text[MG_LOG_ENTRY_MAX + 1], wanted[MG_LOG_ENTRY_MAX];
    struct mg_log_entry e = example();
    build(&e, text);
    (void)snprintf(wanted, sizeof wanted,
                   "{\"n\":26,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\""
                   ",\"event\":\"FirmwareUpdateRequested\",\"meter\":\"c1\","
                   "\"data\":{\"LRSHash\":\"09b265e1dc\",\"LRSVersion\":"
                   "\"1.0.0\",\"newLRSVersion\":\"1.1.0\"},\"prev\":\"%s\"}",
                   zeros);
    assert_string_equal(text, wanted);
    e.event = MG_LOGBOOK_CLOCK_UNSYNC;
    e.meter = NULL;
    e.clock = 'U';
    build(&e, text);
    (void)snprintf(wanted, sizeof wanted,
                   "{\"n\":26,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"U\""
                   ",\"event\":\"ClockUnsync\",\"prev\":\"%s\"}",
                   zeros);
    assert_string_equal(text, wanted);
}

static void all_twenty_events_have_their_names(void **state)
{
    (void)state;
    assert_int_equal(MG_N_LOGBOOK_EVENTS, 20);
    for (unsigned i = 0; i < MG_N_LOGBOOK_EVENTS; i++) {
        enum mg_log_event event = MG_N_LOGBOOK_EVENTS;
        const char *name = mg_log_event_text((enum mg_log_event)i);
        assert_int_equal(mg_log_event_find(name, strlen(name), &event), MG_OK);
        assert_int_equal(event, i);
    }
    enum mg_log_event event;
    assert_int_equal(mg_log_event_find("ClockSyn", 8, &event), MG_E_NOTFOUND);
    assert_string_equal(mg_log_event_text(MG_LOGBOOK_STATION_ACTIVATED),
                        "StationActivated");
}

static void every_event_is_read_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MG_N_LOGBOOK_EVENTS; i++) {
        struct mg_log_entry e = example(), back;
        char text[MG_LOG_ENTRY_MAX + 1], buf[MG_LOG_ENTRY_MAX];
        char again[MG_LOG_ENTRY_MAX + 1];
        e.event = (enum mg_log_event)i;
        e.data.udid = "WFhYWFhYWFhYWFhYWA==";
        e.data.connector = 4294967295U;
        e.data.session = "6f1e\"2\\ab\n\x01\xc3\xa9";
        e.data.old_value = "23";
        e.data.new_value = "";
        e.data.is_activated = true;
        e.prev[31] = 0xa5;
        build(&e, text);
        assert_int_equal(mg_log_entry_parse(text, strlen(text), buf, &back),
                         MG_OK);
        build(&back, again);
        assert_string_equal(again, text);
        assert_int_equal(back.number, 26);
        assert_int_equal(back.utc_ms, e.utc_ms);
        assert_int_equal(back.event, i);
        if (mg_log_event_data(back.event) == MG_LOG_DATA_SESSION) {
            assert_string_equal(back.data.session, e.data.session);
            assert_int_equal(back.data.connector, 4294967295U);
        }
        if (mg_log_event_data(back.event) == MG_LOG_DATA_UDID) {
            assert_string_equal(back.data.udid, "WFhYWFhYWF");
        }
        if (mg_log_event_data(back.event) == MG_LOG_DATA_ACTIVATION) {
            assert_true(back.data.is_activated);
        }
    }
}

/* Each text at its limit, of characters that take most room. */
static void nothing_is_too_long(void **state)
{
    (void)state;
    char controls[201], wide[4 * 200 + 1] = "", broken[201];
    memset(controls, 0x01, 200);
    controls[200] = '\0';
    memset(broken, 0xc3, 200);
    broken[200] = '\0';
    for (int i = 0; i < 200; i++) {
        memcpy(wide + 4 * i, "\xf0\x9f\x94\x8c", 5);
    }
    const char *const texts[] = {controls, wide, broken};
    for (unsigned i = 0; i < 3 * MG_N_LOGBOOK_EVENTS; i++) {
        const char *t = texts[i % 3];
        struct mg_log_entry back, e = {.number = INT64_MAX,
                                       .utc_ms = 1743487573123,
                                       .clock = 'I',
                                       .event = (enum mg_log_event)(i / 3),
                                       .meter = t,
                                       .data = {t, t, t, t, 1, t, t, t, true}};
        char text[MG_LOG_ENTRY_MAX + 1], buf[MG_LOG_ENTRY_MAX];
        build(&e, text);
        assert_int_equal(mg_log_entry_parse(text, strlen(text), buf, &back),
                         MG_OK);
    }
}

static void what_cannot_be_logged_is_refused(void **state)
{
    (void)state;
    char text[MG_LOG_ENTRY_MAX];
    size_t len = 77;
    struct mg_log_entry e = example();
    e.number = 0;
    assert_int_equal(mg_log_entry_build(&e, text, sizeof text, &len),
                     MG_E_INVAL);
    e = example();
    e.clock = '\0';
    assert_int_equal(mg_log_entry_build(&e, text, sizeof text, &len),
                     MG_E_INVAL);
    e = example();
    e.event = MG_N_LOGBOOK_EVENTS;
    assert_int_equal(mg_log_entry_build(&e, text, sizeof text, &len),
                     MG_E_INVAL);
    e = example();
    e.utc_ms = -1;
    assert_int_equal(mg_log_entry_build(&e, text, sizeof text, &len),
                     MG_E_RANGE);
    e = example();
    assert_int_equal(mg_log_entry_build(&e, text, 100, &len), MG_E_NOSPC);
    assert_int_equal(len, 77);
}

static void only_the_very_same_text_is_an_entry(void **state)
{
    (void)state;
    struct mg_log_entry e = example();
    char text[MG_LOG_ENTRY_MAX + 1], buf[MG_LOG_ENTRY_MAX];
    build(&e, text);
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) { /* cut */
        assert_int_equal(mg_log_entry_parse(text, i, buf, &e), MG_E_PROTO);
    }
    text[n] = '\n';
    assert_int_equal(mg_log_entry_parse(text, n + 1, buf, &e), MG_E_PROTO);
    static const char *const others[] = {
        "{}",
        "[]",
        "null",
        "{\"n\":1}",
        "{ \"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"ClockSync\",\"prev\":\"%s\"}",
        "{\"n\":01,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"ClockSync\",\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13Z\",\"clk\":\"S\",\"event\":"
        "\"ClockSync\",\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"X\",\"event\":"
        "\"ClockSync\",\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"Clock\\u0053ync\",\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"ClockSync\",\"data\":{},\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"ClockSync\",\"n\":1,\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"StationActivated\",\"data\":{\"activated\":null},\"prev\":\"%s\"}",
        "{\"n\":1,\"ts\":\"2025-04-01T06:06:13.123Z\",\"clk\":\"S\",\"event\":"
        "\"StationActivated\",\"data\":{\"data\":{\"n\":2}},\"prev\":\"%s\"}",
        "{\"n\":9223372036854775808,\"ts\":\"2025-04-01T06:06:13.123Z\","
        "\"clk\":\"S\",\"event\":\"ClockSync\",\"prev\":\"%s\"}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *hole = strstr(others[i], "%s");
        size_t head = hole != NULL ? (size_t)(hole - others[i]) : 0;
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)head, others[i],
                       hole != NULL ? zeros : "",
                       hole != NULL ? hole + 2 : others[i]);
        assert_int_equal(mg_log_entry_parse(text, strlen(text), buf, &e),
                         MG_E_PROTO);
    }
}

/* ---- The chain ---- */

struct book {
    struct mg_log_line lines[N_BOOK];
    struct mg_public_key *keys[2];
    struct mg_sim_key *private_keys[2];
};

static struct mg_public_key *public_of(const struct mg_sim_key *key)
{
    struct mg_public_key *ret = NULL;
    unsigned lenient;
    struct mg_err err;
    assert_int_equal(mg_public_key_parse((const char *)mg_sim_key_public(key),
                                         64, MG_CURVE_SECP256R1, &ret, &lenient,
                                         &err),
                     MG_OK);
    return ret;
}

static void sign(struct book *b, size_t i, size_t key)
{
    struct mg_log_line *l = &b->lines[i];
    uint8_t raw[64];
    unsigned lenient;
    assert_int_equal(
        mg_sim_key_sign(b->private_keys[key], l->text, l->len, raw), MG_OK);
    assert_int_equal(mg_signature_normalise(raw, sizeof raw, MG_CURVE_SECP256R1,
                                            l->signature, &l->signature_len,
                                            &lenient),
                     MG_OK);
    mg_public_key_fingerprint(b->keys[key], l->fingerprint);
}

static void write_entry(struct book *b, size_t i, enum mg_log_event event,
                        int64_t utc_ms)
{
    struct mg_log_line *l = &b->lines[i];
    struct mg_log_entry e = {.number = (int64_t)i + 1,
                             .utc_ms = utc_ms,
                             .clock = 'S',
                             .event = event,
                             .meter = i % 2 == 0 ? NULL : "c1",
                             .data = {.udid = "abc", .session = "42"}};
    if (i > 0) {
        memcpy(e.prev, b->lines[i - 1].hash, 32);
    }
    memset(l, 0, sizeof *l);
    l->number = e.number;
    assert_int_equal(mg_log_entry_build(&e, l->text, MG_LOG_ENTRY_MAX, &l->len),
                     MG_OK);
    mg_log_hash(l->text, l->len, l->hash);
    sign(b, i, 0);
}

static void write_book(struct book *b)
{
    for (size_t i = 0; i < N_BOOK; i++) {
        write_entry(b, i,
                    i == 0 ? MG_LOGBOOK_SERVICE_STARTED
                           : MG_LOGBOOK_CHARGING_STARTED,
                    1743487573123 + (int64_t)i);
    }
}

static int setup(void **state)
{
    struct book *b = calloc(1, sizeof *b);
    assert_non_null(b);
    for (uint32_t i = 0; i < 2; i++) {
        b->private_keys[i] = mg_sim_key_create(1, i);
        assert_non_null(b->private_keys[i]);
        b->keys[i] = public_of(b->private_keys[i]);
    }
    write_book(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct book *b = *state;
    for (size_t i = 0; i < 2; i++) {
        mg_public_key_destroy(b->keys[i]);
        mg_sim_key_destroy(b->private_keys[i]);
    }
    free(b);
    return 0;
}

static void check_lines(const struct book *b, size_t n, const uint8_t *expected,
                        struct mg_log_chain *ret)
{
    mg_log_chain_init(ret);
    ret->expected = expected;
    assert_int_equal(mg_log_chain_add_key(ret, b->keys[0]), MG_OK);
    for (size_t i = 0; i < n; i++) {
        struct mg_log_link link = mg_log_line_link(&b->lines[i]);
        int rc = mg_log_chain_feed(ret, &link);
        assert_true(rc == MG_OK || rc == MG_E_MISMATCH);
        assert_int_equal(rc == MG_OK, ret->fault == MG_LOG_INTACT);
    }
    int rc = mg_log_chain_end(ret);
    assert_int_equal(rc == MG_OK, ret->fault == MG_LOG_INTACT);
}

static enum mg_log_fault fault_of(const struct book *b, int64_t *ret_number)
{
    struct mg_log_chain c;
    check_lines(b, N_BOOK, NULL, &c);
    *ret_number = c.fault_number;
    return c.fault;
}

static void whole_book_is_intact(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    check_lines(b, N_BOOK, b->lines[3].hash, &c);
    assert_int_equal(c.fault, MG_LOG_INTACT);
    assert_int_equal(c.n_entries, N_BOOK);
    assert_int_equal(c.n_signed, N_BOOK);
    assert_int_equal(c.last_number, N_BOOK);
    assert_int_equal(c.n_back, 0);
    assert_memory_equal(c.last_hash, b->lines[N_BOOK - 1].hash, 32);
}

/* Whoever changes a byte of a text cannot hide it: not by leaving the hash, not
 * by making a new one. */
static void every_changed_byte_of_a_text_is_found(void **state)
{
    struct book *b = *state;
    int64_t number;
    for (size_t i = 0; i < N_BOOK; i++) {
        struct mg_log_line *l = &b->lines[i], before = *l;
        for (size_t at = 0; at < l->len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                l->text[at] = (char)((uint8_t)l->text[at] ^ 1U << bit);
                assert_int_equal(fault_of(b, &number), MG_LOG_FAULT_CHANGED);
                assert_int_equal(number, i + 1);
                *l = before;
            }
            l->text[at] = (char)(l->text[at] ^ 1);
            mg_log_hash(l->text, l->len, l->hash);
            enum mg_log_fault fault = fault_of(b, &number);
            assert_true(
                fault == MG_LOG_FAULT_TEXT || fault == MG_LOG_FAULT_NUMBER ||
                fault == MG_LOG_FAULT_PREV || fault == MG_LOG_FAULT_SIGNATURE);
            assert_int_equal(number, i + 1);
            *l = before;
        }
    }
}

static void every_changed_byte_beside_a_text_is_found(void **state)
{
    struct book *b = *state;
    int64_t number;
    for (size_t i = 0; i < N_BOOK; i++) {
        struct mg_log_line *l = &b->lines[i], before = *l;
        for (size_t at = 0; at < 32; at++) {
            l->hash[at] ^= 0x10;
            assert_int_equal(fault_of(b, &number), MG_LOG_FAULT_CHANGED);
            assert_int_equal(number, i + 1);
            *l = before;
        }
        for (size_t at = 0; at < l->signature_len; at++) {
            l->signature[at] ^= 0x01;
            assert_int_equal(fault_of(b, &number), MG_LOG_FAULT_SIGNATURE);
            assert_int_equal(number, i + 1);
            *l = before;
        }
        for (size_t at = 0; at < 64; at++) {
            l->fingerprint[at] ^= 0x01;
            assert_int_equal(fault_of(b, &number), MG_LOG_FAULT_KEY);
            assert_int_equal(number, i + 1);
            *l = before;
        }
        l->number++;
        assert_int_equal(fault_of(b, &number), MG_LOG_FAULT_NUMBER);
        *l = before;
    }
}

static void entries_taken_out_doubled_or_swapped_are_found(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    for (size_t gone = 0; gone + 1 < N_BOOK; gone++) {
        struct book other = *b;
        memmove(&other.lines[gone], &other.lines[gone + 1],
                (N_BOOK - gone - 1) * sizeof *other.lines);
        check_lines(&other, N_BOOK - 1, NULL, &c);
        assert_int_equal(c.fault, MG_LOG_FAULT_NUMBER);
        assert_int_equal(c.fault_number, gone + 2);
        assert_non_null(strstr(c.why, "missing before it"));
    }
    for (size_t i = 0; i + 1 < N_BOOK; i++) {
        struct book other = *b;
        other.lines[i] = b->lines[i + 1];
        other.lines[i + 1] = b->lines[i];
        check_lines(&other, N_BOOK, NULL, &c);
        assert_int_equal(c.fault, MG_LOG_FAULT_NUMBER);
        assert_int_equal(c.fault_number, i + 2);
        other = *b;
        other.lines[i + 1] = b->lines[i];
        check_lines(&other, N_BOOK, NULL, &c);
        assert_int_equal(c.fault, MG_LOG_FAULT_NUMBER);
        assert_int_equal(c.fault_number, i + 1);
    }
}

/* By somebody who has the key, or where nothing is signed. */
static void replaced_entry_breaks_the_chain(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    write_entry(b, 3, MG_LOGBOOK_CLOCK_SYNC, 1743487573126);
    check_lines(b, N_BOOK, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_PREV);
    assert_int_equal(c.fault_number, 5);
    write_book(b);
    struct mg_log_entry e = {.number = 1, .clock = 'S'};
    memset(e.prev, 1, sizeof e.prev); /* the first follows another */
    assert_int_equal(mg_log_entry_build(&e, b->lines[0].text, MG_LOG_ENTRY_MAX,
                                        &b->lines[0].len),
                     MG_OK);
    mg_log_hash(b->lines[0].text, b->lines[0].len, b->lines[0].hash);
    sign(b, 0, 0);
    check_lines(b, N_BOOK, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_PREV);
    assert_int_equal(c.fault_number, 1);
}

static void cut_end_is_found_by_a_hash_noted_elsewhere(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    check_lines(b, N_BOOK - 2, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_INTACT);
    check_lines(b, N_BOOK - 2, b->lines[N_BOOK - 1].hash, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_END);
    assert_int_equal(c.fault_number, N_BOOK - 1);
    check_lines(b, 0, b->lines[0].hash, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_END);
}

/* A forger with the database but without the key: he writes the rest of the
 * book anew. */
static void rewritten_book_has_no_signatures(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    for (size_t i = 4; i < N_BOOK; i++) {
        write_entry(b, i, MG_LOGBOOK_CLOCK_SYNC, 1743487573123);
        b->lines[i].signature_len = 0;
        b->lines[i].fingerprint[0] = '\0';
    }
    check_lines(b, N_BOOK, NULL, &c); /* as if the key were away */
    assert_int_equal(c.fault, MG_LOG_INTACT);
    assert_int_equal(c.n_unsigned, N_BOOK - 4);
    assert_int_equal(c.first_unsigned, 5);
    sign(b, N_BOOK - 1, 0);
    check_lines(b, N_BOOK, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_UNSIGNED);
    assert_int_equal(c.fault_number, 5);
    for (size_t i = 0; i < N_BOOK; i++) {
        b->lines[i].signature_len = 0;
    }
    check_lines(b, N_BOOK, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_UNSIGNED);
    assert_int_equal(c.fault_number, 1);
}

static void another_key_is_named(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    sign(b, 5, 1);
    check_lines(b, N_BOOK, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_FAULT_KEY);
    assert_int_equal(c.fault_number, 6);
    mg_log_chain_init(&c);
    assert_int_equal(mg_log_chain_add_key(&c, b->keys[0]), MG_OK);
    assert_int_equal(mg_log_chain_add_key(&c, b->keys[1]), MG_OK);
    for (size_t i = 0; i < N_BOOK; i++) {
        struct mg_log_link link = mg_log_line_link(&b->lines[i]);
        assert_int_equal(mg_log_chain_feed(&c, &link), MG_OK);
    }
    for (size_t i = 2; i < MG_LOG_KEYS_MAX; i++) {
        assert_int_equal(mg_log_chain_add_key(&c, b->keys[0]), MG_OK);
    }
    assert_int_equal(mg_log_chain_add_key(&c, b->keys[0]), MG_E_NOSPC);
}

static void clock_set_back_is_a_note(void **state)
{
    struct book *b = *state;
    struct mg_log_chain c;
    write_entry(b, 0, MG_LOGBOOK_SERVICE_STARTED, 2000000);
    write_entry(b, 1, MG_LOGBOOK_CLOCK_CHANGED, 1000000);
    write_entry(b, 2, MG_LOGBOOK_CLOCK_SYNC, 1000001);
    check_lines(b, 3, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_INTACT);
    assert_int_equal(c.n_back, 1);
    assert_int_equal(c.first_back, 0);
    write_entry(b, 3, MG_LOGBOOK_CHARGING_STARTED, 999999);
    check_lines(b, 4, NULL, &c);
    assert_int_equal(c.fault, MG_LOG_INTACT);
    assert_int_equal(c.n_back, 2);
    assert_int_equal(c.first_back, 4);
}

/* ---- Lines ---- */

static void lines_are_read_back(void **state)
{
    struct book *b = *state;
    char text[MG_LOG_LINE_MAX];
    size_t len = 0;
    for (size_t i = 0; i < N_BOOK; i++) {
        if (i == 3) {
            b->lines[i].signature_len = 0;
            b->lines[i].fingerprint[0] = '\0';
        }
        struct mg_log_link link = mg_log_line_link(&b->lines[i]);
        struct mg_log_line back;
        assert_int_equal(mg_log_line_write(&link, "ECDSA-secp256r1-SHA256",
                                           text, sizeof text, &len),
                         MG_OK);
        assert_int_equal(mg_log_line_parse(text, len, &back), MG_OK);
        assert_int_equal(back.number, link.number);
        assert_int_equal(back.len, link.len);
        assert_memory_equal(back.text, link.text, link.len);
        assert_memory_equal(back.hash, link.hash, 32);
        assert_int_equal(back.signature_len, link.signature_len);
        assert_memory_equal(back.signature, link.signature, link.signature_len);
        assert_string_equal(back.fingerprint, link.fingerprint);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_equal(mg_log_line_parse(text, cut, &back), MG_E_PROTO);
        }
    }
}

static void foreign_lines_are_refused(void **state)
{
    (void)state;
    static const char good[] =
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}";
    static const char *const bad[] = {
        "{\"n\":0,\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}",
        "{\"n\":\"1\",\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}",
        "{\"n\":1,\"entry\":7,\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}",
        "{\"n\":1,\"entry\":\"x\\u0000\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}",
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"%s00\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}",
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"\",\"signature\":\"\","
        "\"algorithm\":\"%s\",\"fingerprint\":\"\"}",
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"!\","
        "\"algorithm\":\"\",\"fingerprint\":\"\"}",
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\"}",
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"\",\"more\":1}",
        "{\"n\":1,\"entry\":\"x\",\"hash\":\"%s\",\"signature\":\"\","
        "\"algorithm\":\"\",\"fingerprint\":\"%s0\"}",
    };
    char text[512];
    struct mg_log_line line;
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        const char *format = i == 0 ? good : bad[i - 1];
        char *to = text;
        for (const char *c = format; *c != '\0'; c++) {
            if (c[0] == '%') {
                memcpy(to, zeros, 64);
                to += 64;
                c++;
            } else {
                *to++ = *c;
            }
        }
        assert_int_equal(mg_log_line_parse(text, (size_t)(to - text), &line),
                         i == 0 ? MG_OK : MG_E_PROTO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_the_documented_one),
        cmocka_unit_test(all_twenty_events_have_their_names),
        cmocka_unit_test(every_event_is_read_back),
        cmocka_unit_test(nothing_is_too_long),
        cmocka_unit_test(what_cannot_be_logged_is_refused),
        cmocka_unit_test(only_the_very_same_text_is_an_entry),
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(whole_book_is_intact),
        T(every_changed_byte_of_a_text_is_found),
        T(every_changed_byte_beside_a_text_is_found),
        T(entries_taken_out_doubled_or_swapped_are_found),
        T(replaced_entry_breaks_the_chain),
        T(cut_end_is_found_by_a_hash_noted_elsewhere),
        T(rewritten_book_has_no_signatures),
        T(another_key_is_named),
        T(clock_set_back_is_a_note),
        T(lines_are_read_back),
        T(foreign_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
