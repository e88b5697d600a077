/* Events: durable, numbered, on the topic `event` or m/<meter>/event. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/gateway_priv.h"

#define EVENT_KEY "event"

static const char *level_text(enum mg_log_level level)
{
    switch (level) {
    case MG_LOG_ERROR:
        return "error";
    case MG_LOG_WARN:
        return "warning";
    default:
        return "info";
    }
}

static size_t write_event(struct mg_gateway *g, const struct meter *m,
                          enum mg_log_level level, const char *event,
                          const char *members, const char *text,
                          char buf[EVENT_JSON_MAX])
{
    int64_t utc_ms = mg_clock_utc_ms(g->clock);
    char clock[2] = {(char)mg_clock_sync(g->clock), '\0'};
    struct mg_json j = mg_json_init(buf, EVENT_JSON_MAX);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "event", event);
    mg_json_member_str(&j, "level", level_text(level));
    mg_json_member_time(&j, "ts", utc_ms);
    mg_json_member_int(&j, "ts_ms", utc_ms);
    mg_json_member_str(&j, "clk", clock);
    mg_json_member_str(&j, "epoch", g->epoch);
    mg_json_member_int(&j, "seq", (int64_t)g->event_number);
    mg_json_member_str(&j, "gateway", g->setup->gateway);
    if (m != NULL) {
        mg_json_member_str(&j, "meter", m->setup->id);
    }
    mg_json_member_str(&j, "text", text);
    if (members != NULL) {
        mg_json_raw(&j, members, strlen(members));
    }
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}

/* The number and the row go into one commit, so that it is never given
 * again to another event. */
static void store_event(struct mg_gateway *g, const struct mg_store_row *row)
{
    uint64_t ticket;
    if (mg_store_append(g->store, row, &ticket) != MG_OK ||
        mg_store_put(g->store, EVENT_KEY, &g->event_number,
                     sizeof g->event_number, &ticket) != MG_OK) {
        mg_log(MG_LOG_ERROR,
               "event %llu could not be stored: the disk does "
               "not keep up",
               (unsigned long long)g->event_number);
        g->n_unstored++;
    }
}

void mg_event(struct mg_gateway *g, struct meter *m, enum mg_log_level level,
              const char *event, const char *members, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* may cut */
    va_end(args);
    if (m != NULL) {
        mg_log(level, "%s: %s", m->setup->id, text);
    } else {
        mg_log(level, "%s", text);
    }
    if (g->store == NULL) {
        return;
    }
    char buf[EVENT_JSON_MAX];
    g->event_number++;
    size_t len = write_event(g, m, level, event, members, text, buf);
    if (len == 0) {
        return; /* cannot happen: the longest text fits */
    }
    struct mg_store_row row = {.class_ = MG_ROW_EVENT,
                               .payload = buf,
                               .len = len,
                               .created_ms = mg_clock_utc_ms(g->clock)};
    if (m != NULL) {
        (void)snprintf(row.topic, sizeof row.topic, "m/%s/event", m->setup->id);
    } else {
        (void)snprintf(row.topic, sizeof row.topic, "event");
    }
    store_event(g, &row);
}

void mg_event_load(struct mg_gateway *g)
{
    struct mg_err err;
    size_t len;
    uint64_t number;
    if (mg_store_get(g->store, EVENT_KEY, &number, sizeof number, &len, &err) ==
            MG_OK &&
        len == sizeof number) {
        g->event_number = number;
    }
}
