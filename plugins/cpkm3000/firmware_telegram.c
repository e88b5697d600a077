/* Signed energy telegrams (README.md): every second and when asked for. The
 * crypto chip, which the host plays, makes one signature at a time. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define CYCLE_US     FW_SECOND_US
#define CHIP_TIMEOUT (2 * FW_SECOND_US)
#define VERSION      1
/* A telegram has 0.1 Wh, an impulse half of it. */
#define IMPULSES_PER_UNIT 2

static void put_body(const struct fw_state *st, bool is_answer,
                     uint8_t ret[FW_BODY_LEN])
{
    static const uint8_t magic[4] = {'C', 'P', 'K', 'M'};
    static const uint8_t none[MG_CHALLENGE_LEN] = {0};
    const struct fw_memory *m = &st->memory;
    uint8_t serial[FW_SERIAL_LEN];
    struct mg_wr w = mg_wr_init(ret, FW_BODY_LEN);
    cpkm3000_fw_serial(st, serial);
    mg_put_bytes(&w, magic, sizeof magic);
    mg_put_u8(&w, VERSION);
    mg_put_u8(&w, st->env.unit);
    mg_put_bytes(&w, serial, sizeof serial);
    mg_put_be32(&w, m->boots);
    mg_put_be64(&w, m->counter + 1);
    mg_put_be64(&w, st->life_us / 1000);
    mg_put_be64(&w, m->energy.pos / IMPULSES_PER_UNIT);
    mg_put_be64(&w, m->energy.neg / IMPULSES_PER_UNIT);
    mg_put_be32(&w, cpkm3000_fw_status(st));
    mg_put_bytes(&w, m->lrs.hash, sizeof m->lrs.hash);
    mg_put_bytes(&w, is_answer ? st->telegram.challenge : none,
                 MG_CHALLENGE_LEN);
}

/* The number is used up when the signature comes: before, nobody can have seen
 * it. A challenge goes first. */
static void start_if_free(struct fw_state *st)
{
    struct fw_telegram *t = &st->telegram;
    if (t->is_busy || (!t->is_wanted && !t->is_due) ||
        !cpkm3000_fw_nv_reserve(st)) {
        return;
    }
    t->is_busy = true;
    t->is_given = false;
    t->busy_us = 0;
    t->is_answer = t->is_wanted;
    *(t->is_answer ? &t->is_wanted : &t->is_due) = false;
    put_body(st, t->is_answer, t->body);
}

/* When many ticks come as one, a telegram that nobody has taken from its buffer
 * is not made anew. */
void cpkm3000_fw_telegram_tick(struct fw_state *st, const struct mg_tick *tick)
{
    struct fw_telegram *t = &st->telegram;
    t->since_cycle_us += tick->elapsed_us;
    if (t->since_cycle_us >= CYCLE_US) {
        t->since_cycle_us %= CYCLE_US;
        t->is_due = tick->n_ticks == 1 || !t->is_ready[0];
    }
    if (t->is_busy) {
        t->busy_us += tick->elapsed_us;
        if (t->busy_us >= CHIP_TIMEOUT) {
            t->is_busy = false;
            st->is_crypto_late = true;
        }
    }
    start_if_free(st);
}

void cpkm3000_fw_telegram_ask(struct fw_state *st,
                              const uint8_t challenge[MG_CHALLENGE_LEN])
{
    memcpy(st->telegram.challenge, challenge, MG_CHALLENGE_LEN);
    st->telegram.is_wanted = true;
    start_if_free(st);
}

size_t cpkm3000_fw_sign_request(void *state, const uint8_t **ret_message)
{
    struct fw_state *st = state;
    struct fw_telegram *t = &st->telegram;
    if (!t->is_busy || t->is_given || st->broken.is_chip_dead) {
        return 0;
    }
    t->is_given = true;
    *ret_message = t->body;
    return FW_BODY_LEN;
}

void cpkm3000_fw_sign_result(void *state, const uint8_t signature[64])
{
    struct fw_state *st = state;
    struct fw_telegram *t = &st->telegram;
    if (!t->is_busy || !t->is_given || st->broken.is_chip_dead) {
        return;
    }
    uint8_t *ready = t->ready[t->is_answer];
    memcpy(ready, t->body, FW_BODY_LEN);
    memcpy(ready + FW_BODY_LEN, signature, FW_SIGNATURE_LEN);
    ready[FW_TELEGRAM_LEN - 1] ^= st->broken.is_forging ? 1 : 0;
    t->is_ready[t->is_answer] = true;
    t->is_busy = false;
    st->memory.counter++;
    st->is_crypto_late = false;
}

/* In the order of their counters, so that none looks replayed. */
size_t cpkm3000_fw_unasked(void *state, unsigned circuit, uint8_t *ret,
                           size_t cap)
{
    struct fw_telegram *t = &((struct fw_state *)state)->telegram;
    unsigned which = t->is_ready[0] ? 0 : 1;
    if (t->is_ready[0] && t->is_ready[1] &&
        memcmp(t->ready[1] + 26, t->ready[0] + 26, 8) < 0) {
        which = 1;
    }
    if (circuit != 0 || !t->is_ready[which] || cap < FW_TELEGRAM_LEN) {
        return 0;
    }
    memcpy(ret, t->ready[which], FW_TELEGRAM_LEN);
    t->is_ready[which] = false;
    return FW_TELEGRAM_LEN;
}
