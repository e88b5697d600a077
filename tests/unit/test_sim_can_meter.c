/* A simulated meter on a simulated CAN bus, in virtual time. The firmware here
 * is a small one; the DBC is each test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/can_meter.h"
#include "wire/isotp.h"

#define MS       UINT64_C(1000000)
#define NODE     5
#define LOG_MAX  4096
#define LONG_LEN 100 /* of an unasked message that needs flow control */

/* ---- Firmware: fixed values, answers that say what was asked ---- */

struct small {
    uint32_t n_ticks;
    int64_t n_unasked, n_long; /* still to be sent */
    uint8_t next;              /* number of the next unasked message */
    bool is_blind;             /* has no temperature */
};

static void power_on(void *state, const struct mg_fw_env *env)
{
    (void)state;
    (void)env;
}

static void power_fail(void *state)
{
    (void)state;
}

static void tick(void *state, const struct mg_tick *tick)
{
    (void)tick;
    ((struct small *)state)->n_ticks++;
}

/* Node and request; a request of one byte has no answer. */
static size_t pdu(void *state, uint8_t unit, const uint8_t *request, size_t len,
                  uint8_t *ret, size_t cap)
{
    (void)state;
    assert_int_equal(cap, MG_PDU_MAX);
    if (len == 1 || len + 1 > cap) {
        return 0;
    }
    ret[0] = unit;
    memcpy(ret + 1, request, len);
    return len + 1;
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    (void)state;
    *ret = (struct mg_fw_outputs){.circuit[0].load_connected = true};
}

static int set_input(void *state, unsigned index, bool is_closed)
{
    (void)state;
    (void)index;
    (void)is_closed;
    return MG_E_NOSUP;
}

/* So many unasked messages from now on. */
static int set(void *state, mg_channel channel, int64_t value)
{
    struct small *s = state;
    if (channel == MG_CH(PULSES, TOTAL)) {
        s->n_unasked = value;
    } else if (channel == MG_CH(PULSES_EXPORT, TOTAL)) {
        s->n_long = value;
    } else {
        s->is_blind = value != 0;
    }
    return MG_OK;
}

static int fault(void *state, enum mg_fw_fault kind)
{
    (void)state;
    (void)kind;
    return MG_E_NOSUP;
}

static const struct mg_fw_signal fw_signals[] = {
    {"Status.Word", MG_UNIT_BITS}, {"Status.Ticks", MG_UNIT_COUNT},
    {"Live.U1", MG_UNIT_MV},       {"Diag.Temperature", MG_UNIT_MDEGC},
    {"Diag.Boots", MG_UNIT_COUNT},
};
enum { WORD, TICKS, U1, TEMPERATURE, BOOTS };

static bool signal_value(const void *state, size_t index, int64_t *ret)
{
    const struct small *s = state;
    static const int64_t values[] = {
        [WORD] = 0x12345678, [U1] = 230120, [TEMPERATURE] = -4500, [BOOTS] = 7};
    *ret = index == TICKS ? s->n_ticks : values[index];
    return index != TEMPERATURE || !s->is_blind;
}

static size_t unasked(void *state, unsigned circuit, uint8_t *ret, size_t cap)
{
    struct small *s = state;
    assert_int_equal(circuit, 0);
    assert_int_equal(cap, MG_PDU_MAX);
    if (s->n_unasked > 0) {
        s->n_unasked--;
        ret[0] = 0xee;
        ret[1] = s->next++;
        return 2;
    }
    if (s->n_long > 0) {
        s->n_long--;
        memset(ret, s->next++, LONG_LEN);
        return LONG_LEN;
    }
    return 0;
}

