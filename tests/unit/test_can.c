/* The CAN engine over a bus in memory, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/can.h"

#define MS 1000000ULL
#define S  (1000 * MS)

/* A transport that does as the test says; over it a memory bus is too kind. */
struct scripted {
    struct mg_can_transport base;
    int open_code, send_code;
    bool is_destroyed, is_open;
    unsigned n_opens, n_sends;
    uint64_t opened_ns[16];
    size_t n_filters;
    struct mg_can_filter filters[8];
    struct mg_clock *clock;
    uint32_t last_id;
};

struct bed {
    struct mg_clock *clock;
    struct mg_can_transport *line; /* memory, or the base of script */
    struct scripted script;
    struct mg_can *can;
    unsigned n_up, n_down, n_state, n_overrun;
    char text[MG_ERR_TEXT];
    enum mg_can_state state;
    uint64_t n_lost;
    char order[512]; /* what happened, one letter each */
    size_t n_done;
    int codes[512];
    uint32_t sent_ids[512];
    size_t n_at_peer;
    bool is_asking_more;
    bool is_cut_by_peer;
};

struct ear {
    struct mg_can_listener listener; /* first */
    struct bed *bed;
    char name;
    unsigned n;
    struct mg_can_frame last;
    uint64_t arrived_ns;
};

static void note(struct bed *b, char what)
{
    size_t len = strlen(b->order);
    if (len + 1 < sizeof b->order) {
        b->order[len] = what;
    }
}

static void up(void *ctx)
{
    struct bed *b = ctx;
    b->n_up++;
    note(b, 'U');
}

static void down(void *ctx, const struct mg_err *err)
{
    struct bed *b = ctx;
    b->n_down++;
    memcpy(b->text, err->text, sizeof b->text);
    note(b, 'D');
}

static void state(void *ctx, const struct mg_can_status *status)
{
    struct bed *b = ctx;
    b->n_state++;
    b->state = status->state;
    note(b, 'S');
}

static void overrun(void *ctx, uint64_t n_lost)
{
    struct bed *b = ctx;
    b->n_overrun++;
    b->n_lost += n_lost;
}

static const struct mg_can_events events = {
    .up = up, .down = down, .state = state, .overrun = overrun};

static void heard(struct mg_can_listener *listener,
                  const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct ear *e = (struct ear *)listener;
    e->n++;
    e->last = *frame;
    e->arrived_ns = arrived_ns;
    note(e->bed, e->name);
}

static struct ear ear(struct bed *b, char name, uint32_t id, bool is_extended)
{
    return (struct ear){
        .listener = {.id = id, .is_extended = is_extended, .frame = heard},
        .bed = b,
        .name = name};
}

static struct mg_can_frame frame_of(uint32_t id)
{
    return (struct mg_can_frame){.id = id, .len = 2, .data = {0x12, 0x34}};
}

static void done(void *ctx, int code)
{
    struct bed *b = ctx;
    b->codes[b->n_done++] = code;
    if (b->is_asking_more) {
        struct mg_can_frame f = frame_of(0x7f);
        b->is_asking_more = false;
        assert_int_equal(mg_can_send(b->can, &f, done, b),
                         mg_can_is_up(b->can) ? MG_OK : MG_E_IO);
    }
}

static void at_peer(void *ctx, const struct mg_can_frame *frame)
{
    struct bed *b = ctx;
    b->sent_ids[b->n_at_peer++] = frame->id;
    if (b->is_cut_by_peer) {
        mg_can_transport_memory_cut(b->line, "unplugged");
    }
}

static void run_ms(struct bed *b, uint64_t ms)
{
    mg_clock_advance(b->clock, mg_clock_now_ns(b->clock) + ms * MS);
}

/* ---- The scripted transport ---- */

