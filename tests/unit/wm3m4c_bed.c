#include "wm3m4c_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/wm3m4c/procedures.h"
#include "metergate/bytes.h"

#define MAX_STEPS 2000
#define DATASET                                                                \
    "{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\",\"MM\":"  \
    "\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],\"IT\":\"NONE\","      \
    "\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}"

static uint16_t *reg(struct bed_meter *m, unsigned number)
{
    return &m->holding[number - 40000];
}

static uint32_t get_long(struct bed_meter *m, unsigned number)
{
    return (uint32_t)*reg(m, number) << 16 | *reg(m, number + 1);
}

static void put_long(struct bed_meter *m, unsigned number, uint32_t value)
{
    *reg(m, number) = (uint16_t)(value >> 16);
    *reg(m, number + 1) = (uint16_t)value;
}

void bed_meter_init(struct bed_meter *m)
{
    memset(m, 0, sizeof *m);
    m->input[13] = 208;
    m->sign_ms = 300;
    m->output_len = 501;
    m->signature_len = 71;
    m->baud = 115200;
    m->clock_off_ms = -40000; /* it has no battery */
    *reg(m, 40174) = 10;
    *reg(m, 40203) = 7;
    *reg(m, 47060) = 4;
    *reg(m, 47069) = 0x0100;
    *reg(m, 47053) = 60;
    put_long(m, 47013, 82211);
    put_long(m, 47011, 7);
    for (unsigned i = 0; i < 32; i++) {
        *reg(m, 48124 + i) = (uint16_t)(0xa000 + i);
    }
}

void bed_meter_power_cycle(struct bed_meter *m)
{
    if (*reg(m, 47000) != 0) {
        *reg(m, 47000) = 2;
    }
    m->is_signing = false;
    *reg(m, 47052) = 0;
    *reg(m, 47056) = 0;
    *reg(m, 47057) = 0;
    *reg(m, 47058) = 0;
    *reg(m, 47071) = 0;
    memset(reg(m, 47100), 0, 1024 * sizeof(uint16_t));
    m->clock_off_ms = -BED_UTC_MS;
}

/* ---- Signing ---- */

static void put_text(struct bed_meter *m, unsigned number, const uint8_t *bytes,
                     size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint16_t *r = reg(m, number + (unsigned)i / 2);
        unsigned content = i % 2 == 0 ? (unsigned)bytes[i] << 8 | 0xee
                                      : (*r & 0xff00U) | bytes[i];
        *r = (uint16_t)content;
    }
}

static void fill(uint8_t *bytes, size_t len, const char *head, uint8_t salt)
{
    size_t n = strlen(head);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = i < n ? (uint8_t)head[i] : (uint8_t)('!' + (i + salt) % 90);
    }
}

static void count_up(struct bed_meter *m)
{
    unsigned number = m->letter == 'f' ? 47011 : 47013;
    put_long(m, number, get_long(m, number) + 1);
}

static void finish(struct bed_meter *m)
{
    uint8_t bytes[2048];
    char head[64];
    m->is_signing = false;
    if (!m->counts_at_once && m->error == 0) {
        count_up(m);
    }
    if (m->error != 0) {
        *reg(m, 47052) = m->error;
        return;
    }
    (void)snprintf(head, sizeof head, "{\"PG\":\"T%u\",\"TX\":\"%c\"}",
                   get_long(m, 47013), m->letter);
    fill(bytes, sizeof bytes, head, (uint8_t)m->n_carried_out);
    *reg(m, 47057) = m->output_len;
    *reg(m, 47058) = m->signature_len;
    put_text(m, 47612, bytes, m->output_len < 1024 ? m->output_len : 1024);
    fill(bytes, sizeof bytes, "0E", (uint8_t)m->n_carried_out);
    put_text(m, 48188, bytes, m->signature_len < 256 ? m->signature_len : 256);
    *reg(m, 47052) = 15;
}

static void tick(struct bed_meter *m, uint32_t ms)
{
    m->now_ms += ms;
    if (m->host.ask != NULL) {
        m->host.run(m->host.self, ms);
        return;
    }
    if (m->is_signing && m->now_ms >= m->shown_at_ms) {
        *reg(m, 47052) = 2;
    }
    if (m->is_signing && m->now_ms >= m->signed_at_ms && !m->never_signs) {
        finish(m);
    }
    int64_t s = (BED_UTC_MS + (int64_t)m->now_ms + m->clock_off_ms) / 1000;
    bool is_local = (*reg(m, 47073) & 1) == 0;
    put_long(m, 47007,
             (uint32_t)(s + (is_local ? (int16_t)*reg(m, 47053) * 60 : 0)));
}

