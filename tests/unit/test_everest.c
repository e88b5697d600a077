/* The bridge, between a gateway and an uplink that are not real: what it asks
 * the one and tells the other. In virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/everest.h"
#include "mqtt/everest_request.h"
#include "mqtt/uplink.h"

#define ANSWER_MAX 1024

struct bed {
    struct mg_sink sink;
    struct mg_clock *clock;
    struct mg_setup setup;
    struct mg_setup_meter meters[3];
    struct mg_everest *everest;
    /* the uplink */
    struct mg_uplink_settings uplink;
    char filters[2][64];
    struct {
        unsigned n;
        char payload[2048];
    } values, check, key;
    char last_topic[128];
    unsigned n_answers;
    char answer_topic[8][64], answer[8][ANSWER_MAX];
    unsigned n_destroyed;
    /* the gateway */
    const struct mg_gateway_observer *observer;
    void *observer_ctx;
    unsigned n_asked;
    size_t asked_meter;
    struct mg_session_request asked;
    mg_session_done done;
    void *done_ctx;
    int answer_at_once; /* code + 1; 0: keep it waiting */
};

static struct bed bed;
/* The bridge does not look into it. */
static struct mg_gateway *const gateway = (struct mg_gateway *)(void *)&bed;

/* ---- The uplink ---- */

static int retain(struct mg_sink *sink, const char *topic, const char *payload,
                  size_t len, int qos)
{
    assert_ptr_equal(sink, &bed.sink);
    assert_int_equal(qos, 1);
    assert_non_null(strstr(topic, "/m2e/public_key_ocmf"));
    bed.key.n++;
    (void)snprintf(bed.key.payload, sizeof bed.key.payload, "%.*s", (int)len,
                   payload);
    return MG_OK;
}

int mg_uplink_tell(struct mg_sink *sink, const char *topic, const char *payload,
                   size_t len)
{
    assert_ptr_equal(sink, &bed.sink);
    (void)snprintf(bed.last_topic, sizeof bed.last_topic, "%s", topic);
    if (strstr(topic, "/m2e/powermeter_values") != NULL) {
        bed.values.n++;
        (void)snprintf(bed.values.payload, sizeof bed.values.payload, "%.*s",
                       (int)len, payload);
    } else {
        assert_non_null(strstr(topic, "/m2e/communication_check"));
        bed.check.n++;
        (void)snprintf(bed.check.payload, sizeof bed.check.payload, "%.*s",
                       (int)len, payload);
    }
    return MG_OK;
}

static void reply(struct mg_sink *sink, const struct mg_reply_to *to,
                  const char *payload, size_t len)
{
    assert_ptr_equal(sink, &bed.sink);
    assert_true(bed.n_answers < 8 && len < ANSWER_MAX);
    (void)snprintf(bed.answer_topic[bed.n_answers], 64, "%.63s", to->topic);
    (void)snprintf(bed.answer[bed.n_answers++], ANSWER_MAX, "%.*s", (int)len,
                   payload);
}

static void destroy(struct mg_sink *sink, uint32_t timeout_ms)
{
    assert_ptr_equal(sink, &bed.sink);
    assert_int_equal(timeout_ms, 300);
    bed.n_destroyed++;
}

struct mg_sink *mg_uplink_open(const struct mg_uplink_settings *settings,
                               struct mg_err *err)
{
    static const struct mg_sink_ops ops = {
        .retain = retain, .reply = reply, .destroy = destroy};
    (void)err;
    bed.uplink = *settings;
    for (size_t i = 0; i < settings->n_filters && i < 2; i++) {
        (void)snprintf(bed.filters[i], sizeof bed.filters[i], "%s",
                       settings->filters[i]);
    }
    bed.sink.ops = &ops;
    return &bed.sink;
}

/* ---- The gateway ---- */

void mg_gateway_listen(struct mg_gateway *g,
                       const struct mg_gateway_observer *observer, void *ctx)
{
    assert_ptr_equal(g, gateway);
    bed.observer = observer;
    bed.observer_ctx = ctx;
}

const char *mg_gateway_public_key(const struct mg_gateway *g, size_t meter)
{
    assert_ptr_equal(g, gateway);
    return meter == 2 ? "3059AB" : "";
}

static void finish(int code, const char *reason,
                   const struct mg_dataset *dataset)
{
    struct mg_session_result result = {
        .code = code, .reason = reason, .dataset = dataset};
    mg_session_done done = bed.done;
    assert_non_null(done);
    bed.done = NULL;
    done(bed.done_ctx, &result);
}