static int script_open(struct mg_can_transport *t,
                       const struct mg_can_filter *filters, size_t n,
                       struct mg_err *err)
{
    struct scripted *s = (struct scripted *)t;
    assert_false(s->is_open);
    assert_true(n <= 8);
    s->opened_ns[s->n_opens++ % 16] = mg_clock_now_ns(s->clock);
    s->n_filters = n;
    memcpy(s->filters, filters, n * sizeof *filters);
    if (s->open_code != MG_OK) {
        return mg_err_set(err, s->open_code, "can9: no such interface");
    }
    s->is_open = true;
    return MG_OK;
}

static int script_send(struct mg_can_transport *t,
                       const struct mg_can_frame *frame, struct mg_err *err)
{
    struct scripted *s = (struct scripted *)t;
    s->n_sends++;
    s->last_id = frame->id;
    return s->send_code == MG_OK ? MG_OK
                                 : mg_err_set(err, s->send_code, "refused");
}

static void script_close(struct mg_can_transport *t)
{
    ((struct scripted *)t)->is_open = false;
}

static void script_destroy(struct mg_can_transport *t)
{
    ((struct scripted *)t)->is_destroyed = true;
}

static const struct mg_can_transport_ops script_ops = {.open = script_open,
                                                       .send = script_send,
                                                       .close = script_close,
                                                       .destroy =
                                                           script_destroy};

static void script_lost(struct bed *b, const char *why)
{
    struct mg_err err;
    (void)mg_err_set(&err, MG_E_IO, "%s", why);
    b->script.is_open = false;
    b->line->events->lost(b->line->ctx, &err);
}

static void script_opened(struct bed *b)
{
    b->line->events->opened(b->line->ctx);
}

static void script_state(struct bed *b, enum mg_can_state what)
{
    struct mg_can_status status = {.state = what};
    b->line->events->state(b->line->ctx, &status);
}

/* ---- Setting up ---- */

static struct bed *bed_new(void)
{
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->clock = mg_clock_create_virtual(0);
    return b;
}

static struct bed *bed_memory(void)
{
    struct bed *b = bed_new();
    b->line = mg_can_transport_memory(b->clock, at_peer, b);
    b->can = mg_can_create(b->clock, b->line, &events, b);
    assert_non_null(b->can);
    return b;
}

static struct bed *bed_script(void)
{
    struct bed *b = bed_new();
    b->script.base.ops = &script_ops;
    b->script.clock = b->clock;
    b->line = &b->script.base;
    b->can = mg_can_create(b->clock, b->line, &events, b);
    assert_non_null(b->can);
    return b;
}

static void bed_free(struct bed *b)
{
    mg_can_destroy(b->can);
    mg_clock_destroy(b->clock);
    free(b);
}

/* ---- Tests ---- */

static void opens_with_the_next_turn(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    assert_false(mg_can_is_up(b->can));
    assert_int_equal(mg_can_status(b->can)->state, MG_CAN_STOPPED);
    assert_ptr_equal(mg_can_clock(b->can), b->clock);
    run_ms(b, 0);
    assert_true(mg_can_is_up(b->can));
    assert_string_equal(b->order, "U"); /* and no state: nothing is new */
    assert_int_equal(mg_can_status(b->can)->state, MG_CAN_ACTIVE);
    assert_int_equal(mg_can_stats(b->can)->n_opens, 1);
    bed_free(b);
}

static void everyone_who_listens_hears_in_order(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    struct ear e[] = {ear(b, 'a', 0x123, false), ear(b, 'b', 0x123, false),
                      ear(b, 'c', 0x123, true), ear(b, 'd', 0x124, false)};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mg_can_listen(b->can, &e[i].listener), MG_OK);
    }
    run_ms(b, 5);
    struct mg_can_frame f = frame_of(0x123);
    mg_can_transport_memory_deliver(b->line, &f);
    assert_string_equal(b->order, "U"); /* not from within */
    run_ms(b, 1);
    assert_string_equal(b->order, "Uab");
    assert_int_equal(e[0].arrived_ns, 5 * MS);
    assert_memory_equal(&e[0].last, &f, sizeof f);
    f.is_extended = true;
    mg_can_transport_memory_deliver(b->line, &f);
    f.id = 0x124;
    mg_can_transport_memory_deliver(b->line, &f); /* nobody, extended */
    f.is_extended = false;
    mg_can_transport_memory_deliver(b->line, &f);
    run_ms(b, 0);
    assert_string_equal(b->order, "Uabcd");
    assert_int_equal(mg_can_stats(b->can)->n_received, 4);
    assert_int_equal(mg_can_stats(b->can)->n_foreign, 1);
    bed_free(b);
}