static const struct mg_frontend frontend = {.rate_mhz = 1000000,
                                            .samples_per_tick = 20, /* 20 ms */
                                            .n_lanes = 1,
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
    {.channel = MG_CH(ERROR_WORD, TOTAL), .name = "Status.Word"},
    {.channel = MG_CH(VOLTAGE, L1), .name = "Live.U1"},
    {.channel = MG_CH(TEMPERATURE, TOTAL), .name = "Diag.Temperature"},
    {.channel = MG_CH(BOOTS, TOTAL), .name = "Diag.Boots"},
};

static const struct mg_can_driver can_driver = {.signals = rows,
                                                .n_signals = 4,
                                                .max_node = 31,
                                                .to_meter = {"Request"},
                                                .from_meter = {"Answer"}};
static const struct mg_driver driver = {.can = &can_driver};
static const struct mg_plugin plugin = {
    .bus = MG_BUS_CAN, .driver = &driver, .firmware = &firmware};

#define CYCLE                                                                  \
    "BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\n"                           \
    "BA_DEF_DEF_ \"GenMsgCycleTime\" 0;\n"
#define TRANSPORT "BO_ 1728 Request: 8 M\nBO_ 1760 Answer: 8 M\n"
#define STATUS                                                                 \
    "BU_: M\n"                                                                 \
    "BO_ 256 Status: 8 M\n"                                                    \
    " SG_ Word : 0|32@1+ (1,0) [0|0] \"\" M\n"                                 \
    " SG_ Ticks : 32|32@1+ (1,0) [0|0] \"\" M\n"
#define LIVE                                                                   \
    "BO_ 288 Live: 2 M\n"                                                      \
    " SG_ U1 : 0|16@1+ (0.01,0) [0|0] \"V\" M\n"
#define DIAG(page, temperature, boots)                                         \
    "BO_ 512 Diag: 8 M\n"                                                      \
    " SG_ Page M : " page " \"\" M\n"                                          \
    " SG_ Temperature m" temperature " : 32|16@1- (0.1,0) [0|0] \"degC\" M\n"  \
    " SG_ Boots m" boots " : 32|32@1+ (1,0) [0|0] \"\" M\n"
#define TIMES                                                                  \
    CYCLE                                                                      \
    "BA_ \"GenMsgCycleTime\" BO_ 256 100;\n"                                   \
    "BA_ \"GenMsgCycleTime\" BO_ 288 50;\n"                                    \
    "BA_ \"GenMsgCycleTime\" BO_ 512 200;\n"
#define BYTE "0|8@1+ (1,0) [0|0]"

static const char own_dbc[] = STATUS LIVE DIAG(BYTE, "0", "1") TRANSPORT TIMES;

/* ---- Bed: the bus, one meter, one that writes down, one that asks ---- */

struct heard {
    uint64_t at_ns;
    struct mg_can_frame frame;
};

struct bed {
    struct mg_sim_can_node node; /* first: hears all */
    struct mg_clock *clock;
    struct mg_sim_can_bus *bus;
    struct mg_dbc *dbc;
    struct mg_sim_device *device; /* the meter's */
    struct mg_sim_can_meter *meter;
    struct mg_can *can;
    struct mg_can_channel *channel;
    size_t n;
    struct heard log[LOG_MAX];
    size_t n_messages, len, n_failed;
    uint8_t message[MG_PDU_MAX], numbers[64];
};

static void hear(struct mg_sim_can_node *node, const struct mg_can_frame *frame)
{
    struct bed *b = (struct bed *)node;
    assert_true(b->n < LOG_MAX);
    b->log[b->n].at_ns = mg_clock_now_ns(b->clock);
    b->log[b->n++].frame = *frame;
}

static struct bed *new_bed(const char *text)
{
    const struct mg_sim_can_bus_settings settings = {.name = "can0"};
    struct bed *b = calloc(1, sizeof *b);
    struct mg_err err = {0};
    assert_non_null(b);
    b->clock = mg_clock_create_virtual(1700000000000);
    b->bus = mg_sim_can_bus_create(NULL, b->clock, &settings, &err);
    assert_non_null(b->bus);
    b->node.frame = hear;
    mg_sim_can_bus_attach(b->bus, &b->node);
    b->dbc = mg_dbc_parse("test.dbc", text, strlen(text), &err);
    if (b->dbc == NULL) {
        fail_msg("%s", err.text);
    }
    return b;
}

