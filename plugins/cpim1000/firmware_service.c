/* Messages over ISO-TP (README.md), each about the side that it comes for. A
 * table of services and their lengths; no service writes an energy. */
#include "firmware_priv.h"

#include <string.h>

#include "metergate/bytes.h"

#define ANSWER           0x40
#define REFUSAL          0x7f
#define IDENTITY_VERSION 1
#define DATA_MAX         240
#define TEXT_LEN         16

struct request {
    struct fw_state *st;
    unsigned side;
    const uint8_t *data; /* after the service */
    size_t len;
    struct mg_wr *answer;
};

typedef enum fw_refusal serve_fn(const struct request *q);

struct service {
    uint8_t number;
    uint8_t min_len, max_len; /* of the data */
    serve_fn *serve;
};

/* Twelve characters as on the label, "2608" the year and week (ours). */
static void put_serial(struct mg_wr *w, uint32_t serial)
{
    char text[TEXT_LEN] = "2608";
    for (size_t k = 12; k-- > 4;) {
        text[k] = (char)('0' + serial % 10);
        serial /= 10;
    }
    mg_put_bytes(w, (const uint8_t *)text, sizeof text);
}

static void put_part_number(struct mg_wr *w, unsigned n_phases)
{
    static const char three[TEXT_LEN] = "CPIM1000-3";
    static const char one[TEXT_LEN] = "CPIM1000-1";
    mg_put_bytes(w, (const uint8_t *)(n_phases == 3 ? three : one), TEXT_LEN);
}

static enum fw_refusal identify(const struct request *q)
{
    const struct fw_software *s = &q->st->memory.software;
    mg_put_u8(q->answer, IDENTITY_VERSION);
    mg_put_u8(q->answer, q->st->env.unit);
    mg_put_u8(q->answer, q->side);
    put_serial(q->answer, q->st->env.serial);
    put_part_number(q->answer, cpim1000_fw_n_phases(q->st));
    mg_put_u8(q->answer, cpim1000_fw_n_phases(q->st));
    mg_put_bytes(q->answer, s->version, sizeof s->version);
    mg_put_bytes(q->answer, s->hash, sizeof s->hash);
    mg_put_bytes(q->answer, s->lrs_version, sizeof s->lrs_version);
    mg_put_bytes(q->answer, s->lrs_hash, sizeof s->lrs_hash);
    return FW_DONE;
}

/* Faults while it runs keep nothing open (guide, "Fault Detection"). */
static enum fw_refusal relay(const struct request *q)
{
    if (q->data[0] > 1) {
        return FW_BAD_VALUE;
    }
    if (q->data[0] == 1 && q->st->mode != FW_MODE_METER) {
        return FW_START_FAULT;
    }
    cpim1000_fw_relay(q->st, q->side, q->data[0] == 1);
    mg_put_u8(q->answer, cpim1000_fw_is_closed(q->st, q->side));
    return FW_DONE;
}

static enum fw_refusal shunt_trip(const struct request *q)
{
    if (memcmp(q->data, "TRIP", 4) != 0) {
        return FW_BAD_VALUE;
    }
    q->st->side[q->side].is_tripped = true;
    return FW_DONE;
}

static enum fw_refusal update_begin(const struct request *q)
{
    return cpim1000_fw_update_begin(q->st, q->data);
}

static enum fw_refusal update_data(const struct request *q)
{
    enum fw_refusal refusal = cpim1000_fw_update_data(q->st, q->data, q->len);
    mg_put_be32(q->answer, q->st->update.next);
    return refusal;
}

static enum fw_refusal update_finish(const struct request *q)
{
    enum fw_refusal refusal = cpim1000_fw_update_finish(q->st, q->data);
    if (refusal == FW_DONE) {
        cpim1000_fw_restart(q->st);
    }
    return refusal;
}

static enum fw_refusal update_abort(const struct request *q)
{
    return cpim1000_fw_update_abort(q->st);
}

static enum fw_refusal update_status(const struct request *q)
{
    const struct fw_memory *m = &q->st->memory;
    mg_put_u8(q->answer, q->st->update.is_receiving);
    mg_put_u8(q->answer, m->update_result);
    mg_put_bytes(q->answer, m->software.version, FW_VERSION_LEN);
    mg_put_bytes(q->answer, m->software.hash, FW_HASH_LEN);
    return FW_DONE;
}

static const struct service services[] = {
    {0x10, 0, 0, identify},
    {0x13, 1, 1, relay},
    {0x14, 4, 4, shunt_trip},
    {0x20, 4 + FW_HASH_LEN, 4 + FW_HASH_LEN, update_begin},
    {0x21, 4 + 1, 4 + DATA_MAX, update_data},
    {0x22, FW_SIGNATURE_LEN, FW_SIGNATURE_LEN, update_finish},
    {0x23, 0, 0, update_abort},
    {0x24, 0, 0, update_status},
};

static enum fw_refusal serve(uint8_t number, const struct request *q)
{
    for (size_t k = 0; k < sizeof services / sizeof *services; k++) {
        const struct service *s = &services[k];
        if (s->number == number) {
            return q->len < s->min_len || q->len > s->max_len ? FW_BAD_LENGTH
                                                              : s->serve(q);
        }
    }
    return FW_UNKNOWN_SERVICE;
}

size_t cpim1000_fw_pdu(void *state, uint8_t circuit, const uint8_t *request,
                       size_t len, uint8_t *ret, size_t cap)
{
    struct fw_state *st = state;
    if (circuit >= FW_N_SIDES || len == 0 || cap < MG_PDU_MAX ||
        !cpim1000_fw_is_running(st)) {
        return 0;
    }
    uint8_t number = request[0];
    struct mg_wr w = mg_wr_init(ret, cap);
    struct request q = {.st = st,
                        .side = circuit,
                        .data = request + 1,
                        .len = len - 1,
                        .answer = &w};
    mg_put_u8(&w, (unsigned)number + ANSWER);
    enum fw_refusal refusal = serve(number, &q);
    if (refusal != FW_DONE) {
        w = mg_wr_init(ret, cap);
        mg_put_u8(&w, REFUSAL);
        mg_put_u8(&w, number);
        mg_put_u8(&w, (unsigned)refusal);
    }
    return w.len;
}