/* What nobody is for goes to who listens to the rest, in any form. */
static void the_rest_is_heard(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    struct ear one = ear(b, 'a', 0x123, false);
    struct ear rest = ear(b, 'r', 0, false);
    assert_int_equal(mg_can_listen(b->can, &one.listener), MG_OK);
    mg_can_listen_rest(b->can, &rest.listener);
    run_ms(b, 0);
    struct mg_can_frame f = frame_of(0x123);
    mg_can_transport_memory_deliver(b->line, &f);
    f.is_extended = true;
    mg_can_transport_memory_deliver(b->line, &f);
    run_ms(b, 0);
    assert_string_equal(b->order, "Uar");
    assert_int_equal(mg_can_stats(b->can)->n_foreign, 0);
    mg_can_listen_rest(b->can, NULL);
    run_ms(b, 0);
    mg_can_transport_memory_deliver(b->line, &f);
    run_ms(b, 0);
    assert_int_equal(rest.n, 1);
    assert_int_equal(mg_can_stats(b->can)->n_foreign, 1);
    bed_free(b);
}

/* Identifiers that share a bucket of the table do not share listeners. */
static void a_table_full_of_listeners(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    struct ear *e = calloc(MG_CAN_LISTENERS_MAX + 1, sizeof *e);
    assert_non_null(e);
    for (uint32_t i = 0; i <= MG_CAN_LISTENERS_MAX; i++) {
        e[i] = ear(b, 'x', i * 8191, true);
        assert_int_equal(mg_can_listen(b->can, &e[i].listener),
                         i < MG_CAN_LISTENERS_MAX ? MG_OK : MG_E_NOSPC);
    }
    run_ms(b, 0);
    for (uint32_t i = 0; i < MG_CAN_LISTENERS_MAX; i++) {
        struct mg_can_frame f = frame_of(i * 8191);
        f.is_extended = true;
        mg_can_transport_memory_deliver(b->line, &f);
        run_ms(b, 0);
        assert_int_equal(e[i].n, 1);
        assert_int_equal(e[i].last.id, i * 8191);
    }
    assert_int_equal(mg_can_stats(b->can)->n_foreign, 0);
    bed_free(b);
    free(e);
}

static void refuses_what_does_not_exist(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    struct ear e = ear(b, 'a', 0x800, false);
    assert_int_equal(mg_can_listen(b->can, &e.listener), MG_E_INVAL);
    e = ear(b, 'a', 0x20000000, true);
    assert_int_equal(mg_can_listen(b->can, &e.listener), MG_E_INVAL);
    e = ear(b, 'a', 1, false);
    e.listener.frame = NULL;
    assert_int_equal(mg_can_listen(b->can, &e.listener), MG_E_INVAL);
    run_ms(b, 0);
    static const struct mg_can_frame bad[] = {
        {.id = 0x800},
        {.id = 0x20000000, .is_extended = true},
        {.id = 1, .len = 9},
        {.id = 1, .len = 12},
        {.id = 1, .len = 9, .is_fd = true},
        {.id = 1, .len = 63, .is_fd = true},
        {.id = 1, .len = 0, .is_fd = true, .is_remote = true},
        {.id = 1, .len = 64, .is_fd = true, .is_remote = true}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mg_can_send(b->can, &bad[i], done, b), MG_E_INVAL);
    }
    struct mg_can_frame f = {.id = 0x1fffffff, .is_extended = true, .len = 64};
    f.is_fd = true;
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    assert_int_equal(b->n_at_peer, 1);
    bed_free(b);
}