static struct mg_sim_can_meter *
new_meter(struct bed *b, uint8_t node, uint64_t lived_ns,
          const struct mg_can_override *overrides, size_t n, struct mg_err *err)
{
    const struct mg_sim_profile profile = {
        .is_fixed = true,
        .fixed = {.voltage_mv = 230000, .frequency_mhz = 50000}};
    const struct mg_sim_can_meter_settings settings = {
        .clock = b->clock,
        .bus = b->bus,
        .plugin = &plugin,
        .dbc = b->dbc,
        .sides[0] = {.is_used = true, .overrides = overrides, .n_overrides = n},
        .node = node,
        .lived_ns = lived_ns};
    b->device = mg_sim_device_create(&plugin, NULL, &profile, 1, 1, node, 0, 0);
    assert_non_null(b->device);
    return mg_sim_can_meter_create(&settings, b->device, err);
}

static struct bed *with_meter(const char *text,
                              const struct mg_can_override *overrides, size_t n)
{
    struct bed *b = new_bed(text);
    struct mg_err err = {0};
    b->meter = new_meter(b, NODE, 0, overrides, n, &err);
    if (b->meter == NULL) {
        fail_msg("%s", err.text);
    }
    return b;
}

static void end(struct bed *b)
{
    mg_can_destroy(b->can);
    mg_can_channel_destroy(b->channel);
    mg_sim_can_meter_destroy(b->meter);
    mg_sim_can_bus_destroy(b->bus);
    mg_dbc_destroy(b->dbc);
    mg_clock_destroy(b->clock);
    free(b);
}

static void run_ms(struct bed *b, uint64_t ms)
{
    mg_clock_advance(b->clock, mg_clock_now_ns(b->clock) + ms * MS);
}

static size_t n_of(const struct bed *b, uint32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        n += b->log[i].frame.id == id;
    }
    return n;
}

/* The value of a signal in the last frame of its message. */
static int64_t last_of(const struct bed *b, const char *message,
                       const char *name, int exp10)
{
    const struct mg_dbc_message *m = mg_dbc_find(b->dbc, message);
    assert_non_null(m);
    for (size_t i = b->n; i > 0; i--) {
        const struct mg_can_frame *f = &b->log[i - 1].frame;
        int64_t value, resolution;
        if (f->id == m->id + NODE && f->is_extended == m->is_extended &&
            mg_dbc_decode(m, mg_dbc_find_signal(m, name), f->data, f->len,
                          exp10, &value, &resolution) == MG_OK) {
            return value;
        }
    }
    fail_msg("no %s.%s", message, name);
    return 0;
}

/* ---- The peer over ISO-TP ---- */

static void got(void *ctx, const uint8_t *data, size_t len)
{
    struct bed *b = ctx;
    assert_true(len <= sizeof b->message);
    memcpy(b->message, data, len);
    b->len = len;
    b->numbers[b->n_messages++ % sizeof b->numbers] = data[len - 1];
}

static void failed(void *ctx, int code, const char *reason)
{
    (void)code;
    (void)reason;
    ((struct bed *)ctx)->n_failed++;
}

static void sent(void *ctx, int code, const char *reason)
{
    if (code != MG_OK) {
        failed(ctx, code, reason);
    }
}

