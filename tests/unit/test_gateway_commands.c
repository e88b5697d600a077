/* Commands from the broker: what is refused and why, what is done, and what
 * becomes of one when the gateway stops or dies in the middle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_bed.h"

static struct gateway_bed *new_bed(size_t n_meters)
{
    struct gateway_bed *bed = malloc(sizeof *bed);
    assert_non_null(bed);
    bed_init(bed, n_meters);
    for (size_t i = 0; i < n_meters; i++) {
        bed_set_option(bed, i, "variant", "B");
        bed_allow(bed, i, "relay");
        bed_allow(bed, i, "clear-energy");
        bed_allow(bed, i, "set-address");
        bed_allow(bed, i, "set-baud");
    }
    return bed;
}

static struct gateway_bed *running_bed(size_t n_meters)
{
    struct gateway_bed *bed = new_bed(n_meters);
    bed_run(bed);
    bed_pass(bed, 5000);
    return bed;
}

static void done_with(struct gateway_bed *bed)
{
    bed_fini(bed);
    free(bed);
}

static const char *last_reply(const struct gateway_bed *bed)
{
    assert_true(bed->n_replies > 0);
    return bed->replies[bed->n_replies - 1];
}

/* ---- Refused ---- */

struct refusal {
    const char *meter, *verb, *payload, *error, *reason;
};

static void check_refused(struct gateway_bed *bed, const struct refusal *r)
{
    size_t n = bed->n_replies;
    unsigned n_requests = bed->fakes[0].n_requests;
    unsigned n_events = bed_n_events(bed, "command-refused");
    bed_command(bed, r->meter, r->verb, r->payload);
    assert_int_equal(bed->n_replies, n + 1);
    const char *reply = last_reply(bed);
    bed_assert_text(reply, "ok", "false");
    bed_assert_text(reply, "meter", r->meter);
    bed_assert_text(reply, "verb", r->verb);
    bed_assert_text(reply, "error", r->error);
    char text[512];
    bed_text(reply, "reason", text, sizeof text);
    if (strstr(text, r->reason) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", r->reason, text);
    }
    assert_int_equal(bed_n_events(bed, "command-refused"), n_events + 1);
    assert_int_equal(bed->fakes[0].n_requests, n_requests);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"", "restart", "{}", "not-supported", "gateway has no command"},
        {"m9", "relay", "{\"closed\":true}", "not-found", "no meter m9"},
        {"m0", "explode", "{}", "not-supported", "has no command explode"},
        {"m0", "set-clock", "{}", "denied", "`allow`"},
        {"m0", "relay", "{}", "invalid", "member closed is missing"},
        {"m0", "relay", "", "invalid", "member closed is missing"},
        {"m0", "relay", "{\"closed\":1}", "invalid", "neither true nor false"},
        {"m0", "relay", "{\"closed\":null}", "invalid", "neither"},
        {"m0", "relay", "{\"closed\":true,\"x\":1}", "invalid",
         "x is no member"},
        {"m0", "relay", "{\"closed\":true", "invalid", "byte"},
        {"m0", "relay", "{\"closed\":{}}", "not-supported", "byte"},
        {"m0", "set-address", "{\"address\":0}", "invalid", "1 to 247"},
        {"m0", "set-address", "{\"address\":2}", "state", "m1's"},
        {"m0", "set-baud", "{\"baud\":\"1201\"}", "invalid", "1200, 2400"},
        {"m0", "set-baud", "{\"baud\":\"1200\\u0000x\"}", "invalid",
         "a zero byte"},
        {"m0", "set-baud", "{\"baud\":1200}", "state", "2 meters share b0"},
    };
    struct gateway_bed *bed = running_bed(2);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        check_refused(bed, &refusals[i]);
    }
    assert_int_equal(bed->fakes[0].n_writes + bed->fakes[0].n_coil_writes, 0);
    done_with(bed);
}

static void test_storm_of_refusals(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    size_t n = bed->n_replies;
    for (unsigned i = 0; i < 25; i++) {
        bed_command(bed, "m0", "explode", "{}");
    }
    assert_int_equal(bed->n_replies, n + 25);
    assert_int_equal(bed_n_events(bed, "command-refused"), 20);
    assert_int_equal(bed_n_events(bed, "commands-refused"), 1);
    bed_pass(bed, 60000);
    bed_command(bed, "m0", "explode", "{}");
    assert_int_equal(bed_n_events(bed, "command-refused"), 21);
    assert_int_equal(bed_n_events(bed, "commands-refused"), 1);
    done_with(bed);
}

