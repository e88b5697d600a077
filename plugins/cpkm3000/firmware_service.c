/* Messages over ISO-TP (README.md). A table of services and their lengths; no
 * service writes an energy. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define ANSWER           0x40
#define REFUSAL          0x7f
#define IDENTITY_VERSION 1
#define DATA_MAX         240

/* `len` is that of the data after the service; what is answered goes to w. */
typedef enum fw_refusal serve_fn(struct fw_state *st, const uint8_t *data,
                                 size_t len, struct mg_wr *w);

struct service {
    uint8_t number;
    uint8_t min_len, max_len; /* of the data */
    serve_fn *serve;
};

static bool is_zero(const uint8_t *data, size_t len)
{
    uint8_t any = 0;
    for (size_t k = 0; k < len; k++) {
        any |= data[k];
    }
    return any == 0;
}

/* Filled up with NUL, never without one. */
static void put_text(struct mg_wr *w, const char *text, size_t len)
{
    size_t n = 0;
    while (n < len - 1 && text[n] != '\0') {
        mg_put_u8(w, (uint8_t)text[n++]);
    }
    for (; n < len; n++) {
        mg_put_u8(w, 0);
    }
}

static enum fw_refusal identify(struct fw_state *st, const uint8_t *data,
                                size_t len, struct mg_wr *w)
{
    static const uint8_t no_key[64] = {0};
    const struct fw_memory *m = &st->memory;
    bool is_three_phase = st->options->variant == CPKM3000_THREE_PHASE;
    uint8_t serial[FW_SERIAL_LEN];
    (void)data;
    (void)len;
    cpkm3000_fw_serial(st, serial);
    mg_put_u8(w, IDENTITY_VERSION);
    mg_put_u8(w, st->env.unit);
    mg_put_bytes(w, serial, sizeof serial);
    put_text(w, is_three_phase ? "31-002700-04-01" : "31-002700-01-01", 16);
    mg_put_u8(w, cpkm3000_fw_n_phases(st));
    put_text(w, "1.4.2", FW_VERSION_LEN);
    mg_put_bytes(w, m->lrs.version, sizeof m->lrs.version);
    mg_put_bytes(w, m->lrs.hash, sizeof m->lrs.hash);
    mg_put_bytes(w, st->env.public_key != NULL ? st->env.public_key : no_key,
                 sizeof no_key);
    mg_put_u8(w, m->is_sealed);
    mg_put_bytes(w, m->seal, sizeof m->seal);
    return FW_DONE;
}

/* The telegram itself comes when the chip has made it. Without a memory no
 * counter can be promised, and without the chip no signature. */
static enum fw_refusal telegram(struct fw_state *st, const uint8_t *data,
                                size_t len, struct mg_wr *w)
{
    (void)w;
    if (is_zero(data, len)) {
        return FW_BAD_VALUE;
    }
    if (st->slots.is_lost || (st->errors & FW_ERR_CRYPTO) != 0) {
        return FW_INTERNAL_ERROR;
    }
    cpkm3000_fw_telegram_ask(st, data);
    return FW_DONE;
}

static enum fw_refusal seal(struct fw_state *st, const uint8_t *data,
                            size_t len, struct mg_wr *w)
{
    struct fw_memory *m = &st->memory;
    (void)w;
    if (m->is_sealed) {
        return memcmp(m->seal, data, len) == 0 ? FW_DONE : FW_BAD_VALUE;
    }
    if (is_zero(data, len)) {
        return FW_BAD_VALUE;
    }
    memcpy(m->seal, data, len);
    m->is_sealed = true;
    if (!cpkm3000_fw_nv_save(st)) {
        m->is_sealed = false;
        memset(m->seal, 0, sizeof m->seal);
        return FW_INTERNAL_ERROR;
    }
    return FW_DONE;
}

static enum fw_refusal relay(struct fw_state *st, const uint8_t *data,
                             size_t len, struct mg_wr *w)
{
    (void)len;
    if (data[0] > 1) {
        return FW_BAD_VALUE;
    }
    if (data[0] == 1 && (st->errors & FW_ERR_OPENING) != 0) {
        return FW_INTERNAL_ERROR;
    }
    st->is_closed = data[0] == 1;
    mg_put_u8(w, st->is_closed);
    return FW_DONE;
}

