/* A CAN bus of the gateway: opened, watched, and what happens to it said. */
#include <stdio.h>

#include "run/can_priv.h"
#include "run/duties.h"
#include "run/line.h"

static void up(void *ctx)
{
    struct line *line = ctx;
    line->is_up = true;
    line->reason[0] = '\0';
    mg_line_answered(line);
    mg_duties_line(line);
}

static void down(void *ctx, const struct mg_err *err)
{
    struct line *line = ctx;
    line->is_up = false;
    (void)snprintf(line->reason, sizeof line->reason, "%s", err->text);
    if (mg_complaint_fail(&line->complaint,
                          mg_clock_now_ms(line->gateway->clock))) {
        mg_event(line->gateway, NULL, MG_LOG_WARN, "line-down", NULL,
                 "line %s: %s", line->setup->id, err->text);
    }
    mg_duties_line(line);
}

/* Every change of the controller is an event, but a bus that changes all the
 * time is one in a while. */
static void state(void *ctx, const struct mg_can_status *status)
{
    struct line *line = ctx;
    struct mg_gateway *g = line->gateway;
    bool is_bad = status->state != MG_CAN_ACTIVE;
    uint64_t now_ms = mg_clock_now_ms(g->clock);
    uint64_t lasted_ms;
    uint32_t n_failures;
    mg_duties_line(line);
    if (is_bad ? !mg_complaint_fail(&line->state_complaint, now_ms)
               : !mg_complaint_ok(&line->state_complaint, now_ms, &lasted_ms,
                                  &n_failures)) {
        return;
    }
    char members[128];
    char counters[64] = "";
    (void)snprintf(members, sizeof members, "\"line\":\"%s\",\"state\":\"%s\"",
                   line->setup->id, mg_can_state_text(status->state));
    if (status->has_counters) {
        (void)snprintf(counters, sizeof counters,
                       ", %u errors sending and %u receiving",
                       status->tx_errors, status->rx_errors);
    }
    mg_event(g, NULL, is_bad ? MG_LOG_WARN : MG_LOG_INFO, "can-state", members,
             "line %s: the controller is %s%s", line->setup->id,
             mg_can_state_text(status->state), counters);
}

static void overrun(void *ctx, uint64_t n_lost)
{
    struct line *line = ctx;
    struct mg_gateway *g = line->gateway;
    if (!mg_complaint_fail(&line->overrun_complaint,
                           mg_clock_now_ms(g->clock))) {
        return;
    }
    char members[96];
    (void)snprintf(members, sizeof members, "\"line\":\"%s\",\"lost\":%llu",
                   line->setup->id, (unsigned long long)n_lost);
    mg_event(g, NULL, MG_LOG_WARN, "can-overrun", members,
             "line %s: %llu frames were lost before they could be read",
             line->setup->id, (unsigned long long)n_lost);
}

static struct mg_can_transport *open_transport(struct line *line)
{
    struct mg_gateway *g = line->gateway;
    const struct mg_setup_bus *setup = line->setup;
    if (g->settings.can_line != NULL) {
        return g->settings.can_line(g->settings.ctx,
                                    (size_t)(setup - g->setup->buses));
    }
    if (setup->type == MG_SETUP_SOCKETCAN) {
        return mg_can_transport_socketcan(g->loop, g->clock, &setup->can);
    }
    return mg_can_transport_socketcand(g->loop, g->clock, setup->host,
                                       setup->port, setup->can.interface,
                                       setup->connect_timeout_ms);
}

int mg_can_line_open(struct line *line, struct mg_err *err)
{
    static const struct mg_can_events events = {
        .up = up, .down = down, .state = state, .overrun = overrun};
    struct mg_can_transport *transport = open_transport(line);
    (void)snprintf(line->reason, sizeof line->reason,
                   "the line is not open yet");
    line->can = transport == NULL ? NULL
                                  : mg_can_create(line->gateway->clock,
                                                  transport, &events, line);
    return line->can == NULL
               ? mg_err_set(err, MG_E_NOMEM, "line %s: out of memory",
                            line->setup->id)
               : MG_OK;
}