static void test_relay_needs_the_variant(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_set_option(bed, 0, "variant", "A");
    bed_run(bed);
    static const struct refusal refusal = {"m0", "relay", "{\"closed\":true}",
                                           "not-supported",
                                           "has no command relay"};
    check_refused(bed, &refusal);
    done_with(bed);
}

static void test_speed_behind_a_gateway(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed->buses[0].modbus.framing = MG_MODBUS_RTU_TCP;
    bed_run(bed);
    static const struct refusal refusal = {"m0", "set-baud",
                                           "{\"baud\":\"1200\"}", "state",
                                           "belongs to its gateway"};
    check_refused(bed, &refusal);
    done_with(bed);
}

static void test_busy(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "relay", "{\"closed\":true,\"id\":\"first\"}");
    assert_int_equal(bed->n_replies, 0);
    static const struct refusal refusal = {"m0", "clear-energy", "{}", "busy",
                                           "relay is still going on"};
    check_refused(bed, &refusal);
    bed_pass(bed, 3000);
    assert_int_equal(bed->n_replies, 2);
    bed_assert_text(last_reply(bed), "id", "first");
    bed_assert_text(last_reply(bed), "ok", "true");
    done_with(bed);
}

static void test_not_running(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    static const struct refusal starting = {"m0", "relay", "{\"closed\":true}",
                                            "state", "is starting"};
    static const struct refusal stopping = {"m0", "relay", "{\"closed\":true}",
                                            "state", "is stopping"};
    bed->is_disk_slow = true;
    bed_start(bed);
    check_refused(bed, &starting);
    mg_gateway_stop(bed->gateway);
    check_refused(bed, &stopping);
    done_with(bed);
}

/* ---- Carried out ---- */

static void test_relay(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(2);
    bed_command(bed, "m0", "relay", "{\"closed\":true,\"id\":\"a\\\"b\"}");
    bed_pass(bed, 3000);
    assert_true(bed->fakes[0].is_closed);
    assert_int_equal(bed->fakes[0].n_coil_writes, 1);
    assert_int_equal(bed->fakes[1].n_coil_writes, 0);
    assert_int_equal(bed->n_replies, 1);
    assert_string_equal(bed->reply_topics[0], "r");
    bed_assert_text(last_reply(bed), "ok", "true");
    bed_assert_text(last_reply(bed), "id", "a\"b");
    bed_assert_text(last_reply(bed), "relay_closed", "true");
    bed_assert_text(last_reply(bed), "gateway", "gw");
    assert_int_equal(bed_n_events(bed, "command"), 1);
    bed_assert_text(bed->event, "verb", "relay");
    bed_assert_text(bed->event, "ok", "true");
    bed_assert_text(bed_topic(bed, "m/m0/state"), "relay_closed", "true");
    /* As wanted already: nothing is written. */
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 3000);
    bed_assert_text(last_reply(bed), "ok", "true");
    assert_int_equal(bed->fakes[0].n_coil_writes, 1);
    done_with(bed);
}

static void test_relay_that_sticks(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->fakes[0].ignores_writes = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 10000);
    bed_assert_text(last_reply(bed), "ok", "false");
    bed_assert_text(last_reply(bed), "error", "mismatch");
    assert_int_equal(bed->fakes[0].n_coil_writes, 1);
    assert_int_equal(bed_n_events(bed, "command"), 1);
    bed_assert_text(bed->event, "ok", "false");
    done_with(bed);
}

/* The relay has switched, its answer is lost: it is read back. */
static void test_lost_answer(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->fakes[0].is_mute_on_writes = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 10000);
    bed_assert_text(last_reply(bed), "ok", "true");
    assert_int_equal(bed->fakes[0].n_coil_writes, 1);
    done_with(bed);
}

static void test_silent_meter(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->fakes[0].is_silent = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 60000);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "error", "timeout");
    assert_int_equal(bed->fakes[0].n_coil_writes, 0);
    done_with(bed);
}

/* ---- The disk comes first ---- */

static void look_into_the_store(struct gateway_bed *bed, size_t meter,
                                const uint8_t *pdu, size_t len)
{
    char value[MG_STORE_VALUE_MAX];
    struct mg_err err = {0};
    size_t value_len = 0;
    (void)meter;
    (void)len;
    if (pdu[0] != 5 && pdu[0] != 16) {
        return;
    }
    bed->n_asked++;
    assert_int_equal(mg_store_get(bed->store, "task/m0", value, sizeof value,
                                  &value_len, &err),
                     MG_OK);
    assert_true(value_len > 0);
}