void mg_gateway_session(struct mg_gateway *g, size_t meter,
                        const struct mg_session_request *request,
                        mg_session_done done, void *ctx)
{
    assert_ptr_equal(g, gateway);
    assert_null(bed.done); /* one at a time */
    bed.n_asked++;
    bed.asked_meter = meter;
    bed.asked = *request;
    bed.done = done;
    bed.done_ctx = ctx;
    if (bed.answer_at_once != 0) {
        finish(bed.answer_at_once - 1, "at once", NULL);
    }
}

/* ---- Help ---- */

static void pass(uint64_t ms)
{
    mg_clock_advance(bed.clock,
                     mg_clock_now_ns(bed.clock) + ms * UINT64_C(1000000));
}

/* Meter 1 serves no module. */
static int setup(void **state)
{
    static const char *const ids[] = {"cp1", "cp2", "cp3"};
    static const char *const modules[] = {"pm_1", "", "pm_3"};
    struct mg_err err = {0};
    (void)state;
    bed = (struct bed){.clock = mg_clock_create_virtual(1740916800000)};
    bed.setup.n_meters = 3;
    bed.setup.meters = bed.meters;
    bed.setup.everest.interval_ms = 1000;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(bed.meters[i].id, MG_ID_MAX, "%s", ids[i]);
        (void)snprintf(bed.meters[i].session.everest, 64, "%s", modules[i]);
    }
    struct mg_everest_settings settings = {
        .clock = bed.clock, .setup = &bed.setup, .gateway = gateway};
    bed.everest = mg_everest_create(&settings, &err);
    assert_non_null(bed.everest);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mg_everest_destroy(bed.everest, 300);
    mg_clock_destroy(bed.clock);
    return 0;
}

static void request(const char *module, const char *verb, const char *payload,
                    const char *reply_to)
{
    size_t len = strlen(payload);
    struct mg_command *c = calloc(1, sizeof *c + len + 1);
    assert_non_null(c);
    (void)snprintf(c->meter, sizeof c->meter, "%s", module);
    (void)snprintf(c->verb, sizeof c->verb, "%s", verb);
    (void)snprintf(c->reply_to.topic, sizeof c->reply_to.topic, "%s", reply_to);
    c->len = len;
    memcpy(c->payload, payload, len);
    bed.uplink.events->command(bed.uplink.ctx, c);
    free(c);
}

static void start(const char *transaction, const char *reply_to)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"evse_id\":\"E\",\"transaction_id\":\"%s\","
                   "\"identification_status\":\"ASSIGNED\"}",
                   transaction);
    request("pm_1", MG_EVEREST_START, text, reply_to);
}

static void stop(const char *transaction, const char *reply_to)
{
    char text[128];
    (void)snprintf(text, sizeof text, "\"%s\"", transaction);
    request("pm_1", MG_EVEREST_STOP, text, reply_to);
}

static void assert_answer(unsigned i, const char *topic, const char *text)
{
    assert_true(i < bed.n_answers);
    assert_string_equal(bed.answer_topic[i], topic);
    assert_string_equal(bed.answer[i], text);
}

static void sample(size_t meter, int64_t mwh, enum mg_group group)
{
    struct mg_sample s = {.utc_ms = mg_clock_utc_ms(bed.clock),
                          .group = (uint8_t)group};
    struct mg_value v = {.channel = MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL),
                         .value = mwh,
                         .resolution = 1};
    assert_int_equal(mg_sample_add(&s, &v), MG_OK);
    bed.observer->sample(bed.observer_ctx, meter, &s);
}

/* ---- Tests ---- */

static void test_uplink(void **state)
{
    (void)state;
    assert_string_equal(bed.uplink.base, "everest_api/1/powermeter/");
    assert_null(bed.uplink.store);
    assert_ptr_equal(bed.uplink.mqtt, &bed.setup.everest.mqtt);
    assert_string_equal(bed.uplink.availability, "");
    assert_int_equal(bed.uplink.n_filters, 2);
    assert_string_equal(bed.filters[0], "pm_1/e2m/+");
    assert_string_equal(bed.filters[1], "pm_3/e2m/+");
    /* What is known already is told at once. */
    assert_int_equal(bed.key.n, 1);
    assert_string_equal(bed.key.payload, "\"3059AB\"");
    bed.observer->public_key(bed.observer_ctx, 1, "30");
    assert_int_equal(bed.key.n, 1);
    bed.observer->public_key(bed.observer_ctx, 0, "3076");
    assert_int_equal(bed.key.n, 2);
    assert_string_equal(bed.key.payload, "\"3076\"");
}

