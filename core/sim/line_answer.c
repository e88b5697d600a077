#include <string.h>

#include "metergate/bytes.h"
#include "sim/line_priv.h"
#include "wire/crc16.h"

#define EXCEPTION_BUSY      0x06
#define EXCEPTION_NO_ANSWER 0x0b /* gateway: target failed to respond */
#define STALL_NS            UINT64_C(3000000000)
#define UART_FIFO           8 /* characters handed over at a time */

static struct mg_sim_answer *free_answer(struct mg_sim_port *port)
{
    for (size_t i = 0; i < MG_PORT_ANSWERS; i++) {
        if (port->answers[i].len == 0) {
            return &port->answers[i];
        }
    }
    return NULL;
}

bool mg_port_is_full(const struct mg_sim_port *port)
{
    for (size_t i = 0; i < MG_PORT_ANSWERS; i++) {
        if (port->answers[i].len == 0) {
            return false;
        }
    }
    return true;
}

/* The first that is due. In a TCP stream a frame that has begun goes before
 * all others: nothing may get in between, or a client could not tell. */
static struct mg_sim_answer *next_answer(struct mg_sim_port *port)
{
    bool is_stream = port->line->set.framing == MG_SIM_TCP;
    struct mg_sim_answer *next = NULL;
    for (size_t i = 0; i < MG_PORT_ANSWERS; i++) {
        struct mg_sim_answer *a = &port->answers[i];
        if (is_stream && a->len > 0 && a->sent > 0) {
            return a;
        }
        if (a->len > 0 &&
            (next == NULL || a->due_ns < next->due_ns ||
             (a->due_ns == next->due_ns && a->order < next->order))) {
            next = a;
        }
    }
    return next;
}

/* Characters of the next piece: on a paced wire, what a UART collects before
 * it tells its driver; otherwise all. */
static uint16_t piece_len(const struct mg_sim_answer *a)
{
    uint16_t end = a->pause_at > a->sent ? a->pause_at : a->len;
    uint16_t left = (uint16_t)(end - a->sent);
    return a->char_ns > 0 && left > UART_FIFO ? UART_FIFO : left;
}

static void answer_due(struct mg_timer *timer);

static void arm(struct mg_sim_port *port)
{
    struct mg_sim_answer *a = next_answer(port);
    if (a != NULL) {
        mg_timer_start(port->line->clock, &port->answer_timer, a->due_ns,
                       answer_due);
    }
}

static void send_piece(struct mg_sim_port *port, struct mg_sim_answer *a)
{
    uint16_t n = piece_len(a);
    const uint8_t *at = a->adu + a->sent;
    a->sent = (uint16_t)(a->sent + n);
    if (a->sent == a->pause_at) {
        a->due_ns += (uint64_t)a->pause_ms * MG_NS_PER_MS;
    }
    if (a->sent == a->len) {
        a->len = 0;
        port->line->n_answered++;
    } else {
        a->due_ns += piece_len(a) * a->char_ns;
    }
    /* Before the write: then a client cannot have been faster than this. */
    port->wire_end_ns = mg_clock_now_ns(port->line->clock);
    port->ops->write(port, at, n);
}

static void answer_due(struct mg_timer *timer)
{
    struct mg_sim_port *port =
        (struct mg_sim_port *)((char *)timer -
                               offsetof(struct mg_sim_port, answer_timer));
    uint64_t now = mg_clock_now_ns(port->line->clock);
    struct mg_sim_answer *a = next_answer(port);
    while (a != NULL && a->due_ns <= now) {
        send_piece(port, a);
        if (port->line == NULL) {
            return; /* the write has closed it */
        }
        a = next_answer(port);
    }
    arm(port);
    if (port->is_paused && !mg_port_is_full(port)) {
        port->is_paused = false;
        port->ops->pause(port, false);
        mg_port_received(port, 0);
    }
}