static void test_state_is_stored_before_the_effect(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    char value[MG_STORE_VALUE_MAX];
    struct mg_err err = {0};
    size_t len;
    bed->asked = look_into_the_store;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 3000);
    assert_int_equal(bed->n_asked, 1);
    assert_true(bed->fakes[0].is_closed);
    /* And is gone afterwards. */
    assert_int_equal(
        mg_store_get(bed->store, "task/m0", value, sizeof value, &len, &err),
        MG_E_NOTFOUND);
    done_with(bed);
}

static void test_disk_that_does_not_answer(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->is_disk_slow = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 59000);
    assert_int_equal(bed->n_replies, 0);
    bed_pass(bed, 2000);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "error", "timeout");
    bed->is_disk_slow = false;
    mg_gateway_store_events()->durable(bed->gateway, bed->durable_ticket);
    bed_pass(bed, 3000);
    assert_int_equal(bed->fakes[0].n_coil_writes, 0);
    done_with(bed);
}

static void test_full_store(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->refuses_values = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 3000);
    bed_assert_text(last_reply(bed), "error", "no-space");
    assert_int_equal(bed->fakes[0].n_coil_writes, 0);
    done_with(bed);
}

/* ---- In the middle ---- */

static void run_until_written(struct gateway_bed *bed)
{
    const struct bed_meter *fake = &bed->fakes[0];
    unsigned n = fake->n_coil_writes + fake->n_writes;
    for (unsigned i = 0; i < 5000; i++) {
        if (fake->n_coil_writes + fake->n_writes > n) {
            return;
        }
        bed_pass(bed, 1);
    }
    fail_msg("nothing was written");
}

static void check_resumed(struct gateway_bed *bed)
{
    bed_run(bed);
    static const struct refusal busy = {"m0", "clear-energy", "{}", "busy",
                                        "relay is still going on"};
    check_refused(bed, &busy);
    bed_pass(bed, 5000);
    assert_int_equal(bed->n_replies, 2);
    bed_assert_text(last_reply(bed), "ok", "true");
    bed_assert_text(last_reply(bed), "id", "x");
    assert_string_equal(bed->reply_topics[1], "r");
    assert_int_equal(bed_n_events(bed, "command"), 1);
    assert_int_equal(bed->fakes[0].n_coil_writes, 1);
    bed_stop(bed);
    bed_run(bed); /* it is over */
    bed_pass(bed, 5000);
    assert_int_equal(bed->n_replies, 2);
    assert_int_equal(bed_n_events(bed, "command"), 1);
}

static void test_killed_after_the_effect(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "relay", "{\"closed\":true,\"id\":\"x\"}");
    run_until_written(bed);
    bed_kill(bed);
    assert_int_equal(bed->n_replies, 0);
    check_resumed(bed);
    done_with(bed);
}

static void test_stopped_after_the_effect(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "relay", "{\"closed\":true,\"id\":\"x\"}");
    run_until_written(bed);
    bed_stop(bed);
    assert_int_equal(bed->n_replies, 0);
    check_resumed(bed);
    done_with(bed);
}

/* The relay did not switch before the end: it is said, not done again. */
static void test_killed_without_the_effect(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->fakes[0].ignores_writes = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    run_until_written(bed);
    bed_kill(bed);
    bed->fakes[0].ignores_writes = false;
    bed_run(bed);
    bed_pass(bed, 10000);
    bed_assert_text(last_reply(bed), "error", "mismatch");
    char reason[512];
    bed_text(last_reply(bed), "reason", reason, sizeof reason);
    assert_non_null(strstr(reason, "the gateway was restarted"));
    assert_int_equal(bed->fakes[0].n_coil_writes, 1);
    assert_false(bed->fakes[0].is_closed);
    done_with(bed);
}

/* A resumed command waits for its meter. */
static void test_resumed_when_it_answers(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    run_until_written(bed);
    bed_kill(bed);
    bed->fakes[0].is_silent = true;
    bed_run(bed);
    bed_pass(bed, 200000);
    assert_int_equal(bed->n_replies, 0);
    bed->fakes[0].is_silent = false;
    bed_pass(bed, 70000);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "ok", "true");
    done_with(bed);
}

