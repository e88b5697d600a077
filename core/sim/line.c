#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/line_priv.h"

#define METERS_MAX 247

/* A meter that nobody asks is brought up to date this often, so that it never
 * has much to catch up with when it is asked. */
#define CATCH_UP_NS UINT64_C(10000000000)

static void live(struct mg_sim_line *line, size_t meter)
{
    struct mg_sim_line_meter *m = &line->meters[meter];
    uint64_t now = mg_clock_now_ns(line->clock);
    mg_sim_device_run(m->device, m->lived_ns + (now - m->added_ns));
}

/* One meter at a time, in turn: a thousand of them never tick in one burst. */
static void catch_up(struct mg_timer *timer)
{
    struct mg_sim_line *line =
        (struct mg_sim_line *)((char *)timer -
                               offsetof(struct mg_sim_line, catch_up));
    uint64_t step = CATCH_UP_NS;
    if (line->n_meters > 0) {
        line->next_meter = (line->next_meter + 1) % line->n_meters;
        live(line, line->next_meter);
        step /= line->n_meters;
    }
    if (line->tty != NULL && line->next_meter == 0) {
        mg_line_tty_tidy(line);
    }
    mg_timer_start(line->clock, &line->catch_up,
                   mg_clock_now_ns(line->clock) + step, catch_up);
}

static int open_far_end(struct mg_sim_line *line, struct mg_err *err)
{
    if (line->loop == NULL) {
        (void)snprintf(line->address, sizeof(line->address), "memory");
        return mg_clock_is_virtual(line->clock)
                   ? MG_OK
                   : mg_err_set(err, MG_E_INVAL,
                                "a line without a loop needs a virtual clock");
    }
    return line->set.framing == MG_SIM_RTU_PTY ? mg_line_tty_open(line, err)
                                               : mg_line_tcp_open(line, err);
}

