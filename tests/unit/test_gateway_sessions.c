/* Charging sessions of meters that do not sign: the station does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/signer.h"
#include "gateway_bed.h"
#include "model/ocmf_build.h"
#include "record/verify.h"
#include "run/gateway_priv.h"
#include "run/site_time.h"
#include "store/dataset.h"

#define USER "SECRET-CARD-0815"
#define BEGIN_TX1                                                              \
    "{\"id\":\"c1\",\"transaction\":\"tx-1\",\"assigned\":true,"               \
    "\"identification\":\"" USER "\",\"identification_type\":\"ISO14443\","    \
    "\"identification_flags\":\"RFID_PLAIN,OCPP_AUTH\","                       \
    "\"tariff_text\":\"0,49 per kWh\"}"

static char key_file[128];

static struct gateway_bed *new_bed(bool has_key)
{
    struct gateway_bed *bed = malloc(sizeof *bed);
    assert_non_null(bed);
    bed_init(bed, 2);
    (void)snprintf(key_file, sizeof key_file, "%s/station.pem", bed->dir);
    struct mg_err err = {0};
    if (has_key) {
        assert_int_equal(
            mg_key_generate_file(key_file, MG_CURVE_SECP384R1, &err), MG_OK);
    }
    bed->setup.station.is_enabled = true;
    bed->setup.station.key_file = key_file;
    for (size_t i = 0; i < 2; i++) {
        bed_allow(bed, i, "session");
        bed_set_f32(&bed->fakes[i], REG_ENERGY + 2, 100.5); /* import, kWh */
        bed_set_f32(&bed->fakes[i], REG_ENERGY, 100.5);
        bed_set_serial(&bed->fakes[i], "KPM31-000001");
    }
    return bed;
}

static struct gateway_bed *running_bed(void)
{
    struct gateway_bed *bed = new_bed(true);
    bed_run(bed);
    bed_pass(bed, 3000);
    return bed;
}

static void done_with(struct gateway_bed *bed)
{
    (void)unlink(key_file); /* may be missing */
    bed_fini(bed);
    free(bed);
}

static void set_import(struct gateway_bed *bed, size_t meter, double kwh)
{
    bed_set_f32(&bed->fakes[meter], REG_ENERGY + 2, kwh);
    bed_set_f32(&bed->fakes[meter], REG_ENERGY, kwh);
}

/* The signature comes from another thread: after 20 s of virtual time, which
 * are enough for the meter, only that is waited for. */