static void test_stopped_before_the_effect(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_stop(bed);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "error", "canceled");
    bed_run(bed);
    assert_int_equal(bed_n_events(bed, "command"), 1);
    bed_pass(bed, 10000);
    assert_int_equal(bed->n_replies, 1);
    assert_int_equal(bed->fakes[0].n_coil_writes, 0);
    done_with(bed);
}

/* The state becomes durable when the bus is gone already. */
static void test_stopped_while_the_disk_writes(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed->is_disk_slow = true;
    bed_command(bed, "m0", "relay", "{\"closed\":true}");
    bed_pass(bed, 500); /* it has looked, and wants to write */
    mg_gateway_stop(bed->gateway);
    mg_gateway_store_events()->durable(bed->gateway, UINT64_MAX);
    assert_int_equal(bed->n_replies, 0);
    bed->is_disk_slow = false;
    bed_stop(bed);
    bed_run(bed);
    bed_pass(bed, 10000);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "ok", "false");
    assert_int_equal(bed->fakes[0].n_coil_writes, 0);
    done_with(bed);
}

/* ---- Drivers that behave badly ---- */

/* Reads the voltage over and over, or waits, whatever it is told. */
static void step_endless(struct mg_step_out *out, bool is_waiting)
{
    static const uint8_t pdu[] = {3, 0, REG_VOLTAGE, 0, 2};
    out->action = is_waiting ? MG_STEP_WAIT : MG_STEP_SEND;
    out->wait_ms = 700;
    memcpy(out->pdu, pdu, sizeof pdu);
    out->pdu_len = sizeof pdu;
}

static void step_wait(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out)
{
    (void)state;
    (void)in;
    step_endless(out, true);
}

/* Sends and waits in turn until it is told to stop, which must not be while the
 * meter is being asked. */
static void step_cancelable(void *state, const struct mg_step_in *in,
                            struct mg_step_out *out)
{
    uint8_t *is_asking = state;
    if (in->event == MG_STEP_CANCEL) {
        out->action = MG_STEP_FAIL;
        out->code = MG_E_CANCELED;
        (void)snprintf(out->reason, sizeof out->reason, "%s",
                       *is_asking ? "told too early" : "was told to stop");
        return;
    }
    *is_asking = in->event != MG_STEP_REPLY;
    step_endless(out, in->event == MG_STEP_REPLY);
    out->wait_ms = 60;
}

static void step_loop(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_SEND;
    step_endless(out, false);
}

static void step_too_long(void *state, const struct mg_step_in *in,
                          struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_SEND;
    out->pdu_len = 1 << 20;
}

static void step_empty(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_SEND;
}

static void step_nonsense(void *state, const struct mg_step_in *in,
                          struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_SEND;
    out->has_effect = true;
    out->pdu[0] = 99;
    out->pdu_len = 2;
}

struct driver {
    struct mg_plugin plugin;
    struct mg_driver driver;
    struct mg_procedure procedure;
};

static struct gateway_bed *bed_with(struct driver *d,
                                    void (*step)(void *state,
                                                 const struct mg_step_in *in,
                                                 struct mg_step_out *out))
{
    struct gateway_bed *bed = new_bed(1);
    d->plugin = *bed->meters[0].plugin;
    d->driver = *d->plugin.driver;
    d->procedure = (struct mg_procedure){.verb = "bad", .step = step};
    d->plugin.driver = &d->driver;
    d->driver.procedures = &d->procedure;
    d->driver.n_procedures = 1;
    bed->meters[0].plugin = &d->plugin;
    bed_allow(bed, 0, "bad");
    bed_run(bed);
    bed_pass(bed, 5000);
    return bed;
}

static void test_deadline(void **state)
{
    (void)state;
    struct driver driver;
    struct gateway_bed *bed = bed_with(&driver, step_wait);
    bed_command(bed, "m0", "bad", "{}");
    bed_pass(bed, 69000);
    assert_int_equal(bed->n_replies, 0);
    bed_pass(bed, 2000);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "error", "timeout");
    bed_assert_text(last_reply(bed), "reason",
                    "gave up: the meter never came to rest");
    bed_pass(bed, 20000);
    assert_int_equal(bed->n_replies, 1);
    done_with(bed);
}