static void ask_at(struct bed *b, uint32_t request, uint32_t answer,
                   bool is_extended)
{
    static const struct mg_can_events none = {.up = NULL};
    static const struct mg_can_channel_events events = {
        .message = got, .sent = sent, .failed = failed};
    static const struct mg_isotp_settings settings = {.tx_dl = 8,
                                                      .is_padded = true,
                                                      .pad = 0xcc,
                                                      .block_size = 4,
                                                      .wait_max = 10,
                                                      .max_len = MG_PDU_MAX};
    const struct mg_can_frame rx = {.id = answer, .is_extended = is_extended};
    const struct mg_can_frame tx = {.id = request, .is_extended = is_extended};
    b->can = mg_can_create(b->clock, mg_sim_can_bus_memory(b->bus), &none, b);
    assert_non_null(b->can);
    b->channel = mg_can_channel_create(b->can, &rx, &tx, &settings, &events, b);
    assert_non_null(b->channel);
    run_ms(b, 1);
}

static void check_answer(struct bed *b, size_t len)
{
    uint8_t request[MG_PDU_MAX];
    size_t n_before = b->n_messages;
    for (size_t i = 0; i < len; i++) {
        request[i] = (uint8_t)(i * 7 + len);
    }
    assert_int_equal(mg_can_channel_send(b->channel, request, len), MG_OK);
    run_ms(b, 3000);
    assert_int_equal(b->n_messages, n_before + 1);
    assert_int_equal(b->len, len + 1);
    assert_int_equal(b->message[0], 0); /* the circuit */
    assert_memory_equal(b->message + 1, request, len);
}

/* ---- Cyclic messages ---- */

static void check_cycle(const struct bed *b, uint32_t id, uint64_t cycle_ms)
{
    uint64_t last_ns = 0;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct heard *h = &b->log[i];
        if (h->frame.id != id) {
            continue;
        }
        if (n > 0) {
            uint64_t gap_ms = (h->at_ns - last_ns) / MS;
            assert_in_range(gap_ms, cycle_ms - 20, cycle_ms + 20);
        }
        last_ns = h->at_ns;
        n++;
    }
    assert_in_range(n, 10000 / cycle_ms - 1, 10000 / cycle_ms + 1);
}

static void test_cycles(void **state)
{
    (void)state;
    struct bed *b = with_meter(own_dbc, NULL, 0);
    run_ms(b, 10000);
    check_cycle(b, 256 + NODE, 100);
    check_cycle(b, 288 + NODE, 50);
    check_cycle(b, 512 + NODE, 200);
    /* Nothing else: no message without a cycle time, no other identifier. */
    assert_int_equal(b->n, n_of(b, 256 + NODE) + n_of(b, 288 + NODE) +
                               n_of(b, 512 + NODE));
    assert_int_equal(last_of(b, "Status", "Word", 0), 0x12345678);
    assert_int_equal(last_of(b, "Live", "U1", 3), 230120);
    assert_int_equal(last_of(b, "Diag", "Temperature", 3), -4500);
    assert_int_equal(last_of(b, "Diag", "Boots", 0), 7);
    for (size_t i = 0; i < b->n; i++) {
        assert_false(b->log[i].frame.is_extended);
        assert_false(b->log[i].frame.is_fd);
        assert_int_equal(b->log[i].frame.len,
                         b->log[i].frame.id == 288 + NODE ? 2 : 8);
    }
    end(b);
}

/* What the caller let it live before counts, and time goes on from there. */
static void test_lived(void **state)
{
    (void)state;
    struct bed *b = new_bed(own_dbc);
    struct mg_err err = {0};
    b->meter = new_meter(b, NODE, 3000 * MS, NULL, 0, &err);
    assert_non_null(b->meter);
    mg_sim_can_meter_live(b->meter);
    assert_int_equal(mg_sim_device_now_ns(b->device), 3000 * MS);
    run_ms(b, 1000);
    mg_sim_can_meter_live(b->meter);
    assert_int_equal(mg_sim_device_now_ns(b->device), 4000 * MS);
    assert_in_range(last_of(b, "Status", "Ticks", 0), 194, 200);
    end(b);
}

