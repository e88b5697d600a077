/* Polls one meter: at each due time the live group, now and then the slow
 * group, after a reconnect the identification. One request at a time, so that
 * the bus engine can serve the meters of a line in turn.
 *
 * Due times are start + offset + k * interval: a late poll is skipped and
 * counted, never shifted. */
#include <stdio.h>
#include <string.h>

#include "run/can_priv.h"

/* A group that the meter keeps silent about is not asked for again before its
 * time after so many tries. */
#define GROUP_TRIES 2

static void submit(struct meter *m);

static struct meter *meter_of_request(struct mg_modbus_request *request)
{
    return (struct meter *)((char *)request - offsetof(struct meter, request));
}

static void note_trouble(struct meter *m, const char *text)
{
    if (m->trouble[0] == '\0') {
        (void)snprintf(m->trouble, sizeof m->trouble, "%.*s",
                       (int)sizeof m->trouble - 1, text);
    }
}

static const struct mg_plan_block *current_block(const struct meter *m)
{
    return &m->plan->plan.blocks[m->block];
}

static bool is_in_group(const struct meter *m, uint16_t block)
{
    const struct mg_plan *plan = &m->plan->plan;
    return block < plan->n_blocks && plan->blocks[block].group == m->group;
}

static void begin_sample(struct meter *m)
{
    m->sample.n_values = 0;
    m->sample.text_len = 0;
    m->sample.utc_ms = 0;
    m->sample.mono_ns = 0;
    m->sample.seq = 0;
    m->sample.group = m->group;
    m->is_group_asked = m->is_group_known = false;
}

static bool enter_group(struct meter *m, uint8_t group)
{
    const struct mg_plan *plan = &m->plan->plan;
    m->wants[group] = false;
    for (uint16_t i = 0; i < plan->n_blocks; i++) {
        if (plan->blocks[i].group == group) {
            m->group = group;
            m->block = i;
            begin_sample(m);
            return true;
        }
    }
    return false;
}

/* Enter the next wanted group that has blocks: identification first, so that
 * counters are compared with those of the same meter.
 * @return false: none is left */
static bool next_group(struct meter *m)
{
    static const uint8_t order[] = {MG_GROUP_INFO, MG_GROUP_LIVE,
                                    MG_GROUP_SLOW};
    for (size_t i = 0; i < sizeof order; i++) {
        if (m->wants[order[i]] && enter_group(m, order[i])) {
            return true;
        }
    }
    return false;
}

static void schedule_group(struct meter *m)
{
    bool is_in_vain = m->is_group_asked && !m->is_group_known &&
                      ++m->n_silent[m->group] >= GROUP_TRIES;
    if (!m->is_group_known && !is_in_vain) {
        return; /* again with the next poll */
    }
    m->n_silent[m->group] = 0;
    if (m->group == MG_GROUP_SLOW) {
        m->next_slow_ns =
            m->cycle_due_ns + (uint64_t)m->setup->slow_interval_ms * 1000000;
    } else if (m->group == MG_GROUP_INFO) {
        m->has_info = true;
    }
}

static void finish_group(struct meter *m)
{
    schedule_group(m);
    if (m->sample.mono_ns == 0) {
        return; /* nothing was answered: there is no reading */
    }
    mg_pipeline_sample(m, &m->sample);
}

static void finish_poll(struct meter *m)
{
    m->is_polling = false;
    if (m->n_blocks_ok == 0) {
        mg_meter_failed(m, m->trouble);
        return;
    }
    m->n_good++;
    mg_meter_answered(m, m->n_blocks_bad == 0, m->trouble);
}

/* The rest of the group will not be asked: say so value by value. */
static void miss_rest_of_group(struct meter *m)
{
    while (is_in_group(m, m->block)) {
        /* The sample holds MG_SAMPLE_VALUES_MAX; a plan that does not fit
         * was refused when the meter was made. */
        (void)mg_plan_miss(&m->plan->plan, current_block(m), MG_QUALITY_MISSING,
                           &m->sample);
        m->block++;
    }
}

static void give_up(struct meter *m)
{
    m->n_blocks_bad++;
    miss_rest_of_group(m);
    finish_group(m);
    finish_poll(m);
}

static void begin_full_poll(struct meter *m)
{
    m->is_probe = false;
    if (!next_group(m)) {
        finish_poll(m);
        return;
    }
    submit(m);
}

static void take_answer(struct meter *m, const struct mg_modbus_result *r)
{
    struct mg_gateway *g = m->gateway;
    if (m->sample.mono_ns == 0) {
        uint64_t age_ns = mg_clock_now_ns(g->clock) - r->answered_ns;
        m->sample.mono_ns = r->answered_ns;
        m->sample.utc_ms =
            mg_clock_utc_ms(g->clock) - (int64_t)(age_ns / 1000000);
        m->sample.clock = (uint8_t)mg_clock_sync(g->clock);
    }
    int rc = mg_plan_decode(&m->plan->plan, current_block(m), r->pdu,
                            r->pdu_len, &m->sample);
    if (rc == MG_OK) {
        m->n_blocks_ok++;
        m->is_group_known = true;
        return;
    }
    m->n_blocks_bad++;
    note_trouble(m, "an answer does not fit its request");
    (void)mg_plan_miss(&m->plan->plan, current_block(m), MG_QUALITY_MISSING,
                       &m->sample);
}

/* Registers that this make of the meter does not have are no trouble in the
 * slow and identification groups: they stay absent. */