/* Also when the meter is being asked at that very moment. */
static void test_cancel_at_the_deadline(void **state)
{
    (void)state;
    for (uint32_t delay_ms = 200; delay_ms < 440; delay_ms += 60) {
        struct driver driver;
        struct gateway_bed *bed = bed_with(&driver, step_cancelable);
        bed->fakes[0].delay_ms = delay_ms;
        bed_command(bed, "m0", "bad", "{}");
        bed_pass(bed, 59000);
        assert_int_equal(bed->n_replies, 0);
        bed_pass(bed, 3000);
        assert_int_equal(bed->n_replies, 1);
        bed_assert_text(last_reply(bed), "reason", "was told to stop");
        done_with(bed);
    }
}

static void test_endless_driver(void **state)
{
    (void)state;
    struct driver driver;
    struct gateway_bed *bed = bed_with(&driver, step_loop);
    bed_command(bed, "m0", "bad", "{}");
    bed_pass(bed, 60000);
    assert_int_equal(bed->n_replies, 1);
    bed_assert_text(last_reply(bed), "error", "state");
    assert_in_range(bed_n_requests(bed, 0, 3, REG_VOLTAGE), 500, 600);
    done_with(bed);
}

static void test_requests_that_are_none(void **state)
{
    (void)state;
    struct driver driver;
    struct gateway_bed *bed = bed_with(&driver, step_empty);
    bed_command(bed, "m0", "bad", "{}");
    bed_assert_text(last_reply(bed), "error", "invalid");
    done_with(bed);
    bed = bed_with(&driver, step_too_long);
    bed_command(bed, "m0", "bad", "{}");
    bed_assert_text(last_reply(bed), "error", "invalid");
    done_with(bed);
    bed = bed_with(&driver, step_nonsense);
    bed_command(bed, "m0", "bad", "{}");
    bed_pass(bed, 1000);
    bed_assert_text(last_reply(bed), "error", "invalid");
    done_with(bed);
}

/* ---- Clearing ---- */

static void check_cleared(struct gateway_bed *bed)
{
    const char *reading = bed_topic(bed, "m/m0/state");
    assert_int_equal(bed_n_events(bed, "implausible"), 0);
    assert_int_equal(bed_n_events(bed, "register-epoch"), 1);
    assert_int_equal(bed_int(bed->event, "before"), 100000000);
    assert_int_equal(bed_int(bed->event, "after"), 0);
    assert_int_equal(bed_int(reading, "reg_epoch"), 2);
    bed_assert_text(reading, "quality", "good");
    assert_int_equal(bed->fakes[0].n_writes, 1);
}

static void test_clear_energy(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "clear-energy", "{}");
    bed_pass(bed, 5000);
    bed_assert_text(last_reply(bed), "ok", "true");
    assert_true(bed_has(last_reply(bed), "energy_active_wh"));
    assert_true(bed_has(last_reply(bed), "energy_active_wh_before"));
    check_cleared(bed);
    /* The expectation is used up. */
    bed_set_f32(&bed->fakes[0], REG_ENERGY, 0.5);
    bed_pass(bed, 2000);
    bed_set_f32(&bed->fakes[0], REG_ENERGY, 0.25);
    bed_pass(bed, 2000);
    assert_int_equal(bed_n_events(bed, "implausible"), 1);
    assert_int_equal(bed_n_events(bed, "register-epoch"), 1);
    done_with(bed);
}

/* The registers are zero before the command has seen it: polls in between find
 * the drop expected. */
static void test_poll_before_the_clear_is_seen(void **state)
{
    (void)state;
    for (uint32_t clear_ms = 50; clear_ms < 800; clear_ms += 50) {
        struct gateway_bed *bed = new_bed(1);
        bed->meters[0].interval_ms = 300;
        bed->fakes[0].clear_delay_ms = clear_ms;
        bed_run(bed);
        bed_pass(bed, 5000);
        bed_command(bed, "m0", "clear-energy", "{}");
        bed_pass(bed, 5000);
        bed_assert_text(last_reply(bed), "ok", "true");
        check_cleared(bed);
        done_with(bed);
    }
}

static void test_killed_after_a_clear(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    bed_command(bed, "m0", "clear-energy", "{}");
    run_until_written(bed);
    bed_kill(bed);
    memset(&bed->fakes[0].registers[REG_ENERGY], 0, 28 * sizeof(uint16_t));
    bed_run(bed);
    bed_pass(bed, 5000);
    bed_assert_text(last_reply(bed), "ok", "true");
    check_cleared(bed);
    done_with(bed);
}

/* ---- Moving ---- */

static unsigned n_reads(const struct gateway_bed *bed)
{
    return bed->samples[0][MG_GROUP_LIVE].n;
}