static void wait_replies(struct gateway_bed *bed, size_t n)
{
    for (int i = 0; i < 100000 && bed->n_replies < n; i++) {
        (void)uv_run(&bed->loop, i < 2000 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        bed_pass(bed, i < 2000 ? 10 : 0);
    }
    assert_int_equal(bed->n_replies, n);
}

static const char *ask(struct gateway_bed *bed, const char *verb,
                       const char *payload)
{
    size_t n = bed->n_replies;
    bed_command(bed, "m0", verb, payload);
    wait_replies(bed, n + 1);
    return bed->replies[n];
}

static void assert_ok(const char *reply)
{
    if (strstr(reply, "\"ok\":true") == NULL) {
        fail_msg("%s", reply);
    }
}

static void assert_refused(const char *reply, const char *reason)
{
    bed_assert_text(reply, "ok", "false");
    if (strstr(reply, reason) == NULL) {
        fail_msg("%s has not: %s", reply, reason);
    }
}

struct rows {
    unsigned n_done, n_open, n_void;
    struct mg_dataset last; /* text in record[] */
    char record[20000];
};

static void read_rows(struct gateway_bed *bed, const char *transaction,
                      struct rows *ret)
{
    struct mg_err err = {0};
    struct mg_datasets *all = mg_datasets_open(bed->path, &err);
    assert_non_null(all);
    struct mg_dataset_filter filter = {.transaction = transaction};
    struct mg_dataset d;
    memset(ret, 0, sizeof *ret);
    while (mg_datasets_next(all, &filter, &d, &err) == MG_OK) {
        ret->n_done += d.state == MG_DATASET_DONE;
        ret->n_open += d.state == MG_DATASET_OPEN;
        ret->n_void += d.state == MG_DATASET_VOID;
        ret->last = d;
        assert_true(d.record_len < sizeof ret->record);
        if (d.record_len > 0) {
            memcpy(ret->record, d.record, d.record_len);
            ret->record[d.record_len] = '\0';
        }
        filter.after_id = d.id;
    }
    assert_int_equal(err.code, MG_E_NOTFOUND);
    mg_datasets_close(all);
}

static void verify(const char *record, const char *key_hex,
                   struct mg_ocmf *ocmf, struct mg_record_report *report)
{
    struct mg_public_key *key;
    unsigned lenient;
    struct mg_err err = {0};
    assert_int_equal(mg_public_key_parse(key_hex, strlen(key_hex), MG_N_CURVES,
                                         &key, &lenient, &err),
                     MG_OK);
    assert_int_equal(
        mg_record_verify(record, strlen(record), key, lenient, ocmf, report),
        MG_OK);
    mg_public_key_destroy(key);
}

/* ---- A whole session ---- */

static void test_session(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    const char *reply = ask(bed, "session-begin", BEGIN_TX1);
    assert_ok(reply);
    bed_assert_text(reply, "id", "c1");
    bed_assert_text(reply, "transaction", "tx-1");
    bed_assert_text(reply, "running", "true");
    bed_assert_text(bed_topic(bed, "m/m0/session"), "phase", "active");
    struct rows rows;
    read_rows(bed, "tx-1", &rows);
    assert_int_equal(rows.n_open, 1);

    set_import(bed, 0, 101.25);
    assert_ok(ask(bed, "session-intermediate", "{\"transaction\":\"tx-1\"}"));
    assert_ok(ask(bed, "session-suspend", "{\"transaction\":\"tx-1\"}"));
    reply = ask(bed, "session-suspend", "");
    assert_ok(reply);
    bed_assert_text(reply, "repeated", "true");
    assert_ok(ask(bed, "session-resume", ""));
    assert_ok(ask(bed, "session-tariff", ""));
    set_import(bed, 0, 110.75);
    reply = ask(bed, "session-end",
                "{\"transaction\":\"tx-1\",\"reason\":\"remote\"}");
    assert_ok(reply);
    bed_assert_text(reply, "pagination", "T1");
    bed_assert_text(reply, "verification", "valid");
    bed_assert_text(reply, "billable", "true");
    bed_assert_text(reply, "running", "false");
    assert_true(bed_has(reply, "energy_wh"));
    bed_assert_text(bed_topic(bed, "m/m0/session"), "phase", "idle");

    read_rows(bed, "tx-1", &rows);
    assert_int_equal(rows.n_open + rows.n_void, 0);
    assert_int_equal(rows.n_done, 1);
    assert_int_equal(rows.last.begin_mwh, 100500000);
    assert_int_equal(rows.last.end_mwh, 110750000);
    assert_true(rows.last.is_billable);
    assert_string_equal(rows.last.serial, "KPM31-000001");
    struct mg_ocmf *ocmf = malloc(sizeof *ocmf);
    struct mg_record_report *report = malloc(sizeof *report);
    assert_non_null(ocmf);
    assert_non_null(report);
    verify(rows.record, rows.last.key_hex, ocmf, report);
    assert_int_equal(report->verdict, MG_VERDICT_VALID);
    assert_non_null(strstr(rows.record, "\"MM\":\"KPM31\""));
    assert_int_equal(ocmf->n_readings, 6);
    static const char tx[] = "BCSCTR";
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(ocmf->readings[i].tx, tx[i]);
    }
    free(report);
    free(ocmf);
    assert_int_equal(bed_n_events(bed, "session-ended"), 1);
    done_with(bed);
}

/* The identification goes into the record, and nowhere else. */
static void test_identification_stays_in_the_record(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    assert_ok(ask(bed, "session-end", "{\"transaction\":\"tx-1\"}"));
    for (size_t i = 0; i < bed->n_topics; i++) {
        assert_null(strstr(bed->topics[i].payload, USER));
    }
    for (size_t i = 0; i < bed->n_replies; i++) {
        assert_null(strstr(bed->replies[i], USER));
    }
    struct rows rows;
    read_rows(bed, "tx-1", &rows);
    assert_non_null(strstr(rows.record, "\"ID\":\"" USER "\""));
    assert_int_equal(bed_n_events(bed, "command"), 2);
    assert_null(strstr(bed->event, USER));
    done_with(bed);
}