/* The pages that were sent, in the order of their sending. */
static size_t pages_of(const struct bed *b, uint32_t ret[LOG_MAX])
{
    const struct mg_dbc_message *m = mg_dbc_find(b->dbc, "Diag");
    struct mg_dbc_signal raw = *m->multiplexor;
    size_t n = 0;
    raw.factor = (struct mg_decimal){.mantissa = 1};
    raw.offset = (struct mg_decimal){.mantissa = 0};
    raw.min = raw.max = raw.offset;
    for (size_t i = 0; i < b->n; i++) {
        const struct mg_can_frame *f = &b->log[i].frame;
        int64_t value, resolution;
        if (f->id == m->id + NODE) {
            assert_int_equal(
                mg_dbc_decode(m, &raw, f->data, f->len, 0, &value, &resolution),
                MG_OK);
            ret[n++] = (uint32_t)value;
        }
    }
    return n;
}

static void check_pages(const char *text, const uint32_t *pages, size_t n_pages)
{
    static uint32_t sent_pages[LOG_MAX];
    struct bed *b = with_meter(text, NULL, 0);
    run_ms(b, 4000);
    size_t n = pages_of(b, sent_pages);
    assert_in_range(n, 19, 21);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sent_pages[i], pages[i % n_pages]);
    }
    assert_int_equal(last_of(b, "Diag", "Temperature", 3), -4500);
    assert_int_equal(last_of(b, "Diag", "Boots", 0), 7);
    end(b);
}

static void test_pages(void **state)
{
    (void)state;
    static const uint32_t two[] = {0, 1};
    static const uint32_t far[] = {3, 200};
    static const uint32_t one[] = {9};
    check_pages(own_dbc, two, 2);
    check_pages(STATUS LIVE DIAG(BYTE, "200", "3") TRANSPORT TIMES, far, 2);
    /* Both on one page, side by side. */
    check_pages(STATUS LIVE
                "BO_ 512 Diag: 8 M\n"
                " SG_ Page M : 0|8@1+ (1,0) [0|0] \"\" M\n"
                " SG_ Temperature m9 : 8|16@1- (0.1,0) [0|0] \"degC\" M\n"
                " SG_ Boots m9 : 24|32@1+ (1,0) [0|0] \"\" M\n" TRANSPORT TIMES,
                one, 1);
}

/* The largest multiplexor value there is: the others come round as often, and
 * at once. */
static void test_huge_page(void **state)
{
    (void)state;
    static const uint32_t pages[] = {0, UINT32_MAX};
    static const uint32_t three[] = {1, 70000, UINT32_MAX - 1};
    check_pages(STATUS LIVE DIAG("0|32@1+ (1,0) [0|0]", "4294967295", "0")
                    TRANSPORT TIMES,
                pages, 2);
    check_pages(
        STATUS LIVE DIAG(
            "0|32@1+ (1,0) [0|0]", "4294967294",
            "70000") " SG_ Unknown m1 : 32|8@1+ (1,0) [0|0] \"\" M\n" TRANSPORT
            TIMES,
        three, 3);
}

/* The values of a multiplexor are raw, whatever its factor and limits say; a
 * page for which there is no value must not look like another one. */
static void test_scaled_multiplexor(void **state)
{
    (void)state;
    static const uint32_t pages[] = {1, 2, 3};
    check_pages(
        STATUS LIVE DIAG(
            "0|8@1+ (2,0) [0|0]", "1",
            "3") " SG_ Unknown m2 : 32|8@1+ (1,0) [0|0] \"\" M\n" TRANSPORT
            TIMES,
        pages, 3);
    check_pages(
        STATUS LIVE DIAG(
            "0|8@1+ (1,0) [0|1]", "1",
            "3") " SG_ Unknown m2 : 32|8@1+ (1,0) [0|0] \"\" M\n" TRANSPORT
            TIMES,
        pages, 3);
}