static void test_values(void **state)
{
    (void)state;
    sample(1, 1, MG_GROUP_LIVE); /* serves no module */
    sample(0, 1, MG_GROUP_SLOW);
    assert_int_equal(bed.values.n, 0);
    sample(0, 1000, MG_GROUP_LIVE);
    assert_int_equal(bed.values.n, 1);
    assert_string_equal(bed.last_topic, "pm_1/m2e/powermeter_values");
    assert_non_null(strstr(bed.values.payload, "\"meter_id\":\"cp1\""));
    assert_non_null(strstr(bed.values.payload, "{\"total\":1.000}"));
    pass(500);
    sample(0, 2000, MG_GROUP_LIVE);
    assert_int_equal(bed.values.n, 1);
    pass(450); /* a little early */
    sample(0, 3000, MG_GROUP_LIVE);
    assert_int_equal(bed.values.n, 2);
    sample(2, 3000, MG_GROUP_LIVE); /* another one has its own time */
    assert_int_equal(bed.values.n, 3);
    assert_string_equal(bed.last_topic, "pm_3/m2e/powermeter_values");
}

static void test_serial(void **state)
{
    (void)state;
    struct mg_sample s = {.group = MG_GROUP_INFO};
    assert_int_equal(mg_sample_add_text(&s, MG_CH(SERIAL, TOTAL),
                                        (const uint8_t *)"4711", 4),
                     MG_OK);
    bed.observer->sample(bed.observer_ctx, 0, &s);
    sample(0, 1000, MG_GROUP_LIVE);
    assert_non_null(strstr(bed.values.payload, "\"meter_id\":\"4711\""));
}

static void test_communication_check(void **state)
{
    (void)state;
    pass(5000);
    assert_int_equal(bed.check.n, 0); /* nothing is known yet */
    bed.observer->state(bed.observer_ctx, 1, MG_METER_ONLINE, "");
    bed.observer->state(bed.observer_ctx, 0, MG_METER_ONLINE, "");
    assert_int_equal(bed.check.n, 1);
    assert_string_equal(bed.check.payload, "true");
    pass(4000);
    assert_int_equal(bed.check.n, 5);
    bed.observer->state(bed.observer_ctx, 0, MG_METER_DEGRADED, "x");
    assert_int_equal(bed.check.n, 5);
    bed.observer->state(bed.observer_ctx, 0, MG_METER_OFFLINE, "gone");
    assert_int_equal(bed.check.n, 6);
    assert_string_equal(bed.check.payload, "false");
    pass(1000);
    assert_int_equal(bed.check.n, 7);
    assert_string_equal(bed.check.payload, "false");
    /* EVerest has come: it is told at once. */
    request("pm_1", MG_EVEREST_ALIVE, "", "");
    assert_int_equal(bed.check.n, 8);
    request("pm_1", MG_EVEREST_ALIVE, "", "");
    assert_int_equal(bed.check.n, 8);
}

static void test_start_and_stop(void **state)
{
    (void)state;
    start("tx", "r/1");
    assert_int_equal(bed.n_asked, 1);
    assert_int_equal(bed.asked_meter, 0);
    assert_int_equal(bed.asked.verb, MG_VERB_BEGIN);
    assert_true(bed.asked.is_forced);
    assert_int_equal(bed.n_answers, 0);
    finish(MG_OK, "", NULL);
    assert_answer(0, "r/1", "{\"status\":\"OK\"}");
    char record[] = "OCMF|{}|{\"SD\":\"30\"}";
    struct mg_dataset d = {.record = record, .record_len = strlen(record)};
    stop("tx", "r/2");
    assert_int_equal(bed.n_asked, 2);
    assert_int_equal(bed.asked.verb, MG_VERB_END);
    finish(MG_OK, "", &d);
    assert_string_equal(bed.answer_topic[1], "r/2");
    assert_non_null(strstr(bed.answer[1], "\"signed_meter_data\":\"OCMF|{}|"));
    /* An empty id cancels, and needs no record. */
    stop("", "r/3");
    assert_int_equal(bed.asked.verb, MG_VERB_CANCEL);
    finish(MG_OK, "", NULL);
    assert_answer(2, "r/3", "{\"status\":\"OK\"}");
}