static void take_exception(struct meter *m, uint8_t exception)
{
    const struct mg_plan_block *block = current_block(m);
    (void)mg_plan_miss(&m->plan->plan, block, MG_QUALITY_MISSING, &m->sample);
    if (m->group != MG_GROUP_LIVE && exception == 2) {
        m->n_blocks_ok++;
        m->is_group_known = true;
        return;
    }
    m->n_blocks_bad++;
    char text[96];
    (void)snprintf(text, sizeof text,
                   "exception %u on function %u at %04XH, %u items", exception,
                   block->function, block->address, block->count);
    note_trouble(m, text);
}

static void note_failure(struct meter *m, const struct mg_modbus_result *r)
{
    char text[96];
    if (r->code != MG_E_TIMEOUT) {
        note_trouble(m, m->line->reason);
    } else if (r->exception == 0) {
        note_trouble(m, "no answer in time");
    } else {
        (void)snprintf(text, sizeof text,
                       "the gateway before the meter gets no answer from it "
                       "(exception %u)",
                       r->exception);
        note_trouble(m, text);
    }
}

static void note_latency(struct meter *m, const struct mg_modbus_result *r)
{
    if (m->group == MG_GROUP_LIVE && m->sample.mono_ns == 0 &&
        r->answered_ns >= m->cycle_due_ns && !m->is_once) {
        mg_latency_add(&m->gateway->latency,
                       (r->answered_ns - m->cycle_due_ns) / 1000);
    }
}

static void answered(struct mg_modbus_request *request,
                     const struct mg_modbus_result *result)
{
    struct meter *m = meter_of_request(request);
    if (result->code == MG_E_CANCELED || !m->gateway->is_running) {
        m->is_polling = false;
        return;
    }
    if (result->code == MG_OK || result->code == MG_E_EXCEPTION) {
        if (m->is_probe) {
            begin_full_poll(m); /* it is back */
            return;
        }
        note_latency(m, result);
    }
    m->is_group_asked = result->code != MG_E_IO;
    if (result->code == MG_OK) {
        take_answer(m, result);
    } else if (result->code == MG_E_EXCEPTION) {
        take_exception(m, result->exception);
    } else {
        note_failure(m, result);
        give_up(m);
        return;
    }
    m->block++;
    if (!is_in_group(m, m->block)) {
        finish_group(m);
        if (!next_group(m)) {
            finish_poll(m);
            return;
        }
    }
    submit(m);
}

static void submit(struct meter *m)
{
    struct mg_modbus_request *request = &m->request;
    memset(request, 0, sizeof *request);
    request->pdu_len = mg_plan_request(current_block(m), request->pdu);
    request->baud = m->baud;
    request->done = answered;
    int rc = mg_modbus_submit(m->unit, request);
    if (rc == MG_OK) {
        return;
    }
    note_trouble(m, rc == MG_E_IO        ? m->line->reason
                    : rc == MG_E_TIMEOUT ? "no answer; the next probe is due "
                                           "later"
                                         : mg_code_text(rc));
    give_up(m);
}

static void begin_poll(struct meter *m)
{
    m->is_polling = true;
    m->n_blocks_ok = m->n_blocks_bad = 0;
    m->trouble[0] = '\0';
    m->n_polls++;
    m->wants[MG_GROUP_LIVE] = true;
    m->wants[MG_GROUP_SLOW] =
        mg_clock_now_ns(m->gateway->clock) >= m->next_slow_ns;
    m->wants[MG_GROUP_INFO] = !m->has_info;
    if (m->can != NULL) {
        mg_can_meter_poll(m);
        return;
    }
    if (mg_modbus_unit_state(m->unit) == MG_UNIT_DEAD) {
        m->is_probe = true;
        m->group = MG_GROUP_LIVE;
        begin_sample(m);
        m->block = m->plan->probe_block;
        submit(m);
        return;
    }
    begin_full_poll(m);
}

static void due(struct mg_timer *timer)
{
    struct meter *m =
        (struct meter *)((char *)timer - offsetof(struct meter, due_timer));
    uint64_t interval_ns = (uint64_t)m->setup->interval_ms * 1000000;
    uint64_t now_ns = mg_clock_now_ns(m->gateway->clock);
    uint64_t due_ns = m->due_ns;
    m->due_ns += interval_ns;
    if (m->due_ns <= now_ns) {
        uint64_t n_late = (now_ns - m->due_ns) / interval_ns + 1;
        m->n_missed += n_late;
        m->due_ns += n_late * interval_ns;
    }
    mg_timer_start(m->gateway->clock, &m->due_timer, m->due_ns, due);
    if (m->is_polling) {
        m->n_missed++;
        return;
    }
    m->cycle_due_ns = due_ns;
    begin_poll(m);
}

void mg_poller_start(struct meter *m, uint64_t first_ns)
{
    m->due_ns = first_ns;
    mg_timer_start(m->gateway->clock, &m->due_timer, first_ns, due);
}

void mg_poller_stop(struct meter *m)
{
    mg_timer_stop(&m->due_timer);
}

void mg_poller_now(struct meter *m)
{
    if (!m->is_polling) {
        m->cycle_due_ns = mg_clock_now_ns(m->gateway->clock);
        begin_poll(m);
    }
}

void mg_poller_once(struct meter *m)
{
    if (m->is_polling) {
        return;
    }
    m->is_once = true;
    m->next_slow_ns = 0;
    m->has_info = false;
    if (m->can != NULL) {
        m->is_polling = true;
        m->n_polls++;
        mg_can_meter_once(m);
        return;
    }
    begin_poll(m);
}