static void test_no_value(void **state)
{
    (void)state;
    static uint32_t pages[LOG_MAX];
    struct bed *b = with_meter(own_dbc, NULL, 0);
    run_ms(b, 100);
    assert_int_equal(mg_sim_device_set(b->device, MG_CH(TEMPERATURE, TOTAL), 1),
                     MG_OK);
    b->n = 0;
    run_ms(b, 1000);
    assert_int_equal(last_of(b, "Diag", "Temperature", 3), 0);
    assert_int_equal(last_of(b, "Diag", "Boots", 0), 7);
    assert_true(pages_of(b, pages) >= 4);
    assert_int_equal(pages[0] + pages[1], 1); /* both still come */
    end(b);
}

/* ---- Foreign databases ---- */

static void test_foreign(void **state)
{
    static const char text[] =
        "BU_: M\n"
        "BO_ 2566848512 Mess: 8 M\n" /* 18ff0000, extended */
        " SG_ Spg : 7|24@0+ (1,0) [0|0] \"mV\" M\n"
        " SG_ Temp : 24|16@1+ (0.5,-40) [0|0] \"C\" M\n"
        "BO_ 2566848768 Frage: 8 M\n"   /* 18ff0100 */
        "BO_ 2566849024 Antwort: 8 M\n" /* 18ff0200 */
        CYCLE "BA_ \"GenMsgCycleTime\" BO_ 2566848512 100;\n";
    static const struct mg_can_override overrides[] = {
        {"error_word", "none"},       {"boots", "none"},
        {"voltage_l1_v", "Mess.Spg"}, {"temperature_degc", "Mess.Temp"},
        {"request", "Frage"},         {"answer", "Antwort"}};
    (void)state;
    struct bed *b = with_meter(text, overrides, 6);
    ask_at(b, 0x18ff0100 + NODE, 0x18ff0200 + NODE, true);
    run_ms(b, 1000);
    assert_int_equal(last_of(b, "Mess", "Spg", 0), 230120);
    assert_int_equal(last_of(b, "Mess", "Temp", 3), -4500);
    assert_int_equal(b->n, n_of(b, 0x18ff0000 + NODE));
    assert_true(b->log[0].frame.is_extended);
    check_answer(b, 40);
    end(b);
}

/* Frames of CAN FD for a message that is longer than 8 bytes. */
static void test_fd(void **state)
{
    static const struct mg_can_override overrides[] = {
        {"temperature_degc", "none"}, {"boots", "none"}};
    (void)state;
    struct bed *b = with_meter(
        STATUS "BO_ 288 Live: 16 M\n"
               " SG_ U1 : 112|16@1+ (0.01,0) [0|0] \"V\" "
               "M\n" TRANSPORT CYCLE "BA_ \"GenMsgCycleTime\" BO_ 288 50;\n",
        overrides, 2);
    run_ms(b, 200);
    assert_int_equal(last_of(b, "Live", "U1", 3), 230120);
    assert_true(b->log[0].frame.is_fd);
    assert_int_equal(b->log[0].frame.len, 16);
    end(b);
}

/* A value that does not fit is not sent cut off. */
static void test_too_small(void **state)
{
    (void)state;
    struct bed *b = with_meter(
        STATUS "BO_ 288 Live: 2 M\n"
               " SG_ U1 : 0|8@1+ (1,0) [0|200] \"V\" M\n" DIAG(BYTE, "0", "1")
                   TRANSPORT TIMES,
        NULL, 0);
    run_ms(b, 200);
    assert_int_equal(last_of(b, "Live", "U1", 3), 0);
    end(b);
}

static void check_refused(const char *text,
                          const struct mg_can_override *overrides, size_t n,
                          const char *says)
{
    struct bed *b = new_bed(text);
    struct mg_err err = {0};
    assert_null(new_meter(b, NODE, 0, overrides, n, &err));
    if (strstr(err.text, says) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", err.text, says);
    }
    run_ms(b, 1000); /* no timer and no node of it is left */
    assert_int_equal(b->n, 0);
    end(b);
}