/* Table 11. */
static bool is_valid(struct bed_meter *m, char letter)
{
    bool is_idle = *reg(m, 47000) == 0;
    switch (letter) {
    case 'B':
    case 'i':
        return is_idle;
    case 'f':
        return true;
    default:
        return !is_idle && strchr("ELRAPCXTSrh", letter) != NULL;
    }
}

static void command(struct bed_meter *m, char letter)
{
    m->commands[m->n_commands++ % sizeof m->commands] = letter;
    if (!is_valid(m, letter)) {
        *reg(m, 47052) = 131;
        return;
    }
    assert_false(m->is_signing);
    m->n_carried_out++;
    if (letter == 'B') {
        *reg(m, 47000) = 1;
    } else if (strchr("ELRAPr", letter) != NULL) {
        *reg(m, 47000) = 0;
    }
    if (letter == 'h') {
        put_long(m, 47035, (uint32_t)(m->now_ms / 1000) + 1000);
        put_long(m, 47037, 123456);
        return;
    }
    m->letter = letter;
    m->is_signing = true;
    m->shown_at_ms = m->now_ms + m->latency_ms;
    m->signed_at_ms = m->shown_at_ms + m->sign_ms;
    if (m->counts_at_once) {
        count_up(m);
    }
    tick(m, 0);
}

/* ---- Requests ---- */

static size_t except(uint8_t *pdu, uint8_t function, uint8_t code)
{
    pdu[0] = (uint8_t)(function | 0x80);
    pdu[1] = code;
    return 2;
}

static void set_time(struct bed_meter *m)
{
    bool is_local = (*reg(m, 47073) & 1) == 0;
    int64_t s = (int64_t)get_long(m, 47054) -
                (is_local ? (int16_t)*reg(m, 47053) * 60 : 0);
    /* 5.5.4: not possible during charging. */
    assert_int_not_equal(*reg(m, 47000), 1);
    m->clock_off_ms = s * 1000 - BED_UTC_MS - (int64_t)m->now_ms;
    m->n_time_writes++;
}

static void written(struct bed_meter *m, unsigned number, unsigned n)
{
    if (number == 47051) {
        command(m, (char)(*reg(m, 47051) >> 8));
    } else if (number == 47054) {
        assert_int_equal(n, 2);
        set_time(m);
    } else if (number >= 47100 && number < 47612) {
        m->n_dataset_writes++;
    } else if (number == 47070 && (*reg(m, 47070) & 1) != 0) {
        put_long(m, 47001, 0);
        put_long(m, 47003, 0);
    } else if (number == 40203) {
        m->baud = 1200; /* all but 115200 in these tests */
    }
}

static bool is_writable(unsigned number)
{
    return number == 40012 || number == 40174 || number == 40203 ||
           number == 47051 || (number >= 47053 && number <= 47056) ||
           number == 47059 || (number >= 47061 && number <= 47076) ||
           (number >= 47100 && number < 47612);
}

static size_t write_pdu(struct bed_meter *m, const uint8_t *pdu, size_t len,
                        uint8_t *ret)
{
    struct mg_rd r = mg_rd_init(pdu, len);
    unsigned function = mg_rd_u8(&r);
    unsigned address = mg_rd_be16(&r);
    unsigned n = 1;
    if (function == 16) {
        n = mg_rd_be16(&r);
        assert_int_equal(mg_rd_u8(&r), 2 * n);
        assert_true(n >= 1 && n <= 120);
    }
    if (m->refuses != 0 && address + 40000 == m->refused) {
        return except(ret, (uint8_t)function, m->refuses);
    }
    for (unsigned i = 0; i < n; i++) {
        uint16_t value = mg_rd_be16(&r);
        unsigned number = address + i + 40000;
        assert_true(is_writable(number));
        if (number != m->spoils && !m->is_deaf) {
            *reg(m, number) = value;
        }
    }
    assert_false(r.failed);
    assert_int_equal(mg_rd_left(&r), 0);
    if (!m->is_deaf) {
        written(m, address + 40000, n);
    }
    memcpy(ret, pdu, 5);
    return 5;
}