static void sends_in_order_and_tells(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    struct mg_can_frame f = frame_of(1);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_E_IO); /* not up */
    run_ms(b, 0);
    b->is_asking_more = true;
    for (uint32_t id = 1; id <= 3; id++) {
        f = frame_of(id);
        assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    }
    assert_int_equal(mg_can_send(b->can, &f, NULL, NULL), MG_OK);
    assert_int_equal(b->n_done, 0);
    run_ms(b, 0);
    static const uint32_t ids[] = {1, 2, 3, 3, 0x7f};
    assert_int_equal(b->n_at_peer, 5);
    assert_memory_equal(b->sent_ids, ids, sizeof ids);
    assert_int_equal(b->n_done, 4);
    assert_int_equal(mg_can_stats(b->can)->n_sent, 5);
    bed_free(b);
}

static void a_full_queue_refuses_and_drains(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    run_ms(b, 0);
    script_opened(b);
    b->script.send_code = MG_E_BUSY;
    for (uint32_t i = 0; i < MG_CAN_QUEUE_MAX; i++) {
        struct mg_can_frame f = frame_of(i);
        assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    }
    struct mg_can_frame more = frame_of(0x7ff);
    assert_int_equal(mg_can_send(b->can, &more, done, b), MG_E_NOSPC);
    assert_int_equal(b->script.n_sends, 1); /* it is not asked for each */
    run_ms(b, 900);
    b->script.send_code = MG_OK;
    b->line->events->sent(b->line->ctx); /* there is room again */
    assert_int_equal(b->n_done, 0);
    assert_int_equal(b->script.n_sends, 1 + MG_CAN_QUEUE_MAX);
    run_ms(b, 900); /* no longer stuck */
    for (unsigned i = 0; i < MG_CAN_QUEUE_MAX; i++) {
        b->line->events->sent(b->line->ctx);
    }
    assert_int_equal(b->n_done, MG_CAN_QUEUE_MAX);
    assert_int_equal(b->codes[MG_CAN_QUEUE_MAX - 1], MG_OK);
    assert_int_equal(mg_can_stats(b->can)->n_dropped, 1);
    assert_int_equal(mg_can_send(b->can, &more, done, b), MG_OK);
    bed_free(b);
}

static void what_nobody_takes_is_not_kept(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    run_ms(b, 0);
    script_opened(b);
    b->script.send_code = MG_E_BUSY;
    struct mg_can_frame f = frame_of(1);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    run_ms(b, 500);
    b->line->events->sent(b->line->ctx); /* room? no */
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    run_ms(b, 499);
    assert_int_equal(b->n_done, 0);
    run_ms(b, 1);
    assert_int_equal(b->n_done, 2);
    assert_int_equal(b->codes[0], MG_E_TIMEOUT);
    assert_int_equal(b->codes[1], MG_E_TIMEOUT);
    assert_true(mg_can_is_up(b->can));
    b->script.send_code = MG_OK;
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    b->line->events->sent(b->line->ctx);
    assert_int_equal(b->codes[2], MG_OK);

    /* One frame went in between: the time starts anew. */
    b->script.send_code = MG_E_BUSY;
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    run_ms(b, 900);
    b->script.send_code = MG_OK;
    b->line->events->sent(b->line->ctx);
    b->line->events->sent(b->line->ctx);
    assert_int_equal(b->codes[3], MG_OK);
    b->script.send_code = MG_E_BUSY;
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    run_ms(b, 999);
    assert_int_equal(b->n_done, 4);
    run_ms(b, 1);
    assert_int_equal(b->codes[4], MG_E_TIMEOUT);
    bed_free(b);
}