static void test_refused(void **state)
{
    static const struct mg_can_override gone = {"request", "Gone"};
    (void)state;
    check_refused(STATUS LIVE TRANSPORT, NULL, 0, "no message Diag");
    check_refused(own_dbc, &gone, 1, "no message Gone");
}

/* At an address for which the messages have no identifiers it is silent. */
static void test_beyond_identifiers(void **state)
{
    (void)state;
    struct bed *b = new_bed(STATUS LIVE DIAG(BYTE, "0", "1") TRANSPORT TIMES
                            "BA_DEF_ \"NodeStep\" INT 0 "
                            "65536;\nBA_DEF_DEF_ "
                            "\"NodeStep\" 1024;\n");
    struct mg_err err = {0};
    b->meter = new_meter(b, 2, 0, NULL, 0, &err);
    assert_non_null(b->meter);
    run_ms(b, 1000);
    assert_int_equal(b->n, 0);
    end(b);
}

/* ---- ISO-TP ---- */

static void test_answers(void **state)
{
    (void)state;
    static const size_t lengths[] = {2, 6, 7, 8, 62, 251, 252};
    struct bed *b = with_meter(own_dbc, NULL, 0);
    ask_at(b, 1728 + NODE, 1760 + NODE, false);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        check_answer(b, lengths[i]);
    }
    assert_int_equal(b->n_failed, 0);
    end(b);
}

/* Requests to others, or that are none, are left alone. */
static void test_not_its_own(void **state)
{
    (void)state;
    struct bed *b = with_meter(own_dbc, NULL, 0);
    struct mg_can_frame f = {
        .id = 1728 + NODE, .len = 8, .data = {2, 0xaa, 0xbb}};
    mg_sim_can_bus_send(b->bus, &b->node, &f); /* this one is for it */
    assert_int_equal(n_of(b, 1760 + NODE), 1);
    f.id++;
    mg_sim_can_bus_send(b->bus, &b->node, &f);
    f.id--;
    f.is_extended = true;
    mg_sim_can_bus_send(b->bus, &b->node, &f);
    f.is_extended = false;
    f.is_remote = true;
    mg_sim_can_bus_send(b->bus, &b->node, &f);
    f.is_remote = false;
    f.data[0] = 1; /* a request without an answer */
    mg_sim_can_bus_send(b->bus, &b->node, &f);
    f.len = 0;
    mg_sim_can_bus_send(b->bus, &b->node, &f);
    run_ms(b, 1000);
    assert_int_equal(n_of(b, 1760 + NODE), 1);
    end(b);
}

/* Two meters on one bus answer each for itself. */
static void test_two_meters(void **state)
{
    (void)state;
    struct bed *b = with_meter(own_dbc, NULL, 0);
    struct mg_err err = {0};
    struct mg_sim_can_meter *other = new_meter(b, NODE + 1, 0, NULL, 0, &err);
    const struct mg_can_frame f = {
        .id = 1728 + NODE + 1, .len = 8, .data = {2, 0xaa, 0xbb}};
    assert_non_null(other);
    mg_sim_can_bus_send(b->bus, &b->node, &f);
    assert_int_equal(b->n, 1);
    assert_int_equal(b->log[0].frame.id, 1760 + NODE + 1);
    assert_int_equal(b->log[0].frame.len, 8);
    run_ms(b, 1000);
    assert_int_equal(n_of(b, 288 + NODE), n_of(b, 288 + NODE + 1));
    mg_sim_can_meter_destroy(other);
    end(b);
}