static void build_rtu(struct mg_sim_answer *a, uint8_t unit, const uint8_t *pdu,
                      size_t len)
{
    a->adu[0] = unit;
    memcpy(a->adu + 1, pdu, len);
    uint16_t crc = mg_crc16(a->adu, len + 1);
    a->adu[len + 1] = (uint8_t)crc;
    a->adu[len + 2] = (uint8_t)(crc >> 8);
    a->len = (uint16_t)(len + 3);
}

static void build_tcp(struct mg_sim_answer *a, uint16_t transaction,
                      uint8_t unit, const uint8_t *pdu, size_t len)
{
    struct mg_wr w = mg_wr_init(a->adu, sizeof(a->adu));
    mg_put_be16(&w, transaction);
    mg_put_be16(&w, 0);
    mg_put_be16(&w, (unsigned)len + 1);
    mg_put_u8(&w, unit);
    mg_put_bytes(&w, pdu, len);
    a->len = (uint16_t)w.len;
}

/* Answers go out in the order of their requests, each after the meter's time;
 * only a late one is late for itself. */
static void post(struct mg_sim_port *port, const struct mg_sim_request *q,
                 const uint8_t *pdu, size_t len, uint64_t arrived_ns,
                 uint32_t baud, enum mg_sim_trouble trouble)
{
    struct mg_sim_line *line = port->line;
    struct mg_sim_answer *a = free_answer(port);
    if (a == NULL) {
        return; /* a meter that has no time for this one */
    }
    uint8_t unit = q->unit;
    if (trouble == MG_TROUBLE_WRONG_UNIT) {
        unit = (uint8_t)(unit % 247 + 1);
    }
    *a = (struct mg_sim_answer){.order = port->n_ordered++};
    if (line->set.framing == MG_SIM_TCP) {
        build_tcp(a, q->transaction, unit, pdu, len);
    } else {
        build_rtu(a, unit, pdu, len);
    }
    uint64_t start = arrived_ns > port->busy_ns ? arrived_ns : port->busy_ns;
    start += (uint64_t)line->set.turnaround_ms * MG_NS_PER_MS;
    if (line->set.framing == MG_SIM_RTU_PTY && line->set.is_paced) {
        a->char_ns = mg_line_char_ns(line, baud);
    }
    a->due_ns = start;
    mg_trouble_apply(trouble, line->set.framing, &line->rng, a);
    port->busy_ns = start + a->len * a->char_ns;
    a->due_ns += piece_len(a) * a->char_ns;
    arm(port);
}

void mg_port_answer(struct mg_sim_port *port,
                    const struct mg_sim_request *request, uint64_t arrived_ns)
{
    struct mg_sim_line *line = port->line;
    const struct mg_sim_request *q = request;
    uint32_t asked_baud = port->ops->baud == NULL ? 0 : port->ops->baud(port);
    uint64_t now = mg_clock_now_ns(line->clock);
    uint8_t pdu[MG_PDU_MAX];
    size_t meter;
    size_t len = 0;
    uint32_t baud = line->set.serial.baud;
    enum mg_sim_trouble trouble = MG_TROUBLE_NONE;
    if (line->set.faults.is_unplugged) {
        return;
    }
    if (mg_line_find(line, q->unit, asked_baud, &meter, &baud) == MG_OK) {
        if (now < line->stalled_until_ns) {
            return;
        }
        trouble = mg_trouble_pick(&line->set.faults, &line->rng);
        if (trouble == MG_TROUBLE_STALL) {
            line->stalled_until_ns = now + STALL_NS;
            return;
        }
        if (trouble == MG_TROUBLE_EXCEPTION) {
            pdu[0] = q->pdu[0] | 0x80;
            pdu[1] = EXCEPTION_BUSY;
            len = 2;
        } else {
            len = mg_line_ask(line, meter, q, pdu);
        }
    }
    if (len == 0 && line->set.framing == MG_SIM_TCP) {
        pdu[0] = q->pdu[0] | 0x80;
        pdu[1] = EXCEPTION_NO_ANSWER;
        len = 2;
    }
    if (len > 0 && trouble != MG_TROUBLE_DROP) {
        post(port, q, pdu, len, arrived_ns, baud, trouble);
    }
}