static void fd_on_a_classic_bus_is_said(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    run_ms(b, 0);
    script_opened(b);
    struct mg_can_frame f = frame_of(1);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    b->script.send_code = MG_E_NOSUP;
    f.is_fd = true;
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    assert_int_equal(b->n_done, 0); /* in order */
    b->line->events->sent(b->line->ctx);
    assert_int_equal(b->n_done, 2);
    assert_int_equal(b->codes[0], MG_OK);
    assert_int_equal(b->codes[1], MG_E_NOSUP);
    assert_true(mg_can_is_up(b->can));
    bed_free(b);
}

static void a_lost_bus_drops_what_waits(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    run_ms(b, 0);
    struct mg_can_frame f = frame_of(1);
    b->is_asking_more = true; /* from within, and refused */
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    mg_can_transport_memory_cut(b->line, "unplugged");
    assert_string_equal(b->order, "UD");
    assert_string_equal(b->text, "unplugged");
    assert_int_equal(b->n_done, 1);
    assert_int_equal(b->codes[0], MG_E_IO);
    assert_false(mg_can_is_up(b->can));
    assert_int_equal(mg_can_status(b->can)->state, MG_CAN_STOPPED);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_E_IO);
    run_ms(b, 999);
    assert_false(mg_can_is_up(b->can));
    run_ms(b, 1);
    assert_string_equal(b->order, "UDU");
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    bed_free(b);
}

static void lost_while_sending(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    run_ms(b, 0);
    b->is_cut_by_peer = true;
    struct mg_can_frame f = frame_of(1);
    (void)mg_can_send(b->can, &f, done, b);
    assert_int_equal(b->n_done, 1);
    assert_int_equal(b->codes[0], MG_E_IO);
    b->is_cut_by_peer = false;
    run_ms(b, 1000);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    run_ms(b, 0);
    assert_int_equal(b->codes[1], MG_OK);
    bed_free(b);
}

static void failed_to_send_then_lost(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    run_ms(b, 0);
    script_opened(b);
    b->script.send_code = MG_E_IO;
    struct mg_can_frame f = frame_of(1);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    assert_int_equal(b->script.n_sends, 1);
    script_lost(b, "gone");
    assert_int_equal(b->n_done, 2);
    assert_int_equal(b->codes[1], MG_E_IO);
    bed_free(b);
}

/* 1, 2, 4, 8, 16, 30, 30 ... s; from the start again after a good time. */
static void tries_again_for_ever(void **unused)
{
    (void)unused;
    static const uint64_t at_s[] = {0, 1, 3, 7, 15, 31, 61, 91, 121};
    struct bed *b = bed_script();
    b->script.open_code = MG_E_NOTFOUND;
    run_ms(b, 125000);
    assert_int_equal(b->script.n_opens, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(b->script.opened_ns[i], at_s[i] * S);
    }
    assert_int_equal(b->n_down, 9);
    assert_int_equal(b->n_up, 0);
    assert_string_equal(b->text, "can9: no such interface");

    b->script.open_code = MG_OK;
    run_ms(b, 30000);
    script_opened(b);
    assert_int_equal(b->n_up, 1);
    run_ms(b, 59999); /* short, and nobody heard */
    uint64_t now_ns = mg_clock_now_ns(b->clock);
    script_lost(b, "gone");
    run_ms(b, 30000);
    assert_int_equal(b->script.n_opens, 11);
    assert_int_equal(b->script.opened_ns[10], now_ns + 30 * S);
    script_opened(b);
    run_ms(b, 60000);
    now_ns = mg_clock_now_ns(b->clock);
    script_lost(b, "gone");
    run_ms(b, 1000);
    assert_int_equal(b->script.opened_ns[11], now_ns + 1 * S);
    script_lost(b, "gone before it was open");
    run_ms(b, 2000);
    assert_int_equal(b->script.opened_ns[12], now_ns + 3 * S);
    script_opened(b);
    struct mg_can_frame f = frame_of(1);
    b->line->events->received(b->line->ctx, &f, 0); /* a sign of life */
    script_lost(b, "gone");
    run_ms(b, 1000);
    assert_int_equal(b->script.opened_ns[13], now_ns + 4 * S);
    bed_free(b);
}

