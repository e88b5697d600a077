#include <string.h>

#include "metergate/bytes.h"
#include "sim/line_priv.h"
#include "wire/crc16.h"

/* On a real loop, silence is seen later than it was: the pieces of one request
 * may come this much apart and still belong together. */
#define SCHEDULING_NS UINT64_C(10000000)

/* An RTU frame in a TCP stream may be cut anywhere, and there is no silence. */
#define STREAM_GAP_NS UINT64_C(200000000)

void mg_port_init(struct mg_sim_port *port, struct mg_sim_line *line,
                  const struct mg_sim_port_ops *ops)
{
    *port = (struct mg_sim_port){.ops = ops, .line = line};
}

void mg_port_fini(struct mg_sim_port *port)
{
    mg_timer_stop(&port->gap_timer);
    mg_timer_stop(&port->answer_timer);
    port->line = NULL;
    port->rx_len = 0;
}

size_t mg_port_room(struct mg_sim_port *port, uint8_t **ret_at)
{
    if (port->rx_len == MG_PORT_RX) {
        port->rx_len = 0; /* longer than any request: noise */
    }
    *ret_at = port->rx + port->rx_len;
    return MG_PORT_RX - port->rx_len;
}

static void take(struct mg_sim_port *port, size_t n)
{
    port->rx_len -= n;
    memmove(port->rx, port->rx + n, port->rx_len);
}

/* Length of an RTU request, from its function code; 0 = more bytes are needed,
 * or only the silence after it can tell. */
static size_t rtu_len(const uint8_t *rx, size_t len)
{
    if (len < 2) {
        return 0;
    }
    switch (rx[1]) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
        return 8;
    case 15:
    case 16:
        return len > 6 ? 9U + rx[6] : 0;
    case 22:
        return 10;
    case 23:
        return len > 10 ? 13U + rx[10] : 0;
    default:
        return 0;
    }
}

static bool has_crc(const uint8_t *frame, size_t len)
{
    uint16_t crc = mg_crc16(frame, len - 2);
    return frame[len - 2] == (crc & 0xff) && frame[len - 1] == crc >> 8;
}

/* A broadcast is obeyed by all and answered by none. */
static void broadcast(struct mg_sim_line *line, const struct mg_sim_request *q)
{
    uint8_t ignored[MG_PDU_MAX];
    for (size_t i = 0; i < line->n_meters; i++) {
        (void)mg_line_ask(line, i, q, ignored);
    }
}

/* A whole frame of n bytes is at the start of rx. */
static void handle_rtu(struct mg_sim_port *port, size_t n)
{
    struct mg_sim_line *line = port->line;
    struct mg_sim_request q = {.unit = port->rx[0], .len = n - 3};
    uint64_t arrived = mg_clock_now_ns(line->clock);
    memcpy(q.pdu, port->rx + 1, q.len);
    if (line->set.framing == MG_SIM_RTU_PTY && line->set.is_paced) {
        /* A pty hands over at once what takes its time on a wire. */
        uint64_t end = port->rx_since_ns +
                       n * mg_line_char_ns(line, line->set.serial.baud);
        arrived = end > arrived ? end : arrived;
        port->wire_end_ns = arrived;
        arrived += mg_line_gap_ns(line);
    }
    take(port, n);
    port->rx_since_ns = mg_clock_now_ns(line->clock);
    if (q.unit == 0) {
        broadcast(line, &q);
    } else {
        mg_port_answer(port, &q, arrived);
    }
}

static bool is_rtu_size(size_t len)
{
    return len >= 4 && len - 3 <= MG_PDU_MAX;
}

/* t3.5 of silence: what is there is a frame, or nothing. */
static void gap_over(struct mg_timer *timer)
{
    struct mg_sim_port *port =
        (struct mg_sim_port *)((char *)timer -
                               offsetof(struct mg_sim_port, gap_timer));
    if (is_rtu_size(port->rx_len) && has_crc(port->rx, port->rx_len)) {
        handle_rtu(port, port->rx_len);
    }
    port->rx_len = 0;
}

static bool is_paced(const struct mg_sim_line *line)
{
    return line->set.framing == MG_SIM_RTU_PTY && line->set.is_paced;
}