static size_t read_pdu(struct bed_meter *m, const uint8_t *pdu, size_t len,
                       uint8_t *ret)
{
    unsigned address = (unsigned)pdu[1] << 8 | pdu[2];
    unsigned n = (unsigned)pdu[3] << 8 | pdu[4];
    assert_int_equal(len, 5);
    assert_true(n >= 1 && n <= 120);
    bool is_input = pdu[0] == 4;
    if (!is_input && address + 40000 == m->dies_at) {
        m->dies_at = 0;
        bed_meter_power_cycle(m);
    }
    if (is_input && address == 13 && m->has_no_version) {
        return except(ret, 4, 2);
    }
    struct mg_wr w = mg_wr_init(ret, MG_PDU_MAX);
    mg_put_u8(&w, pdu[0]);
    mg_put_u8(&w, 2 * n);
    for (unsigned i = 0; i < n; i++) {
        unsigned at = address + i;
        /* Nobody describes these. */
        assert_false(!is_input && at > 7042 && at < 7051);
        mg_put_be16(&w, is_input ? m->input[at] : m->holding[at]);
    }
    assert_false(w.failed);
    return w.len;
}

static size_t answer(struct bed_run *r, uint8_t *ret)
{
    struct bed_meter *m = r->meter;
    const struct mg_step_out *out = &r->out;
    uint32_t baud = out->baud != 0 ? out->baud : 115200;
    if (m->host.ask != NULL) {
        return m->host.ask(m->host.self, out->pdu, out->pdu_len, ret);
    }
    if (baud != m->baud) {
        return 0;
    }
    return out->pdu[0] == 3 || out->pdu[0] == 4
               ? read_pdu(m, out->pdu, out->pdu_len, ret)
               : write_pdu(m, out->pdu, out->pdu_len, ret);
}

/* ---- Runner ---- */

void bed_run_init(struct bed_run *r, struct bed_meter *m, const char *verb)
{
    memset(r, 0, sizeof *r);
    r->meter = m;
    r->clock = MG_CLOCK_SYNCED;
    r->text = DATASET;
    r->text_len = sizeof DATASET - 1;
    r->options = (struct wm3m4c_options){.crypto = 1,
                                         .end_format = 1,
                                         .clock_timeout_min = 1440,
                                         .lcd_row2 = -1};
    for (size_t i = 0; i < WM3M4C_N_PROCEDURES; i++) {
        if (strcmp(wm3m4c_procedures[i].verb, verb) == 0) {
            r->procedure = &wm3m4c_procedures[i];
        }
    }
    assert_non_null(r->procedure);
}

static void forget_result(struct bed_run *r)
{
    memset(r->chunk_len, 0, sizeof r->chunk_len);
    r->n_values = 0;
}

static void check_out(struct bed_run *r)
{
    const struct mg_step_out *out = &r->out;
    assert_non_null(memchr(out->reason, 0, sizeof out->reason));
    assert_true(out->n_values <= MG_STEP_VALUES_MAX);
    assert_true(r->n_values + out->n_values <= 64);
    memcpy(r->values + r->n_values, out->values,
           out->n_values * sizeof *out->values);
    r->n_values += out->n_values;
    if (out->chunk_len > 0) {
        size_t *len = &r->chunk_len[out->chunk_kind];
        assert_true(*len + out->chunk_len <= sizeof r->chunks[0]);
        memcpy(r->chunks[out->chunk_kind] + *len, out->chunk, out->chunk_len);
        *len += out->chunk_len;
    }
    if (out->action == MG_STEP_WAIT) {
        assert_true(out->wait_ms > 0 && out->wait_ms <= 1000);
    } else if (out->action == MG_STEP_FAIL) {
        assert_true(out->code < 0 && out->reason[0] != '\0');
    }
}