static void check_is_read(struct gateway_bed *bed, uint8_t unit)
{
    unsigned n_before = n_reads(bed);
    bed_pass(bed, 10000);
    assert_in_range(n_reads(bed) - n_before, 8, 10);
    assert_int_equal(bed->fakes[0].unit, unit);
    char text[40];
    (void)snprintf(text, sizeof text, "\"unit\":%u,", unit);
    assert_non_null(strstr(bed_topic(bed, "m/m0/info"), text));
}

static void test_set_address(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(2);
    bed_command(bed, "m0", "set-address", "{\"address\":9}");
    bed_pass(bed, 10000);
    bed_assert_text(last_reply(bed), "ok", "true");
    assert_int_equal(bed_int(last_reply(bed), "bus_address"), 9);
    assert_int_equal(bed_n_events(bed, "meter-moved"), 1);
    assert_int_equal(bed_n_events(bed, "meter-offline"), 0);
    check_is_read(bed, 9);
    /* Its new place is now nobody else's. */
    static const struct refusal taken = {"m1", "set-address", "{\"address\":9}",
                                         "state", "m0's"};
    check_refused(bed, &taken);
    bed_stop(bed);
    bed_run(bed);
    check_is_read(bed, 9);
    bed_kill(bed);
    bed_run(bed);
    check_is_read(bed, 9);
    bed_stop(bed);
    bed->meters[0].unit = 9; /* the configuration was brought up to date */
    bed_run(bed);
    check_is_read(bed, 9);
    bed_stop(bed);
    bed->meters[0].unit = 5; /* and changed again, by hand as the meter */
    bed->fakes[0].unit = 5;
    bed_run(bed);
    check_is_read(bed, 5);
    done_with(bed);
}

/* Somebody unknown answers there. */
static void test_set_address_of_a_stranger(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(2);
    bed->fakes[1].unit = 9;
    bed_command(bed, "m0", "set-address", "{\"address\":9}");
    bed_pass(bed, 10000);
    bed_assert_text(last_reply(bed), "error", "state");
    assert_int_equal(bed->fakes[0].n_writes, 0);
    check_is_read(bed, 1);
    done_with(bed);
}

/* The speed of the meter holds as long as the configured one is the same. */
static void test_set_baud(void **state)
{
    (void)state;
    struct gateway_bed *bed = running_bed(1);
    assert_int_equal(bed->lines[0].baud, 0);
    bed_command(bed, "m0", "set-baud", "{\"baud\":\"4800\"}");
    bed_pass(bed, 10000);
    bed_assert_text(last_reply(bed), "ok", "true");
    assert_int_equal(bed_int(last_reply(bed), "baud"), 4800);
    assert_int_equal(bed->lines[0].baud, 4800);
    assert_int_equal(bed_n_events(bed, "meter-moved"), 1);
    bed_kill(bed);
    bed_run(bed);
    bed_pass(bed, 5000);
    assert_int_equal(bed->lines[0].baud, 4800);
    bed_stop(bed);
    bed->buses[0].modbus.baud = 2400;
    bed_run(bed);
    bed_pass(bed, 5000);
    assert_int_equal(bed->lines[0].baud, 0);
    done_with(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_storm_of_refusals),
        cmocka_unit_test(test_relay_needs_the_variant),
        cmocka_unit_test(test_speed_behind_a_gateway),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_not_running),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_relay_that_sticks),
        cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_silent_meter),
        cmocka_unit_test(test_state_is_stored_before_the_effect),
        cmocka_unit_test(test_disk_that_does_not_answer),
        cmocka_unit_test(test_full_store),
        cmocka_unit_test(test_killed_after_the_effect),
        cmocka_unit_test(test_stopped_after_the_effect),
        cmocka_unit_test(test_killed_without_the_effect),
        cmocka_unit_test(test_resumed_when_it_answers),
        cmocka_unit_test(test_stopped_before_the_effect),
        cmocka_unit_test(test_stopped_while_the_disk_writes),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_cancel_at_the_deadline),
        cmocka_unit_test(test_endless_driver),
        cmocka_unit_test(test_requests_that_are_none),
        cmocka_unit_test(test_clear_energy),
        cmocka_unit_test(test_poll_before_the_clear_is_seen),
        cmocka_unit_test(test_killed_after_a_clear),
        cmocka_unit_test(test_set_address),
        cmocka_unit_test(test_set_address_of_a_stranger),
        cmocka_unit_test(test_set_baud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