/* EVerest asks again when it takes too long: one end, two answers. */
static void test_repeated(void **state)
{
    (void)state;
    stop("tx", "r/1");
    stop("tx", "r/2");
    stop("tx", ""); /* wants no answer */
    assert_int_equal(bed.n_asked, 1);
    finish(MG_E_NOTFOUND, "no such", NULL);
    assert_int_equal(bed.n_answers, 2);
    assert_string_equal(bed.answer_topic[0], "r/1");
    assert_string_equal(bed.answer_topic[1], "r/2");
    assert_string_equal(bed.answer[0], bed.answer[1]);
    pass(1000);
    assert_int_equal(bed.n_asked, 1);
    for (int i = 0; i < 6; i++) { /* nobody waits for the first ones */
        char topic[16];
        (void)snprintf(topic, sizeof topic, "s/%d", i);
        stop("tx", topic);
    }
    finish(MG_OK, "", NULL);
    assert_int_equal(bed.n_answers, 6);
    assert_string_equal(bed.answer_topic[2], "s/2");
    assert_string_equal(bed.answer_topic[5], "s/5");
}

/* Requests wait for those before, in order, and not within their answer. */
static void test_in_order(void **state)
{
    (void)state;
    start("a", "r/1");
    stop("a", "r/2");
    start("b", "r/3");
    assert_int_equal(bed.n_asked, 1);
    finish(MG_OK, "", NULL);
    assert_int_equal(bed.n_asked, 1);
    pass(0);
    assert_int_equal(bed.n_asked, 2);
    assert_int_equal(bed.asked.verb, MG_VERB_END);
    finish(MG_E_IO, "broken", NULL);
    pass(0);
    assert_int_equal(bed.n_asked, 3);
    assert_string_equal(bed.asked.transaction, "b");
    finish(MG_OK, "", NULL);
    assert_answer(0, "r/1", "{\"status\":\"OK\"}");
    assert_answer(1, "r/2",
                  "{\"status\":\"UNEXPECTED_ERROR\",\"error\":\"broken\"}");
    assert_answer(2, "r/3", "{\"status\":\"OK\"}");
}

static void test_at_once(void **state)
{
    (void)state;
    bed.answer_at_once = MG_OK + 1;
    start("a", "r/1");
    start("b", "r/2");
    pass(0);
    assert_int_equal(bed.n_asked, 2);
    assert_int_equal(bed.n_answers, 2);
}

/* Another request of the meter, by command, is under way. */
static void test_busy(void **state)
{
    (void)state;
    start("a", "r/1");
    finish(MG_E_BUSY, "busy", NULL);
    assert_int_equal(bed.n_answers, 0);
    pass(200);
    assert_int_equal(bed.n_asked, 2);
    finish(MG_OK, "", NULL);
    assert_answer(0, "r/1", "{\"status\":\"OK\"}");
    /* Not for ever. */
    bed.answer_at_once = MG_E_BUSY + 1;
    start("b", "r/2");
    pass(60000);
    assert_int_equal(bed.n_answers, 2);
    assert_answer(1, "r/2",
                  "{\"status\":\"UNEXPECTED_ERROR\",\"error\":\"at once\"}");
}

static void test_refused(void **state)
{
    (void)state;
    request("pm_1", MG_EVEREST_START, "{}", "r/1");
    assert_int_equal(bed.n_asked, 0);
    assert_non_null(strstr(bed.answer[0], "\"UNEXPECTED_ERROR\",\"error\":"));
    request("pm_1", MG_EVEREST_START, "{}", ""); /* nobody to tell */
    request("pm_2", MG_EVEREST_STOP, "\"\"", "r/2");
    assert_int_equal(bed.n_answers, 1);
    assert_int_equal(bed.n_asked, 0);
}

static void test_too_many(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "t%d", i);
        stop(id, "r/1");
    }
    assert_int_equal(bed.n_asked, 1);
    assert_int_equal(bed.n_answers, 1);
    assert_non_null(strstr(bed.answer[0], "too many requests wait"));
}

/* The end: the meters are gone for EVerest, the gateway is let go. */
static void test_end(void **state)
{
    (void)state;
    bed.observer->state(bed.observer_ctx, 0, MG_METER_ONLINE, "");
    start("a", "r/1");
    mg_everest_destroy(bed.everest, 300);
    bed.everest = NULL;
    assert_string_equal(bed.check.payload, "false");
    assert_null(bed.observer);
    assert_int_equal(bed.n_destroyed, 1);
    pass(10000); /* no timer is left */
    mg_everest_destroy(NULL, 300);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_uplink),         TEST(test_values),
        TEST(test_serial),         TEST(test_communication_check),
        TEST(test_start_and_stop), TEST(test_repeated),
        TEST(test_in_order),       TEST(test_at_once),
        TEST(test_busy),           TEST(test_refused),
        TEST(test_too_many),       TEST(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