static void check_send(struct bed_run *r)
{
    const struct mg_step_out *out = &r->out;
    assert_true(out->pdu_len >= 5 && out->pdu_len <= MG_PDU_MAX);
    bool is_write = out->pdu[0] == 6 || out->pdu[0] == 16;
    assert_true(is_write || out->pdu[0] == 3 || out->pdu[0] == 4);
    /* What acts, and nothing else, says so. */
    assert_int_equal(out->has_effect, is_write);
    if (!is_write) {
        return;
    }
    memcpy(r->stored, r->state, sizeof r->stored);
    r->is_stored = true;
    r->n_effects++;
    assert_true(r->n_log < BED_LOG_MAX);
    struct mg_rd rd = mg_rd_init(out->pdu, out->pdu_len);
    struct bed_write *w = &r->log[r->n_log++];
    w->function = mg_rd_u8(&rd);
    w->address = mg_rd_be16(&rd);
    w->n = w->function == 16 ? mg_rd_be16(&rd) : 1;
    if (w->function == 16) {
        (void)mg_rd_u8(&rd);
    }
    w->first = mg_rd_be16(&rd);
}

static void step(struct bed_run *r, struct mg_step_in *in)
{
    if (in->event == MG_STEP_RESUME) {
        forget_result(r);
        memset(r->state, 0, sizeof r->state);
        r->boot_ms = r->meter->now_ms;
        if (r->is_stored) {
            memcpy(r->state, r->stored, sizeof r->state);
        } else {
            in->event = MG_STEP_START; /* the gateway knows nothing of it */
        }
    }
    memset(&r->out, 0, sizeof r->out);
    in->now_ms = r->meter->now_ms - r->boot_ms;
    in->utc_ms = BED_UTC_MS + (int64_t)r->meter->now_ms;
    r->procedure->step(r->state, in, &r->out);
    r->n_steps++;
    check_out(r);
    if (r->out.action == MG_STEP_SEND) {
        check_send(r);
    }
}

static void deliver(struct bed_run *r, struct mg_step_in *in, uint8_t *pdu)
{
    size_t len = answer(r, pdu);
    in->pdu = pdu;
    in->pdu_len = len;
    in->event = MG_STEP_REPLY;
    if (len == 0) {
        in->event = MG_STEP_TIMEOUT;
    } else if ((pdu[0] & 0x80) != 0) {
        in->event = MG_STEP_EXCEPTION;
        in->exception = pdu[1];
    }
}

static void upset(struct bed_run *r, struct mg_step_in *in, uint8_t *pdu,
                  enum bed_trouble trouble)
{
    static const enum mg_step_event EVENTS[BED_N_TROUBLES] = {
        [BED_LOST_REQUEST] = MG_STEP_TIMEOUT,
        [BED_LOST_ANSWER] = MG_STEP_TIMEOUT,
        [BED_BUSY] = MG_STEP_EXCEPTION,
        [BED_GARBLED] = MG_STEP_REPLY,
        [BED_CANCELED] = MG_STEP_CANCEL,
        [BED_RESTARTED] = MG_STEP_RESUME,
        [BED_NOT_SENT] = MG_STEP_RESUME,
        [BED_SILENCE] = MG_STEP_TIMEOUT};
    bool is_delivered = trouble == BED_LOST_ANSWER || trouble == BED_GARBLED ||
                        trouble == BED_CANCELED || trouble == BED_RESTARTED;
    bool is_wait = r->out.action == MG_STEP_WAIT;
    if (is_delivered && !is_wait) {
        (void)answer(r, pdu);
    }
    in->event = EVENTS[trouble];
    in->exception = 6;
    in->pdu = NULL;
    in->pdu_len = 0;
    if (trouble == BED_GARBLED) {
        pdu[0] = 3;
        pdu[1] = 0;
        in->pdu = pdu;
        in->pdu_len = 2;
    }
    if (in->event == MG_STEP_TIMEOUT) {
        tick(r->meter, 500);
    }
}

/* A WAIT is only ended by a cancel or a restart. */
static bool is_upset(const struct bed_run *r, unsigned at,
                     enum bed_trouble trouble)
{
    bool is_wait = r->out.action == MG_STEP_WAIT;
    if (trouble == BED_SILENCE) {
        return r->n_steps >= at && !is_wait;
    }
    return trouble != BED_NO_TROUBLE && r->n_steps == at &&
           (!is_wait || trouble == BED_CANCELED || trouble == BED_RESTARTED);
}