static void test_told_again(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    const char *reply = ask(bed, "session-begin", BEGIN_TX1);
    assert_ok(reply);
    bed_assert_text(reply, "repeated", "true");
    assert_ok(ask(bed, "session-end", "{\"transaction\":\"tx-1\"}"));
    reply = ask(bed, "session-end", "{\"transaction\":\"tx-1\"}");
    assert_ok(reply);
    bed_assert_text(reply, "repeated", "true");
    bed_assert_text(reply, "pagination", "T1");
    assert_refused(ask(bed, "session-begin", BEGIN_TX1), "has ended already");
    struct rows rows;
    read_rows(bed, NULL, &rows);
    assert_int_equal(rows.n_done, 1);
    done_with(bed);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *payload, *reason;
    } cases[] = {
        {"session-end", "{\"transaction\":\"nobody\"}", "no session"},
        {"session-suspend", "", "no session"},
        {"session-begin", "{}", "transaction: expected"},
        {"session-begin", "{\"transaction\":\"a b\"}", "transaction: expected"},
        {"session-begin", "{\"transaction\":\"a|b\"}", "transaction: expected"},
        {"session-begin", "{\"transaction\":\"a\",\"foo\":\"b\"}",
         "foo is no member"},
        {"session-begin", "{\"transaction\":7}", "expected a text"},
        {"session-begin", "{\"transaction\":\"a\",\"assigned\":\"yes\"}",
         "true or false"},
        {"session-begin",
         "{\"transaction\":\"a\",\"identification\":\"x\\ny\"}",
         "control character"},
        {"session-begin",
         "{\"transaction\":\"a\",\"identification\":\"x\\u0000y\"}", "NUL"},
        {"session-begin",
         "{\"transaction\":\"a\",\"identification_type\":\"CARD\"}",
         "not one of OCMF's"},
        {"session-begin",
         "{\"transaction\":\"a\",\"identification_level\":\"HIGH\"}",
         "not one of OCMF's"},
        {"session-begin",
         "{\"transaction\":\"a\",\"identification_flags\":\"RFID\"}",
         "at most 4"},
        {"session-end", "{\"transaction\":\"a\",\"reason\":\"why\"}",
         "reason: expected"},
        {"session-begin", "[]", "not a flat JSON object"},
        {"session-fiscal", "{\"identification\":\"x\\ny\"}",
         "control character"},
        {"session-fiscal", "{\"identification_level\":\"HIGH\"}",
         "not one of OCMF's"},
    };
    struct gateway_bed *bed = running_bed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(ask(bed, cases[i].verb, cases[i].payload),
                       cases[i].reason);
    }
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    assert_refused(ask(bed, "session-begin", "{\"transaction\":\"tx-2\"}"),
                   "session tx-1 is going on");
    assert_refused(ask(bed, "session-end", "{\"transaction\":\"tx-2\"}"),
                   "session tx-1 is going on");
    done_with(bed);
}

static void test_not_allowed(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(true);
    bed->meters[0].n_allowed = 0;
    bed_run(bed);
    bed_pass(bed, 3000);
    assert_refused(ask(bed, "session-begin", BEGIN_TX1), "`allow` list");
    done_with(bed);
}

/* ---- The key ---- */

static void test_no_key_blocks_sessions(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(false);
    bed_run(bed);
    bed_pass(bed, 3000);
    assert_refused(ask(bed, "session-begin", BEGIN_TX1),
                   "the station cannot sign");
    assert_int_equal(bed_n_events(bed, "signing-key-invalid"), 1);
    struct mg_err err = {0};
    assert_int_equal(mg_key_generate_file(key_file, MG_CURVE_SECP256R1, &err),
                     MG_OK);
    bed_pass(bed, 31000); /* it is tried again after 30 s */
    for (int i = 0; i < 100000 && !bed_n_events(bed, "signing-key-valid");
         i++) {
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
        bed_pass(bed, 10);
    }
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    done_with(bed);
}

