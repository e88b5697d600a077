#include "store/report.h"

#include <stdatomic.h>

void store__report_send(struct mg_store *s)
{
    /* libuv below 1.53 does not order our writes before its own flag. */
    atomic_thread_fence(memory_order_seq_cst);
    (void)uv_async_send(&s->async); /* fails only for a wrong handle */
}

void store__trouble_add(struct mg_store *s, struct store_trouble *t,
                        const struct store_dropped *dropped,
                        const struct mg_err *err)
{
    bool is_first_drop = t->dropped.n_rows == 0 && dropped->n_rows > 0;
    t->is_on = true;
    t->last_ns = uv_hrtime();
    t->dropped.n_rows += dropped->n_rows;
    t->dropped.n_readings += dropped->n_readings;
    if (!mg_complaint_fail(&t->complaint, t->last_ns / 1000000) &&
        !is_first_drop) {
        return;
    }
    uv_mutex_lock(&s->mutex);
    s->report.is_trouble = true;
    s->report.is_over = false;
    s->report.dropped = t->dropped;
    s->report.err = *err;
    uv_mutex_unlock(&s->mutex);
    store__report_send(s);
}

void store__trouble_end(struct mg_store *s, struct store_trouble *t,
                        bool is_last)
{
    *t = (struct store_trouble){0};
    if (!is_last) {
        return;
    }
    uv_mutex_lock(&s->mutex);
    s->report.is_over = true;
    uv_mutex_unlock(&s->mutex);
    store__report_send(s);
}

/* A callback may close the store: then nothing more is said. */
static bool is_closing(const struct mg_store *s)
{
    return uv_is_closing((const uv_handle_t *)&s->async);
}

void store__report_deliver(struct mg_store *s)
{
    uv_mutex_lock(&s->mutex);
    struct store_report r = s->report;
    s->report = (struct store_report){0};
    uv_mutex_unlock(&s->mutex);
    if (r.is_durable && s->events.durable != NULL && !is_closing(s)) {
        s->events.durable(s->ctx, r.durable_ticket);
    }
    if (s->events.trouble == NULL) {
        return;
    }
    if (r.is_trouble && !is_closing(s)) {
        s->events.trouble(s->ctx, r.dropped.n_rows, r.dropped.n_readings,
                          &r.err);
    }
    if (r.is_over && !is_closing(s)) {
        struct mg_err ok;
        (void)mg_err_set(&ok, MG_OK, "the store takes rows again");
        s->events.trouble(s->ctx, 0, 0, &ok);
    }
}