static enum fw_refusal update_begin(struct fw_state *st, const uint8_t *data,
                                    size_t len, struct mg_wr *w)
{
    (void)len;
    (void)w;
    return st->slots.is_bad ? FW_INTERNAL_ERROR
                            : cpkm3000_fw_update_begin(st, data);
}

static enum fw_refusal update_data(struct fw_state *st, const uint8_t *data,
                                   size_t len, struct mg_wr *w)
{
    enum fw_refusal refusal = cpkm3000_fw_update_data(st, data, len);
    if (refusal == FW_DONE) {
        mg_put_be32(w, st->update.next);
    }
    return refusal;
}

static enum fw_refusal update_finish(struct fw_state *st, const uint8_t *data,
                                     size_t len, struct mg_wr *w)
{
    (void)len;
    (void)w;
    enum fw_refusal refusal = cpkm3000_fw_update_finish(st, data);
    if (refusal == FW_DONE) {
        cpkm3000_fw_restart(st);
    }
    return refusal;
}

static enum fw_refusal update_abort(struct fw_state *st, const uint8_t *data,
                                    size_t len, struct mg_wr *w)
{
    (void)data;
    (void)len;
    (void)w;
    return cpkm3000_fw_update_abort(st);
}

static enum fw_refusal update_status(struct fw_state *st, const uint8_t *data,
                                     size_t len, struct mg_wr *w)
{
    const struct fw_memory *m = &st->memory;
    (void)data;
    (void)len;
    mg_put_u8(w, st->update.is_receiving);
    mg_put_u8(w, m->update_result);
    mg_put_bytes(w, m->lrs.version, sizeof m->lrs.version);
    mg_put_bytes(w, m->lrs.hash, sizeof m->lrs.hash);
    return FW_DONE;
}

static const struct service services[] = {
    {0x10, 0, 0, identify},
    {0x11, MG_CHALLENGE_LEN, MG_CHALLENGE_LEN, telegram},
    {0x12, FW_SEAL_LEN, FW_SEAL_LEN, seal},
    {0x13, 1, 1, relay},
    {0x20, 4 + FW_HASH_LEN, 4 + FW_HASH_LEN, update_begin},
    {0x21, 4 + 1, 4 + DATA_MAX, update_data},
    {0x22, FW_SIGNATURE_LEN, FW_SIGNATURE_LEN, update_finish},
    {0x23, 0, 0, update_abort},
    {0x24, 0, 0, update_status},
};

static enum fw_refusal serve(struct fw_state *st, const uint8_t *request,
                             size_t len, struct mg_wr *w)
{
    for (size_t k = 0; k < sizeof services / sizeof *services; k++) {
        const struct service *s = &services[k];
        if (s->number != request[0]) {
            continue;
        }
        if (len - 1 < s->min_len || len - 1 > s->max_len) {
            return FW_BAD_LENGTH;
        }
        return s->serve(st, request + 1, len - 1, w);
    }
    return FW_UNKNOWN_SERVICE;
}

size_t cpkm3000_fw_pdu(void *state, uint8_t unit, const uint8_t *request,
                       size_t len, uint8_t *ret, size_t cap)
{
    struct fw_state *st = state;
    if (unit != 0 || len == 0 || cap < MG_PDU_MAX) {
        return 0;
    }
    uint8_t number = request[0];
    struct mg_wr w = mg_wr_init(ret, cap);
    mg_put_u8(&w, (unsigned)number + ANSWER);
    enum fw_refusal refusal = serve(st, request, len, &w);
    cpkm3000_fw_guard(st);
    if (refusal == FW_DONE) {
        return number == 0x11 ? 0 : w.len;
    }
    w = mg_wr_init(ret, cap);
    mg_put_u8(&w, REFUSAL);
    mg_put_u8(&w, number);
    mg_put_u8(&w, (unsigned)refusal);
    return w.len;
}
