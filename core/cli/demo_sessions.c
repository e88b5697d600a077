#include "cli/demo_sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS    1000
#define FIRST_S    3
#define CHARGE_S   15
#define PAUSE_S    5
#define METERS_MAX 16

struct charger {
    struct demo_sessions *owner;
    size_t meter;
    unsigned number, seconds; /* until the next step */
    bool is_charging, is_waiting;
};

struct demo_sessions {
    uv_timer_t timer;
    struct mg_gateway *gateway;
    const struct mg_setup *setup;
    size_t n;
    struct charger chargers[METERS_MAX];
    unsigned n_records, n_charging;
    char last[160];
};

/* All that sign, those of a charging station with two meters in one, and one
 * that is neither: for these the station signs. */
static bool may_charge(const struct mg_setup_meter *meter, bool *has_station)
{
    if ((meter->plugin->capabilities & (MG_CAP_SIGNS | MG_CAP_TELEGRAM)) != 0 ||
        meter->plugin->circuit != NULL) {
        return true;
    }
    bool is_first = !*has_station;
    *has_station = true;
    return is_first;
}

static void note(struct demo_sessions *s, const struct mg_dataset *d)
{
    s->n_records++;
    int64_t wh = d->begin_mwh == INT64_MIN || d->end_mwh == INT64_MIN
                     ? 0
                     : (d->end_mwh - d->begin_mwh) / 1000;
    (void)snprintf(s->last, sizeof s->last,
                   "%s: %c%llu of %s, %lld.%03lld kWh, %s%s", d->meter,
                   d->context, (unsigned long long)d->pagination, d->serial,
                   (long long)(wh / 1000), (long long)(wh % 1000), d->verdict,
                   d->is_billable ? ", billable" : "");
}

static void done(void *ctx, const struct mg_session_result *result)
{
    struct charger *c = ctx;
    bool was_charging = c->is_charging;
    c->is_waiting = false;
    if (result->code != MG_OK) {
        c->seconds = PAUSE_S; /* asked again */
        return;
    }
    if (was_charging && result->dataset != NULL) {
        note(c->owner, result->dataset);
    }
    c->is_charging = !was_charging;
    c->seconds = c->is_charging ? CHARGE_S : PAUSE_S;
    c->number += was_charging;
}

static void step(struct charger *c)
{
    struct demo_sessions *s = c->owner;
    if (c->is_waiting || c->seconds-- > 0) {
        return;
    }
    c->seconds = 0;
    struct mg_session_request r = {.verb = c->is_charging ? MG_VERB_END
                                                          : MG_VERB_BEGIN,
                                   .reason = 'L',
                                   .is_assigned = true,
                                   .n_flags = 1,
                                   .flags = {"RFID_PLAIN"},
                                   .type = "ISO14443",
                                   .data = "1F2D3A4F5506C7"};
    (void)snprintf(r.transaction, sizeof r.transaction, "demo-%s-%u",
                   s->setup->meters[c->meter].id, c->number);
    c->is_waiting = true;
    mg_gateway_session(s->gateway, c->meter, &r, done, c);
}

static void tick(uv_timer_t *timer)
{
    struct demo_sessions *s = timer->data;
    s->n_charging = 0;
    for (size_t i = 0; i < s->n; i++) {
        step(&s->chargers[i]);
        s->n_charging += s->chargers[i].is_charging;
    }
}

struct demo_sessions *demo_sessions_create(uv_loop_t *loop,
                                           struct mg_gateway *gateway,
                                           const struct mg_setup *setup)
{
    struct demo_sessions *s = calloc(1, sizeof *s);
    if (s == NULL || uv_timer_init(loop, &s->timer) != 0) {
        free(s);
        return NULL;
    }
    bool has_station = false;
    s->gateway = gateway;
    s->setup = setup;
    for (size_t i = 0; i < setup->n_meters && s->n < METERS_MAX; i++) {
        if (may_charge(&setup->meters[i], &has_station)) {
            s->chargers[s->n] =
                (struct charger){.owner = s,
                                 .meter = i,
                                 .number = 1,
                                 .seconds = FIRST_S + (unsigned)s->n};
            s->n++;
        }
    }
    s->timer.data = s;
    (void)uv_timer_start(&s->timer, tick, TICK_MS, TICK_MS);
    return s;
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void demo_sessions_destroy(struct demo_sessions *s)
{
    if (s != NULL) {
        uv_close((uv_handle_t *)&s->timer, closed);
    }
}

void demo_sessions_text(const struct demo_sessions *s, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%u charging, %u signed record%s%s%s",
                   s->n_charging, s->n_records, s->n_records == 1 ? "" : "s",
                   s->n_records == 0 ? "" : "; the last ", s->last);
}