static void test_unasked(void **state)
{
    (void)state;
    struct bed *b = with_meter(own_dbc, NULL, 0);
    ask_at(b, 1728 + NODE, 1760 + NODE, false);
    run_ms(b, 100);
    assert_int_equal(b->n_messages, 0);
    assert_int_equal(mg_sim_device_set(b->device, MG_CH(PULSES, TOTAL), 20),
                     MG_OK);
    run_ms(b, 200);
    assert_int_equal(b->n_messages, 20);
    for (uint8_t i = 0; i < 20; i++) {
        assert_int_equal(b->numbers[i], i); /* all, in their order */
    }
    assert_int_equal(
        mg_sim_device_set(b->device, MG_CH(PULSES_EXPORT, TOTAL), 3), MG_OK);
    run_ms(b, 2000);
    assert_int_equal(b->n_messages, 23);
    assert_int_equal(b->len, LONG_LEN);
    assert_int_equal(b->message[0], 22);
    assert_int_equal(b->n_failed, 0);
    check_answer(b, 20);
    end(b);
}

/* Nobody takes its long messages: it gives them up, one after the other, and
 * answers whoever comes then. */
static void test_unasked_unheard(void **state)
{
    (void)state;
    struct bed *b = with_meter(own_dbc, NULL, 0);
    run_ms(b, 100);
    assert_int_equal(
        mg_sim_device_set(b->device, MG_CH(PULSES_EXPORT, TOTAL), 3), MG_OK);
    run_ms(b, 10000);
    assert_int_equal(n_of(b, 1760 + NODE), 3); /* first frames only */
    ask_at(b, 1728 + NODE, 1760 + NODE, false);
    check_answer(b, 20);
    end(b);
}

/* ---- Power ---- */

static void test_power_off(void **state)
{
    (void)state;
    static const uint8_t request[] = {1, 2, 3};
    struct bed *b = with_meter(own_dbc, NULL, 0);
    ask_at(b, 1728 + NODE, 1760 + NODE, false);
    run_ms(b, 999);
    mg_sim_can_meter_live(b->meter);
    mg_sim_device_power_cycle(b->device, 5000);
    b->n = 0;
    assert_int_equal(mg_can_channel_send(b->channel, request, 3), MG_OK);
    run_ms(b, 4900);
    assert_int_equal(b->n, n_of(b, 1728 + NODE)); /* what was asked, only */
    assert_int_equal(b->n_messages, 0);
    run_ms(b, 1000);
    assert_int_equal(b->n_messages, 0); /* not answered late either */
    assert_int_equal(last_of(b, "Live", "U1", 3), 230120);
    assert_true(last_of(b, "Status", "Ticks", 0) < 50); /* a new life */
    check_answer(b, 30);
    end(b);
}

/* Power goes in the middle of an answer: the rest of it never comes. */
static void test_power_off_within(void **state)
{
    (void)state;
    struct bed *b = with_meter(own_dbc, NULL, 0);
    const struct mg_can_frame flow = {
        .id = 1728 + NODE, .len = 8, .data = {0x30}};
    run_ms(b, 100);
    assert_int_equal(
        mg_sim_device_set(b->device, MG_CH(PULSES_EXPORT, TOTAL), 2), MG_OK);
    run_ms(b, 20);
    assert_int_equal(n_of(b, 1760 + NODE), 1); /* waits for flow control */
    mg_sim_can_meter_live(b->meter);
    mg_sim_device_power_cycle(b->device, 100);
    run_ms(b, 140);
    mg_sim_can_bus_send(b->bus, &b->node, &flow);
    run_ms(b, 3000);
    assert_int_equal(n_of(b, 1760 + NODE), 1);
    end(b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_lived),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_huge_page),
        cmocka_unit_test(test_scaled_multiplexor),
        cmocka_unit_test(test_no_value),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_fd),
        cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_beyond_identifiers),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_not_its_own),
        cmocka_unit_test(test_two_meters),
        cmocka_unit_test(test_unasked),
        cmocka_unit_test(test_unasked_unheard),
        cmocka_unit_test(test_power_off),
        cmocka_unit_test(test_power_off_within)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
