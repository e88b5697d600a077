#include "run/line.h"

#include <stdio.h>

#include "run/can_priv.h"

static void line_up(void *ctx)
{
    struct line *line = ctx;
    line->is_up = true;
    line->reason[0] = '\0';
}

void mg_line_answered(struct line *line)
{
    uint64_t lasted_ms;
    uint32_t n_failures;
    if (mg_complaint_ok(&line->complaint, mg_clock_now_ms(line->gateway->clock),
                        &lasted_ms, &n_failures)) {
        mg_log(MG_LOG_INFO, "line %s: up again after %llu s, failures: %u",
               line->setup->id, (unsigned long long)(lasted_ms / 1000),
               n_failures);
    }
}

static void line_down(void *ctx, const struct mg_err *err)
{
    struct line *line = ctx;
    line->is_up = false;
    (void)snprintf(line->reason, sizeof line->reason, "%s", err->text);
    if (mg_complaint_fail(&line->complaint,
                          mg_clock_now_ms(line->gateway->clock))) {
        mg_event(line->gateway, NULL, MG_LOG_WARN, "line-down", NULL,
                 "line %s: %s", line->setup->id, err->text);
    }
}

static struct mg_transport *open_transport(struct line *line)
{
    struct mg_gateway *g = line->gateway;
    const struct mg_setup_bus *setup = line->setup;
    if (g->settings.line != NULL) {
        return g->settings.line(g->settings.ctx,
                                (size_t)(setup - g->setup->buses));
    }
    if (setup->modbus.framing == MG_MODBUS_RTU) {
        return mg_transport_tty(g->loop, &setup->tty);
    }
    return mg_transport_tcp(g->loop, g->clock, setup->host, setup->port,
                            setup->connect_timeout_ms);
}

int mg_line_open(struct line *line, struct mg_err *err)
{
    if (mg_setup_is_can(line->setup)) {
        return mg_can_line_open(line, err);
    }
    static const struct mg_modbus_events events = {.up = line_up,
                                                   .down = line_down};
    struct mg_transport *transport = open_transport(line);
    if (transport == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "line %s: out of memory",
                          line->setup->id);
    }
    (void)snprintf(line->reason, sizeof line->reason,
                   "the line is not open yet");
    line->bus = mg_modbus_create(line->gateway->clock, transport,
                                 &line->setup->modbus, &events, line);
    if (line->bus == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "line %s: out of memory",
                          line->setup->id);
    }
    return MG_OK;
}

int mg_line_add_meter(struct meter *m, struct mg_err *err)
{
    if (m->can != NULL) {
        return mg_can_meter_attach(m, err);
    }
    struct mg_modbus_unit_settings settings = {
        .unit = m->address,
        .timeout_ms = m->setup->timeout_ms,
        .gap_ms = m->setup->gap_ms,
    };
    m->unit = mg_modbus_add_unit(m->line->bus, &settings);
    if (m->unit == NULL) {
        return mg_err_set(err, MG_E_NOSPC, "line %s: more than 247 meters",
                          m->line->setup->id);
    }
    return MG_OK;
}