static struct mg_step_in input_of(const struct bed_run *r,
                                  enum mg_step_event event)
{
    return (struct mg_step_in){.event = event,
                               .clock = (uint8_t)r->clock,
                               .options = &r->options,
                               .args = r->args,
                               .text = r->text,
                               .text_len = r->text_len,
                               .unit = 33};
}

static void go_on(struct bed_run *r, struct mg_step_in *in, unsigned at,
                  enum bed_trouble trouble)
{
    uint8_t pdu[MG_PDU_MAX];
    tick(r->meter, 0);
    step(r, in);
    while (r->out.action == MG_STEP_SEND || r->out.action == MG_STEP_WAIT) {
        assert_true(r->n_steps < MAX_STEPS);
        if (is_upset(r, at, trouble)) {
            upset(r, in, pdu, trouble);
        } else if (r->out.action == MG_STEP_WAIT) {
            tick(r->meter, r->out.wait_ms);
            in->event = MG_STEP_WOKE;
        } else {
            deliver(r, in, pdu);
        }
        tick(r->meter, 10);
        step(r, in);
    }
}

unsigned bed_play(struct bed_run *r, unsigned at, enum bed_trouble trouble)
{
    struct mg_step_in in = input_of(r, MG_STEP_START);
    forget_result(r);
    memset(r->state, 0, sizeof r->state);
    r->is_stored = false;
    r->n_steps = 0;
    r->n_effects = 0;
    r->n_log = 0;
    go_on(r, &in, at, trouble);
    return r->n_steps;
}

void bed_resume(struct bed_run *r)
{
    struct mg_step_in in = input_of(r, MG_STEP_RESUME);
    go_on(r, &in, BED_NOWHERE, BED_NO_TROUBLE);
}

void bed_session(struct bed_run *r, struct bed_meter *m, unsigned op)
{
    const struct mg_session_args args = {
        .op = (uint8_t)op, .reason = 'R', .offset_min = 120};
    bed_run_init(r, m, "session");
    memcpy(r->args, &args, sizeof args);
    (void)bed_play(r, BED_NOWHERE, BED_NO_TROUBLE);
}

const struct mg_value *bed_value(const struct bed_run *r, mg_channel channel)
{
    const struct mg_value *found = NULL;
    for (size_t i = 0; i < r->n_values; i++) {
        if (r->values[i].channel == channel) {
            found = &r->values[i];
        }
    }
    return found;
}

void bed_assert_done(const struct bed_run *r)
{
    if (r->out.action != MG_STEP_DONE) {
        fail_msg("fails with %d: %s", r->out.code, r->out.reason);
    }
}

void bed_assert_failed(const struct bed_run *r, int code, const char *part)
{
    assert_int_equal(r->out.action, MG_STEP_FAIL);
    if (r->out.code != code || strstr(r->out.reason, part) == NULL) {
        fail_msg("code %d, \"%s\"; code %d with \"%s\" expected", r->out.code,
                 r->out.reason, code, part);
    }
}

static void assert_bytes(struct bed_meter *m, unsigned number,
                         const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint16_t content = *reg(m, number + (unsigned)i / 2);
        assert_int_equal(bytes[i], i % 2 == 0 ? content >> 8 : content & 0xff);
    }
}

void bed_assert_record(const struct bed_run *r)
{
    struct bed_meter *m = r->meter;
    enum mg_chunk_kind kind = *reg(m, 47059) == 1 ? MG_CHUNK_SIGNATURE_BASE64
                                                  : MG_CHUNK_SIGNATURE_DER;
    enum mg_chunk_kind other = *reg(m, 47059) == 1 ? MG_CHUNK_SIGNATURE_DER
                                                   : MG_CHUNK_SIGNATURE_BASE64;
    assert_int_equal(r->chunk_len[MG_CHUNK_PAYLOAD], *reg(m, 47057));
    assert_int_equal(r->chunk_len[kind], *reg(m, 47058));
    assert_int_equal(r->chunk_len[other], 0);
    assert_int_equal(r->chunk_len[MG_CHUNK_PUBLIC_KEY], 64);
    assert_bytes(m, 47612, r->chunks[MG_CHUNK_PAYLOAD], *reg(m, 47057));
    assert_bytes(m, 48188, r->chunks[kind], *reg(m, 47058));
    assert_bytes(m, 48124, r->chunks[MG_CHUNK_PUBLIC_KEY], 64);
}
