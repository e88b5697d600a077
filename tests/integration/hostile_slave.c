#include "hostile_slave.h"

#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

const char *hostile_fault_name(enum hostile_fault fault)
{
    static const char *const names[N_FAULTS] = {
        "none",       "drop",         "late",        "bad crc",   "half frame",
        "wrong unit", "noise before", "noise after", "exception", "stall"};
    return names[fault];
}

uint32_t hostile_draw(struct hostile *s, uint32_t n)
{
    uint64_t x = s->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    s->random = x;
    return (uint32_t)((x * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % n;
}

uint16_t hostile_register(uint8_t unit, uint16_t address)
{
    uint32_t x = ((uint32_t)unit << 16 | address) * 2654435761U;
    return (uint16_t)(x >> 16 ^ x);
}

/* ---- On the line ---- */

static void packet_due(struct mg_timer *timer)
{
    struct hostile_packet *p = (struct hostile_packet *)timer;
    p->is_used = false;
    p->slave->out(p->slave->ctx, p->data, p->len);
}

static void put_packet(struct hostile *s, uint64_t at_ns, const uint8_t *data,
                       size_t len)
{
    size_t i = 0;
    while (i < HOSTILE_PACKETS && s->packets[i].is_used) {
        i++;
    }
    if (i == HOSTILE_PACKETS) {
        abort(); /* a campaign that loses bytes proves nothing */
    }
    struct hostile_packet *p = &s->packets[i];
    p->slave = s;
    p->is_used = true;
    p->len = len;
    s->last_ns = at_ns > s->last_ns ? at_ns : s->last_ns;
    memcpy(p->data, data, len);
    mg_timer_start(s->clock, &p->timer, at_ns, packet_due);
}

/* In pieces, at the pace of the wire. Late answers run into whatever else is
 * there. @return when the last byte is out */
static uint64_t put(struct hostile *s, uint64_t at_ns, const uint8_t *data,
                    size_t len)
{
    while (len > 0) {
        size_t n =
            len < sizeof s->packets[0].data ? len : sizeof s->packets[0].data;
        at_ns += n * s->char_ns;
        put_packet(s, at_ns, data, n);
        data += n;
        len -= n;
    }
    return at_ns;
}

void hostile_forget(struct hostile *s)
{
    for (size_t i = 0; i < HOSTILE_PACKETS; i++) {
        mg_timer_stop(&s->packets[i].timer);
        s->packets[i].is_used = false;
    }
    s->blocked_ns = s->last_ns = 0;
    s->is_stuck = false;
}

/* ---- Answers ---- */

struct answer {
    uint16_t transaction;
    uint8_t unit;
    uint8_t pdu[MG_PDU_MAX];
    size_t pdu_len;
    uint8_t frame[MG_MBAP_MAX];
    size_t len;
};

static void frame(const struct hostile *s, struct answer *a)
{
    a->len = s->framing == MG_MODBUS_TCP
                 ? mg_mbap_build(a->frame, a->transaction, a->unit, a->pdu,
                                 a->pdu_len)
                 : mg_rtu_build(a->frame, a->unit, a->pdu, a->pdu_len);
}

static void fill(struct answer *a, const uint8_t *pdu)
{
    unsigned address = (unsigned)pdu[1] << 8 | pdu[2];
    unsigned count = (unsigned)pdu[3] << 8 | pdu[4];
    a->pdu[0] = pdu[0];
    a->pdu[1] = (uint8_t)(count * 2);
    for (unsigned i = 0; i < count; i++) {
        uint16_t value = hostile_register(a->unit, (uint16_t)(address + i));
        a->pdu[2 + 2 * i] = (uint8_t)(value >> 8);
        a->pdu[3 + 2 * i] = (uint8_t)value;
    }
    a->pdu_len = 2 + (size_t)count * 2;
}

static uint64_t late_ns(struct hostile *s)
{
    return (s->timeout_ms + hostile_draw(s, 3 * s->timeout_ms + 1)) * MS;
}

static size_t noise(struct hostile *s, uint8_t *ret, size_t cap)
{
    size_t n = 1 + hostile_draw(s, (uint32_t)cap);
    for (size_t i = 0; i < n; i++) {
        ret[i] = (uint8_t)hostile_draw(s, 256);
    }
    return n;
}

/* TCP has no checksum of its own to be wrong: there, a byte of header,
 * function or count is. */
static void spoil(struct hostile *s, struct answer *a)
{
    size_t n = s->framing == MG_MODBUS_TCP ? 9 : a->len;
    a->frame[hostile_draw(s, (uint32_t)n)] ^=
        (uint8_t)(1U << hostile_draw(s, 8));
}

static void refuse(struct hostile *s, struct answer *a)
{
    static const uint8_t codes[] = {1, 2, 3, 4, 5, 6, 8, 10, 11};
    a->pdu[0] |= 0x80;
    a->pdu[1] = codes[hostile_draw(s, sizeof codes)];
    a->pdu_len = 2;
    frame(s, a);
}

/* Half of it, and the rest much later or never. */
static void stall(struct hostile *s, struct answer *a, bool is_for_ever,
                  uint64_t at_ns)
{
    bool is_tcp = s->framing == MG_MODBUS_TCP;
    size_t half = 1 + hostile_draw(s, (uint32_t)a->len - 1);
    at_ns = is_tcp && s->last_ns > at_ns ? s->last_ns : at_ns;
    at_ns = put(s, at_ns, a->frame, half) + late_ns(s);
    if (is_for_ever) {
        s->is_stuck = is_tcp;
        return;
    }
    at_ns = put(s, at_ns, a->frame + half, a->len - half);
    s->blocked_ns = is_tcp ? at_ns : 0;
}

static void send_faulty(struct hostile *s, struct answer *a,
                        enum hostile_fault fault, const uint8_t *pdu,
                        uint64_t at_ns)
{
    uint8_t bytes[24];
    size_t n;
    switch (fault) {
    case FAULT_DROP:
        return;
    case FAULT_LATE:
        at_ns += late_ns(s);
        break;
    case FAULT_BAD_CRC:
        spoil(s, a);
        break;
    case FAULT_HALF:
        stall(s, a, true, at_ns);
        return;
    case FAULT_WRONG_UNIT:
        a->unit = (uint8_t)(a->unit % 9 + 1);
        fill(a, pdu);
        frame(s, a);
        break;
    case FAULT_NOISE_BEFORE:
        n = noise(s, bytes, sizeof bytes);
        at_ns = put(s, at_ns, bytes, n);
        break;
    case FAULT_NOISE_AFTER:
        at_ns = put(s, at_ns, a->frame, a->len);
        a->len = noise(s, a->frame, sizeof bytes);
        break;
    case FAULT_EXCEPTION:
        refuse(s, a);
        break;
    case FAULT_STALL:
        stall(s, a, false, at_ns);
        return;
    case FAULT_NONE:
    case N_FAULTS:
        break;
    }
    (void)put(s, at_ns, a->frame, a->len);
}

void hostile_request(struct hostile *s, const uint8_t *data, size_t len)
{
    bool is_tcp = s->framing == MG_MODBUS_TCP;
    const uint8_t *pdu = data + (is_tcp ? 7 : 1);
    struct answer a = {.unit = data[is_tcp ? 6 : 0]};
    enum hostile_fault fault = FAULT_NONE;
    s->n_requests++;
    if (is_tcp) {
        a.transaction = (uint16_t)((unsigned)data[0] << 8 | data[1]);
    }
    if (hostile_draw(s, 100) < s->fault_percent) {
        fault = (enum hostile_fault)(1 + hostile_draw(s, N_FAULTS - 1));
    }
    s->n_faults[fault]++;
    fill(&a, pdu);
    frame(s, &a);
    uint64_t at_ns = mg_clock_now_ns(s->clock) + len * s->char_ns +
                     (1 + hostile_draw(s, 20)) * MS / 2;
    at_ns = at_ns > s->blocked_ns ? at_ns : s->blocked_ns;
    if (!s->is_stuck) {
        send_faulty(s, &a, fault, pdu, at_ns);
    }
}