static void test_open_key_file_is_refused(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(true);
    assert_int_equal(chmod(key_file, 0644), 0);
    bed_run(bed);
    bed_pass(bed, 3000);
    assert_refused(ask(bed, "session-begin", BEGIN_TX1), "0600");
    done_with(bed);
}

/* ---- Restarts ---- */

static void test_pagination_goes_on_after_a_kill(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    for (int i = 1; i <= 6; i++) {
        char begin[64], end[64], pg[16];
        (void)snprintf(begin, sizeof begin, "{\"transaction\":\"t%d\"}", i);
        (void)snprintf(end, sizeof end, "{\"transaction\":\"t%d\"}", i);
        (void)snprintf(pg, sizeof pg, "T%d", i);
        assert_ok(ask(bed, "session-begin", begin));
        if (i % 2 == 0) {
            bed_kill(bed); /* in the middle of the session */
            bed_run(bed);
            bed_pass(bed, 3000);
            bed_assert_text(bed_topic(bed, "m/m0/session"), "phase", "active");
        }
        const char *reply = ask(bed, "session-end", end);
        assert_ok(reply);
        bed_assert_text(reply, "pagination", pg);
        if (i % 3 == 0) {
            bed_kill(bed); /* after the answer */
            bed_run(bed);
            bed_pass(bed, 3000);
        }
    }
    struct rows rows;
    read_rows(bed, NULL, &rows);
    assert_int_equal(rows.n_done, 6);
    assert_int_equal(rows.n_open + rows.n_void, 0);
    done_with(bed);
}

/* No number is given away for a record that did not come to the disk. */
static void test_answer_waits_for_the_disk(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    bed->is_disk_slow = true;
    size_t n = bed->n_replies;
    bed_command(bed, "m0", "session-end", "{\"transaction\":\"tx-1\"}");
    for (int i = 0; i < 200; i++) {
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
        bed_pass(bed, 10);
    }
    assert_int_equal(bed->n_replies, n);
    bed->is_disk_slow = false;
    wait_replies(bed, n + 1);
    bed_assert_text(bed->replies[n], "pagination", "T1");
    done_with(bed);
}

static void test_meter_away_at_the_end(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    bed->fakes[0].is_silent = true;
    bed_pass(bed, 10000);
    assert_refused(ask(bed, "session-end", "{\"transaction\":\"tx-1\"}"),
                   "the session ends when it does");
    assert_refused(ask(bed, "session-cancel", ""), "ends when it does");
    bed_assert_text(bed_topic(bed, "m/m0/session"), "phase", "ending");
    set_import(bed, 0, 120.5);
    bed->fakes[0].is_silent = false;
    for (int i = 0; i < 10000 && !bed_n_events(bed, "session-ended"); i++) {
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
        bed_pass(bed, 100);
    }
    const char *reply = ask(bed, "session-end", "{\"transaction\":\"tx-1\"}");
    assert_ok(reply);
    bed_assert_text(reply, "repeated", "true");
    struct rows rows;
    read_rows(bed, NULL, &rows);
    assert_int_equal(rows.n_done, 1);
    assert_string_equal(rows.last.why, "the session was canceled");
    assert_int_equal(rows.last.end_mwh, 120500000);
    done_with(bed);
}

/* ---- Cable loss, fiscal readings, cancel ---- */

static void test_cable_loss(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(true);
    bed->meters[0].session.loss_uohm = 23000;
    bed_set_f32(&bed->fakes[0], REG_VOLTAGE + 2, 32.0);
    bed_run(bed);
    bed_pass(bed, 3000);
    set_import(bed, 0, 50.0);
    bed_pass(bed, 8000); /* a new epoch of the registers */
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    bed_pass(bed, 3600000);
    set_import(bed, 0, 57.5);
    assert_ok(ask(bed, "session-end", "{\"transaction\":\"tx-1\"}"));
    struct rows rows;
    read_rows(bed, "tx-1", &rows);
    /* 0.023 Ohm * (32 A)^2 = 23.552 W for an hour. */
    const char *last = strstr(rows.record, "\"TX\":\"E\"");
    assert_non_null(last);
    assert_non_null(strstr(last, "\"RV\":57.4765,\"CL\":0.0235"));
    assert_non_null(strstr(rows.record, "\"RV\":50.0000,\"CL\":0.0000"));
    assert_non_null(strstr(rows.record, "\"LR\":23000"));
    done_with(bed);
}