static uint64_t scheduling_ns(const struct mg_sim_line *line)
{
    return line->loop == NULL ? 0 : SCHEDULING_NS;
}

static uint64_t silence_ns(const struct mg_sim_line *line)
{
    if (line->set.framing == MG_SIM_RTU_TCP) {
        return STREAM_GAP_NS;
    }
    return mg_line_gap_ns(line) + scheduling_ns(line);
}

/* When the last character of what is in rx is on the wire. */
static uint64_t received_until_ns(const struct mg_sim_port *port, uint64_t now)
{
    const struct mg_sim_line *line = port->line;
    if (!is_paced(line)) {
        return now;
    }
    uint64_t end = port->rx_since_ns +
                   port->rx_len * mg_line_char_ns(line, line->set.serial.baud);
    return end > now ? end : now;
}

/* len bytes have come after a silence of more than 1.5 characters: what was
 * there before them is no frame, and they may be the start of one (Modbus over
 * Serial Line V1.02, 2.5.1.1; WM3M4 manual V1.07, 5.1). */
static void drop_torn(struct mg_sim_port *port, size_t len, uint64_t now)
{
    const struct mg_sim_line *line = port->line;
    if (!is_paced(line) || port->rx_len == 0 || len == 0) {
        return;
    }
    uint64_t end = received_until_ns(port, 0);
    if (now > end + mg_line_tear_ns(line) + scheduling_ns(line)) {
        memmove(port->rx, port->rx + port->rx_len, len);
        port->rx_len = 0;
    }
}

/* @return true when a request was taken out of rx */
static bool cut_rtu(struct mg_sim_port *port)
{
    size_t n = rtu_len(port->rx, port->rx_len);
    if (!is_rtu_size(n) || n > port->rx_len || !has_crc(port->rx, n)) {
        return false;
    }
    handle_rtu(port, n);
    return true;
}

static bool cut_tcp(struct mg_sim_port *port)
{
    if (port->rx_len < 8) {
        return false;
    }
    struct mg_rd r = mg_rd_init(port->rx, port->rx_len);
    struct mg_sim_request q = {.transaction = mg_rd_be16(&r)};
    unsigned protocol = mg_rd_be16(&r);
    size_t len = mg_rd_be16(&r);
    q.unit = mg_rd_u8(&r);
    q.len = len - 1;
    if (protocol != 0 || len < 2 || len - 1 > MG_PDU_MAX) {
        port->ops->close(port);
        return false;
    }
    if (port->rx_len < 6 + len) {
        return false;
    }
    memcpy(q.pdu, port->rx + 7, q.len);
    take(port, 6 + len);
    mg_port_answer(port, &q, mg_clock_now_ns(port->line->clock));
    return true;
}

static void pause_when_full(struct mg_sim_port *port)
{
    if (port->ops->pause != NULL && !port->is_paused && mg_port_is_full(port)) {
        port->is_paused = true;
        port->ops->pause(port, true);
    }
}

/* The first byte of a request has come: was there silence before it? */
static void check_gap(struct mg_sim_port *port, uint64_t now)
{
    struct mg_sim_line *line = port->line;
    if (!is_paced(line)) {
        return;
    }
    if (port->has_traffic && now < port->wire_end_ns + mg_line_gap_ns(line)) {
        line->n_gap_violations++;
    }
    port->has_traffic = true;
}

void mg_port_received(struct mg_sim_port *port, size_t len)
{
    struct mg_sim_line *line = port->line;
    bool is_tcp = line->set.framing == MG_SIM_TCP;
    uint64_t now = mg_clock_now_ns(line->clock);
    drop_torn(port, len, now);
    if (port->rx_len == 0 && len > 0) {
        check_gap(port, now);
        port->rx_since_ns = now;
    }
    port->rx_len += len;
    while (!port->is_paused && (is_tcp ? cut_tcp(port) : cut_rtu(port))) {
        pause_when_full(port);
    }
    if (port->line == NULL || is_tcp) {
        return;
    }
    if (port->rx_len > 0) {
        mg_timer_start(line->clock, &port->gap_timer,
                       received_until_ns(port, now) + silence_ns(line),
                       gap_over);
    } else {
        mg_timer_stop(&port->gap_timer);
    }
}