static void warnings_are_told_once(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    run_ms(b, 0);
    struct mg_can_status status = {
        .state = MG_CAN_WARNING, .tx_errors = 97, .has_counters = true};
    mg_can_transport_memory_state(b->line, &status);
    status.tx_errors = 105;
    mg_can_transport_memory_state(b->line, &status);
    assert_int_equal(mg_can_status(b->can)->tx_errors, 105);
    status.state = MG_CAN_PASSIVE;
    mg_can_transport_memory_state(b->line, &status);
    assert_string_equal(b->order, "USS");
    assert_true(mg_can_is_up(b->can));
    assert_int_equal(mg_can_stats(b->can)->n_state_changes, 2);
    assert_string_equal(mg_can_state_text(b->state), "error-passive");
    bed_free(b);
}

static void bus_off_is_recovered_from(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    run_ms(b, 0);
    struct mg_can_frame f = frame_of(1);
    struct mg_can_status status = {.state = MG_CAN_BUS_OFF};
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    mg_can_transport_memory_state(b->line, &status);
    mg_can_transport_memory_state(b->line, &status); /* once is enough */
    assert_string_equal(b->order, "USD");
    assert_string_equal(b->text, "the controller is bus-off");
    assert_int_equal(b->codes[0], MG_E_IO);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_E_IO);
    run_ms(b, 999);
    assert_string_equal(b->order, "USD");
    run_ms(b, 1); /* opened anew */
    assert_string_equal(b->order, "USDSU");
    assert_int_equal(b->state, MG_CAN_ACTIVE);
    assert_int_equal(mg_can_stats(b->can)->n_opens, 2);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    bed_free(b);
}

/* The kernel restarts it (restart-ms) before we do. */
static void bus_off_ends_by_itself(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    run_ms(b, 0);
    struct mg_can_status status = {.state = MG_CAN_BUS_OFF};
    mg_can_transport_memory_state(b->line, &status);
    run_ms(b, 100);
    status.state = MG_CAN_ACTIVE;
    mg_can_transport_memory_state(b->line, &status);
    assert_string_equal(b->order, "USDSU");
    run_ms(b, 60000);
    assert_int_equal(mg_can_stats(b->can)->n_opens, 1);
    bed_free(b);
}

/* An interface that somebody else has to bring up. */
static void opens_stopped(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    run_ms(b, 0);
    for (unsigned i = 0; i < 3; i++) {
        script_state(b, MG_CAN_BUS_OFF);
        script_opened(b);
        run_ms(b, 1000U << i);
    }
    assert_string_equal(b->order, "SDDD");
    assert_int_equal(b->script.n_opens, 4);
    script_opened(b); /* says nothing: active */
    assert_string_equal(b->order, "SDDDSU");
    bed_free(b);
}

static void overruns_are_counted(void **unused)
{
    (void)unused;
    struct bed *b = bed_memory();
    struct ear e = ear(b, 'a', 1, false);
    assert_int_equal(mg_can_listen(b->can, &e.listener), MG_OK);
    run_ms(b, 0);
    struct mg_can_frame f = frame_of(1);
    for (unsigned i = 0; i < 260; i++) {
        mg_can_transport_memory_deliver(b->line, &f);
    }
    assert_int_equal(b->n_overrun, 4);
    assert_int_equal(b->n_lost, 4);
    run_ms(b, 0);
    assert_int_equal(e.n, 256);
    mg_can_transport_memory_cut(b->line, "unplugged");
    run_ms(b, 1000); /* the transport counts from 0 again */
    for (unsigned i = 0; i < 258; i++) {
        mg_can_transport_memory_deliver(b->line, &f);
    }
    assert_int_equal(b->n_lost, 6);
    assert_int_equal(mg_can_stats(b->can)->n_overrun, 6);
    bed_free(b);
}