static void test_pinned_key(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(true);
    struct mg_err err = {0};
    struct mg_signer_settings settings = {.key_file = key_file};
    struct mg_signer *signer = mg_signer_open(&settings, &err);
    assert_non_null(signer);
    char pem[1024],
        other[] =
            "04" /* the generator of P-256 */
            "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
            "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";
    assert_int_equal(
        mg_public_key_pem(mg_signer_public_key(signer), pem, sizeof pem),
        MG_OK);
    mg_signer_close(signer);
    bed->meters[0].session.public_key = pem;
    bed_run(bed);
    bed_pass(bed, 3000);
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    bed_assert_text(ask(bed, "session-end", "{\"transaction\":\"tx-1\"}"),
                    "billable", "true");
    bed->meters[0].session.public_key = other;
    assert_ok(ask(bed, "session-begin", "{\"transaction\":\"tx-2\"}"));
    bed_assert_text(ask(bed, "session-end", "{\"transaction\":\"tx-2\"}"),
                    "not_billable_because",
                    "signed with a key that is not the configured one");
    bed->meters[0].session.public_key = NULL;
    done_with(bed);
}

static void test_fiscal_counts_for_itself(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    const char *reply = ask(bed, "session-fiscal", "");
    assert_ok(reply);
    bed_assert_text(reply, "pagination", "F1");
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    bed_assert_text(ask(bed, "session-fiscal", ""), "pagination", "F2");
    bed_assert_text(ask(bed, "session-end", "{\"transaction\":\"tx-1\"}"),
                    "pagination", "T1");
    done_with(bed);
}

static void test_canceled_is_not_billed(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed();
    assert_ok(ask(bed, "session-begin", BEGIN_TX1));
    const char *reply = ask(bed, "session-cancel", "");
    assert_ok(reply);
    bed_assert_text(reply, "billable", "false");
    bed_assert_text(reply, "not_billable_because", "the session was canceled");
    struct rows rows;
    read_rows(bed, "tx-1", &rows);
    assert_int_equal(rows.n_done, 1);
    assert_non_null(strstr(rows.record, "\"TX\":\"A\""));
    done_with(bed);
}

/* ---- ChargePoint's form ---- */

static struct gateway_bed *chargepoint_bed(void)
{
    struct gateway_bed *bed = new_bed(true);
    mg_site_set_zone("Europe/Berlin");
    bed->meters[0].session.form = MG_OCMF_FORM_CHARGEPOINT;
    bed->meters[0].session.connector = 2;
    bed->meters[0].session.loss_uohm = 23000;
    (void)snprintf(bed->setup.station.identification,
                   sizeof bed->setup.station.identification, "CP0001");
    (void)snprintf(bed->setup.station.version,
                   sizeof bed->setup.station.version, "2024.05");
    bed_run(bed);
    bed_pass(bed, 3000);
    struct meter *m = &bed->gateway->meters[0];
    (void)snprintf(m->part_number, sizeof m->part_number, "31-002700-04-01");
    (void)snprintf(m->lrs_version, sizeof m->lrs_version, "1.0.0");
    memset(m->lrs_hash, 0xa5, sizeof m->lrs_hash);
    m->has_lrs_hash = true;
    return bed;
}

/* KPM31-000001, 31-002700-04-01 and the hash by python3 base64. */
static const char chargepoint_head[] =
    "OCMF|{\"FV\":\"1.0\",\"GI\":\"CP0001\","
    "\"PG\":\"T1-4193206880799101095\","
    "\"GV\":\"lrs_ver: 1.0.0, sw_rel: 2024.05\",\"MV\":\"Compere\", "
    "\"MM\":\"KPM31\", "
    "\"MS\":\"S1BNMzEtMDAwMDAxAAAAAHwzMS0wMDI3MDAtMDQtMDE=\", "
    "\"MF\":\"paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\", "
    "\"IS\":true, \"ID\":\"05\", \"CI\":2, "
    "\"LC\":{\"LU\":\"uOhm\", \"LR\":23000.0}, \"TT\":\"\",\"RD\":["
    "{\"TX\":\"B\", \"TM\":\"";

