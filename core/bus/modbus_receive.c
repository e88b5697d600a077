/* Finding the answer in what comes in. */
#include <string.h>

#include "bus/modbus_priv.h"

static size_t append(struct mg_modbus *bus, const uint8_t *data, size_t len)
{
    size_t room = RX_MAX - bus->rx_len;
    size_t n = len < room ? len : room;
    memcpy(bus->rx + bus->rx_len, data, n);
    bus->rx_len += n;
    return n;
}

static void drop_first(struct mg_modbus *bus, size_t n)
{
    bus->rx_len -= n;
    memmove(bus->rx, bus->rx + n, bus->rx_len);
    bus->rx_from = bus->rx_from > n ? bus->rx_from - n : 0;
}

/* ---- RTU frames ---- */

static void classify(struct mg_modbus *bus, uint8_t address)
{
    struct mg_modbus_unit *unit = bus->last;
    for (uint32_t i = 0; i < bus->n_units; i++, unit = unit->next) {
        if (unit->set.unit == address && unit->has_late_answer) {
            unit->has_late_answer = false;
            bus->stats.n_late++;
            return;
        }
    }
    if (bus->state == BUS_WAITING && address == bus->address) {
        bus->stats.n_bad_frames++; /* well made, but no answer to this */
    } else {
        bus->stats.n_foreign++;
    }
}

static bool is_own_echo(const struct mg_modbus *bus, size_t i, size_t left)
{
    return bus->is_echo && left >= bus->tx_len &&
           memcmp(bus->rx + i, bus->tx, bus->tx_len) == 0;
}

/* @return number of frames among the bytes from..to that are not the answer */
static unsigned count_frames(struct mg_modbus *bus, size_t from, size_t to)
{
    unsigned n_frames = 0;
    size_t i = from;
    while (i < to) {
        if (is_own_echo(bus, i, to - i)) {
            i += bus->tx_len;
            continue;
        }
        size_t n = mg_rtu_answer_len(bus->rx + i, to - i);
        if (n > 0) {
            classify(bus, bus->rx[i]);
            n_frames++;
        }
        i += n > 0 ? n : 1;
    }
    return n_frames;
}

void mg_modbus_forget_rx(struct mg_modbus *bus)
{
    bool is_asked = bus->state == BUS_WAITING;
    size_t n_echo = bus->is_echo ? bus->tx_len : 0;
    if (count_frames(bus, 0, bus->rx_len) == 0 && is_asked &&
        bus->rx_len > n_echo) {
        bus->stats.n_bad_frames++; /* something came, but no whole frame */
    }
    bus->rx_len = 0;
    bus->rx_from = 0;
}

/* On a line that repeats what is sent, the answer to a write follows an equal
 * copy. Whether it does is learned from requests that differ from their
 * answers, and forgotten as soon as one comes without. */
static void learn_echo(struct mg_modbus *bus)
{
    size_t reply_len = mg_adu_reply_len(bus->current->pdu) + 3;
    if (reply_len != bus->tx_len) {
        bus->has_echo = bus->is_echo;
    }
}

static void search(struct mg_modbus *bus)
{
    const struct mg_rtu_query query = {
        .frame = bus->tx, .frame_len = bus->tx_len, .has_echo = bus->has_echo};
    struct mg_rtu_hit hit;
    if (!mg_rtu_find(&query, bus->rx, bus->rx_len, &bus->rx_from, &bus->is_echo,
                     &hit)) {
        return;
    }
    learn_echo(bus);
    (void)count_frames(bus, 0, hit.offset);
    (void)count_frames(bus, hit.offset + hit.len, bus->rx_len);
    bus->rx_len = 0;
    bus->rx_from = 0;
    const uint8_t *pdu = bus->rx + hit.offset + 1;
    if (hit.is_exception) {
        mg_modbus_refused(bus, pdu[1]);
    } else {
        mg_modbus_answered(bus, pdu, hit.len - 3);
    }
}

static void receive_rtu(struct mg_modbus *bus, const uint8_t *data, size_t len)
{
    while (len > 0) {
        if (bus->rx_len == RX_MAX) {
            /* The answer is shorter than half of this: where it may begin
             * has not been ruled out. */
            drop_first(bus, RX_MAX / 2);
        }
        size_t n = append(bus, data, len);
        data += n;
        len -= n;
        if (bus->state == BUS_WAITING) {
            search(bus);
        }
    }
}

/* ---- Modbus TCP ---- */

static void take_frame(struct mg_modbus *bus, const struct mg_mbap_frame *f)
{
    if (bus->state != BUS_WAITING || f->transaction != bus->transaction) {
        bus->stats.n_late++;
        return;
    }
    if (f->unit != bus->address) {
        bus->stats.n_foreign++;
        return;
    }
    switch (mg_adu_check(bus->current->pdu, f->pdu, f->pdu_len)) {
    case MG_ADU_OK:
        mg_modbus_answered(bus, f->pdu, f->pdu_len);
        break;
    case MG_ADU_EXCEPTION:
        mg_modbus_refused(bus, f->pdu[1]);
        break;
    case MG_ADU_BAD:
        bus->stats.n_bad_frames++;
        break;
    }
}

static bool is_open(const struct mg_modbus *bus)
{
    return bus->state == BUS_IDLE || bus->state == BUS_WAITING;
}

static void out_of_step(struct mg_modbus *bus, const uint8_t *head)
{
    struct mg_err err;
    bus->stats.n_bad_frames++;
    (void)mg_err_set(&err, MG_E_PROTO,
                     "no Modbus TCP: an answer begins %02X%02X %02X%02X, "
                     "expected protocol 0000 and a length of 3 to 254",
                     head[0], head[1], head[2], head[3]);
    mg_modbus_out_of_step(bus, &err);
}

/* A frame counts only if what follows it looks like one: there is no checksum
 * that would tell when both sides are out of step.
 * @return false: the connection is gone */
static bool take_frames(struct mg_modbus *bus)
{
    struct mg_mbap_frame frame, next = {0};
    size_t pos = 0;
    int rc = mg_mbap_cut(bus->rx, bus->rx_len, &frame);
    while (rc == MG_OK) {
        pos += frame.len;
        rc = mg_mbap_cut(bus->rx + pos, bus->rx_len - pos, &next);
        if (rc != MG_E_PROTO) {
            take_frame(bus, &frame);
            if (!is_open(bus)) {
                return false;
            }
        }
        frame = next;
    }
    if (rc == MG_E_PROTO) {
        out_of_step(bus, bus->rx + pos);
        return false;
    }
    drop_first(bus, pos);
    return true;
}

static void receive_tcp(struct mg_modbus *bus, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = append(bus, data, len);
        data += n;
        len -= n;
        if (!take_frames(bus)) {
            return;
        }
    }
}

void mg_modbus_receive(struct mg_modbus *bus, const uint8_t *data, size_t len)
{
    bus->n_row_silent = 0;
    if (bus->state != BUS_WAITING) {
        bus->stats.n_stray_bytes += len;
    }
    if (!mg_modbus_is_rtu(bus)) {
        receive_tcp(bus, data, len);
        return;
    }
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    bus->quiet_ns = now_ns + mg_modbus_gap_ns(bus);
    if (bus->state == BUS_DRAINING) {
        uint64_t quiet_ns = now_ns + mg_modbus_drain_ns(bus);
        mg_modbus_set_timer(
            bus, quiet_ns < bus->drain_end_ns ? quiet_ns : bus->drain_end_ns);
    }
    receive_rtu(bus, data, len);
}