static void filters_follow_the_listeners(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    struct ear e[] = {ear(b, 'a', 0x10, false), ear(b, 'b', 0x10, false),
                      ear(b, 'c', 0x10, true),  ear(b, 'd', 0x11, false),
                      ear(b, 'e', 0x10, false), ear(b, 'f', 0x12, false)};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mg_can_listen(b->can, &e[i].listener), MG_OK);
    }
    run_ms(b, 0);
    assert_int_equal(b->script.n_filters, 2);
    assert_int_equal(b->script.filters[0].id, 0x10);
    assert_int_not_equal(b->script.filters[0].is_extended,
                         b->script.filters[1].is_extended);
    assert_int_equal(mg_can_listen(b->can, &e[3].listener), MG_OK);
    run_ms(b, 0);
    assert_int_equal(b->script.n_opens, 1); /* when it is open */
    script_opened(b);
    run_ms(b, 0);
    assert_int_equal(b->script.n_opens, 2);
    assert_int_equal(b->script.n_filters, 3);
    script_opened(b);
    /* A known identifier needs nothing new. */
    assert_int_equal(mg_can_listen(b->can, &e[4].listener), MG_OK);
    run_ms(b, 1000);
    assert_int_equal(b->script.n_opens, 2);
    /* Frames on their way are waited for; later ones wait. */
    struct mg_can_frame f = frame_of(1);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    assert_int_equal(mg_can_listen(b->can, &e[5].listener), MG_OK);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    run_ms(b, 10);
    assert_int_equal(b->script.n_opens, 2);
    b->line->events->sent(b->line->ctx);
    run_ms(b, 0);
    assert_int_equal(b->script.n_opens, 3);
    assert_int_equal(b->script.n_filters, 4);
    assert_int_equal(b->script.n_sends, 1);
    script_opened(b);
    assert_int_equal(b->script.n_sends, 2);
    assert_string_equal(b->order, "U"); /* nobody noticed */
    bed_free(b);
}

static void destroying_tells_the_senders(void **unused)
{
    (void)unused;
    struct bed *b = bed_script();
    run_ms(b, 0);
    script_opened(b);
    struct mg_can_frame f = frame_of(1);
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    b->script.send_code = MG_E_BUSY;
    assert_int_equal(mg_can_send(b->can, &f, done, b), MG_OK);
    mg_can_destroy(b->can);
    b->can = NULL;
    assert_int_equal(b->n_done, 2);
    assert_int_equal(b->codes[0], MG_E_CANCELED);
    assert_int_equal(b->codes[1], MG_E_CANCELED);
    assert_true(b->script.is_destroyed);
    assert_int_equal(mg_clock_next_ns(b->clock), UINT64_MAX);
    bed_free(b);
}

static void without_a_transport_nothing(void **unused)
{
    (void)unused;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    assert_null(mg_can_create(clock, NULL, &events, NULL));
    mg_clock_destroy(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_with_the_next_turn),
        cmocka_unit_test(everyone_who_listens_hears_in_order),
        cmocka_unit_test(the_rest_is_heard),
        cmocka_unit_test(a_table_full_of_listeners),
        cmocka_unit_test(refuses_what_does_not_exist),
        cmocka_unit_test(sends_in_order_and_tells),
        cmocka_unit_test(a_full_queue_refuses_and_drains),
        cmocka_unit_test(what_nobody_takes_is_not_kept),
        cmocka_unit_test(fd_on_a_classic_bus_is_said),
        cmocka_unit_test(a_lost_bus_drops_what_waits),
        cmocka_unit_test(lost_while_sending),
        cmocka_unit_test(failed_to_send_then_lost),
        cmocka_unit_test(tries_again_for_ever),
        cmocka_unit_test(warnings_are_told_once),
        cmocka_unit_test(bus_off_is_recovered_from),
        cmocka_unit_test(bus_off_ends_by_itself),
        cmocka_unit_test(opens_stopped),
        cmocka_unit_test(overruns_are_counted),
        cmocka_unit_test(filters_follow_the_listeners),
        cmocka_unit_test(destroying_tells_the_senders),
        cmocka_unit_test(without_a_transport_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