struct mg_sim_line *mg_sim_line_create(uv_loop_t *loop, struct mg_clock *clock,
                                       const struct mg_sim_line_settings *set,
                                       struct mg_err *err)
{
    struct mg_sim_line *line = calloc(1, sizeof(*line));
    if (line == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    line->loop = loop;
    line->clock = clock;
    line->set = *set;
    line->rng.state = set->seed;
    if (set->framing == MG_SIM_RTU_PTY && set->serial.baud == 0) {
        (void)mg_err_set(err, MG_E_INVAL, "a serial line needs a speed");
        free(line);
        return NULL;
    }
    if (open_far_end(line, err) != MG_OK) {
        free(line);
        return NULL;
    }
    uint64_t first = mg_sim_hash3(set->seed, 1, 0) % CATCH_UP_NS;
    mg_timer_start(clock, &line->catch_up, mg_clock_now_ns(clock) + first,
                   catch_up);
    return line;
}

void mg_sim_line_destroy(struct mg_sim_line *line)
{
    if (line == NULL) {
        return;
    }
    mg_timer_stop(&line->catch_up);
    mg_line_tty_close(line);
    mg_line_tcp_close(line);
    mg_line_memory_close(line);
    for (size_t i = 0; i < line->n_meters; i++) {
        if (!line->meters[i].is_optical) {
            mg_sim_device_destroy(line->meters[i].device);
        }
    }
    free(line->meters);
    free(line);
}

static int add(struct mg_sim_line *line, const struct mg_sim_line_meter *meter)
{
    if (line->n_meters == METERS_MAX) {
        return MG_E_NOSPC;
    }
    struct mg_sim_line_meter *meters =
        realloc(line->meters, (line->n_meters + 1) * sizeof(*meters));
    if (meters == NULL) {
        return MG_E_NOMEM;
    }
    line->meters = meters;
    line->meters[line->n_meters++] = *meter;
    return MG_OK;
}

int mg_sim_line_add(struct mg_sim_line *line, struct mg_sim_device *device)
{
    struct mg_fw_outputs out;
    mg_sim_device_outputs(device, &out);
    return add(line, &(struct mg_sim_line_meter){
                         .device = device,
                         .added_ns = mg_clock_now_ns(line->clock),
                         .lived_ns = mg_sim_device_now_ns(device),
                         .baud = out.baud,
                     });
}

/* Both ports share the meter's time. */
int mg_sim_line_add_optical(struct mg_sim_line *line,
                            const struct mg_sim_line *home)
{
    struct mg_sim_line_meter meter = home->meters[home->n_meters - 1];
    meter.is_optical = true;
    return add(line, &meter);
}

struct mg_sim_device *mg_sim_line_device(struct mg_sim_line *line, size_t i)
{
    return i < line->n_meters ? line->meters[i].device : NULL;
}

const char *mg_sim_line_address(const struct mg_sim_line *line)
{
    return line->address;
}

void mg_sim_line_live(struct mg_sim_line *line)
{
    for (size_t i = 0; i < line->n_meters; i++) {
        live(line, i);
    }
}

void mg_sim_line_set_faults(struct mg_sim_line *line,
                            const struct mg_sim_faults *faults)
{
    line->set.faults = *faults;
}

void mg_sim_line_stats(const struct mg_sim_line *line, uint64_t *ret_answered,
                       uint64_t *ret_gap_violations)
{
    *ret_answered = line->n_answered;
    *ret_gap_violations = line->n_gap_violations;
}

size_t mg_line_ask(struct mg_sim_line *line, size_t meter,
                   const struct mg_sim_request *request,
                   uint8_t ret[MG_PDU_MAX])
{
    const struct mg_sim_line_meter *m = &line->meters[meter];
    live(line, meter);
    if (m->is_optical) {
        return mg_sim_device_optical_pdu(m->device, request->unit, request->pdu,
                                         request->len, ret);
    }
    return mg_sim_device_pdu(m->device, request->unit, request->pdu,
                             request->len, ret);
}

/* A meter whose speed was changed hears only that speed. Until then it is at
 * the line's, whatever the client has set a pty to. */
static bool is_deaf(const struct mg_sim_line *line,
                    const struct mg_sim_line_meter *m, uint32_t has_baud,
                    uint32_t baud)
{
    if (line->set.framing != MG_SIM_RTU_PTY || has_baud == m->baud) {
        return false;
    }
    return has_baud != (baud == 0 ? line->set.serial.baud : baud);
}

int mg_line_find(const struct mg_sim_line *line, uint8_t unit, uint32_t baud,
                 size_t *ret_meter, uint32_t *ret_baud)
{
    for (size_t i = 0; i < line->n_meters; i++) {
        const struct mg_sim_line_meter *m = &line->meters[i];
        struct mg_fw_outputs out;
        if (m->is_optical) { /* fixed settings: the firmware knows its unit */
            *ret_meter = i;
            *ret_baud = line->set.serial.baud;
            return MG_OK;
        }
        mg_sim_device_outputs(m->device, &out);
        if (out.unit == unit && !is_deaf(line, m, out.baud, baud)) {
            *ret_meter = i;
            *ret_baud = out.baud == m->baud ? line->set.serial.baud : out.baud;
            return MG_OK;
        }
    }
    return MG_E_NOTFOUND;
}

uint64_t mg_line_char_ns(const struct mg_sim_line *line, uint32_t baud)
{
    const struct mg_serial *s = &line->set.serial;
    uint64_t bits = 9U + (s->parity == 'E' || s->parity == 'O') +
                    (s->stop_bits == 2 ? 2U : 1U);
    uint64_t speed = baud == 0 ? s->baud : baud;
    return speed == 0 ? 0 : bits * 1000000000U / speed;
}

uint64_t mg_line_gap_ns(const struct mg_sim_line *line)
{
    return line->set.serial.baud > 19200
               ? 1750000
               : 7 * mg_line_char_ns(line, line->set.serial.baud) / 2;
}

uint64_t mg_line_tear_ns(const struct mg_sim_line *line)
{
    return line->set.serial.baud > 19200
               ? 750000
               : 3 * mg_line_char_ns(line, line->set.serial.baud) / 2;
}