static void test_chargepoint_form(void **state)
{
    (void)state;
    struct gateway_bed *bed = chargepoint_bed();
    const char *begin = "{\"transaction\":\"4193206880799101095\","
                        "\"assigned\":true,\"identification\":\"05\"}";
    assert_ok(ask(bed, "session-begin", begin));
    assert_ok(ask(bed, "session-suspend", ""));
    assert_ok(ask(bed, "session-resume", ""));
    const char *reply = ask(bed, "session-resume", "");
    assert_ok(reply);
    bed_assert_text(reply, "repeated", "true");
    assert_ok(ask(bed, "session-suspend", ""));
    reply =
        ask(bed, "session-end", "{\"transaction\":\"4193206880799101095\"}");
    assert_ok(reply);
    bed_assert_text(reply, "verification", "valid");
    bed_assert_text(reply, "billable", "true");
    assert_false(bed_has(reply, "marks"));
    struct rows rows;
    read_rows(bed, "4193206880799101095", &rows);
    assert_true(strlen(rows.record) > sizeof chargepoint_head);
    assert_memory_equal(rows.record, chargepoint_head,
                        sizeof chargepoint_head - 1);
    assert_non_null(
        strstr(rows.record, "\"CL\":0.0, \"ST\":\"G\"}, {\"TX\":\"S\", "));
    assert_non_null(strstr(rows.record,
                           "]}|{\"SA\":\"ECDSA-secp384r1-SHA256\", "
                           "\"SD\":\"M"));
    assert_non_null(strstr(rows.record, "\", \"SE\":\"base64\"}"));
    struct mg_ocmf *ocmf = malloc(sizeof *ocmf);
    struct mg_record_report *report = malloc(sizeof *report);
    assert_non_null(ocmf);
    assert_non_null(report);
    verify(rows.record, rows.last.key_hex, ocmf, report);
    assert_int_equal(report->verdict, MG_VERDICT_VALID);
    assert_int_equal(ocmf->n_readings, 4); /* none of the end of suspensions */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ocmf->readings[i].tx, "BSSE"[i]);
        assert_int_equal(ocmf->readings[i].offset_min, 0); /* not Berlin's */
    }
    free(report);
    free(ocmf);
    assert_int_equal(bed_n_events(bed, "dataset-serial-changed"), 0);
    mg_site_set_zone("UTC");
    done_with(bed);
}

/* Other transactions have a number made of them; fiscal records none. */
static void test_chargepoint_paginations(void **state)
{
    (void)state;
    struct gateway_bed *bed = chargepoint_bed();
    struct rows rows;
    assert_ok(ask(bed, "session-begin", "{\"transaction\":\"abc\"}"));
    assert_ok(ask(bed, "session-end", "{\"transaction\":\"abc\"}"));
    read_rows(bed, "abc", &rows);
    assert_non_null(strstr(rows.record, "\"PG\":\"T1-3359128625063425018\""));
    assert_ok(ask(bed, "session-fiscal", "{\"transaction\":\"new\"}"));
    read_rows(bed, NULL, &rows);
    assert_non_null(strstr(rows.record, "\"PG\":\"F1\","));
    assert_non_null(strstr(rows.record, "\"RD\":[{\"TM\":"));
    mg_site_set_zone("UTC");
    done_with(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_identification_stays_in_the_record),
        cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_not_allowed),
        cmocka_unit_test(test_no_key_blocks_sessions),
        cmocka_unit_test(test_open_key_file_is_refused),
        cmocka_unit_test(test_pagination_goes_on_after_a_kill),
        cmocka_unit_test(test_answer_waits_for_the_disk),
        cmocka_unit_test(test_meter_away_at_the_end),
        cmocka_unit_test(test_cable_loss),
        cmocka_unit_test(test_pinned_key),
        cmocka_unit_test(test_fiscal_counts_for_itself),
        cmocka_unit_test(test_canceled_is_not_billed),
        cmocka_unit_test(test_chargepoint_form),
        cmocka_unit_test(test_chargepoint_paginations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
