/* The microcontroller's own memory (guide, "Energy data storage"): three
 * copies by turns of all that must last, each with a sequence number and a
 * CRC-32, and two banks for software. The layout is ours. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define SLOT_LEN         160
#define SAVE_IMPULSES    200 /* 10 Wh */
#define RESERVE          512 /* counters; some 8 minutes of telegrams */
#define COUNTER_FOR_EVER UINT64_MAX

_Static_assert(FW_N_SLOTS *SLOT_LEN <= FW_BANKS_AT, "the slots fit");

uint8_t *cpkm3000_fw_bank(const struct fw_state *st, unsigned bank)
{
    return st->env.nv + FW_BANKS_AT + (bank == 2 ? FW_BANK_SIZE : 0);
}

static uint8_t *slot_of(const struct fw_state *st, uint32_t seq)
{
    return st->env.nv + (size_t)(seq % FW_N_SLOTS) * SLOT_LEN;
}

/* Sequence number 0 does not exist, so that zeroed memory is not a slot. */
static uint32_t good_seq(const uint8_t *slot)
{
    struct mg_rd head = mg_rd_init(slot, 4);
    struct mg_rd tail = mg_rd_init(slot + SLOT_LEN - 4, 4);
    return mg_rd_be32(&tail) == cpkm3000_fw_crc32(slot, SLOT_LEN - 4)
               ? mg_rd_be32(&head)
               : 0;
}

/* @return the newest good sequence number, 0: none */
static uint32_t newest(const struct fw_state *st)
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < FW_N_SLOTS; k++) {
        uint32_t seq = good_seq(slot_of(st, k));
        best = seq > best && seq % FW_N_SLOTS == k ? seq : best;
    }
    return best;
}

/* Whether any copy is intact; the last one written is looked at first. */
static bool has_copy(const struct fw_state *st)
{
    for (uint32_t k = 0; k < FW_N_SLOTS; k++) {
        uint32_t at =
            (st->slots.seq % FW_N_SLOTS + FW_N_SLOTS - k) % FW_N_SLOTS;
        uint32_t seq = good_seq(slot_of(st, at));
        if (seq != 0 && seq % FW_N_SLOTS == at) {
            return true;
        }
    }
    return false;
}

static void spoil(uint8_t *slot)
{
    slot[5] ^= 0x10;
}

/* ---- Content ---- */

static void put_memory(struct mg_wr *w, const struct fw_memory *m,
                       uint64_t ceiling)
{
    mg_put_be64(w, m->energy.pos);
    mg_put_be64(w, m->energy.neg);
    mg_put_be64(w, (uint64_t)m->energy.rest);
    mg_put_be64(w, ceiling);
    mg_put_be32(w, m->boots);
    mg_put_u8(w, m->is_sealed);
    mg_put_bytes(w, m->seal, sizeof m->seal);
    mg_put_u8(w, m->update_result);
    mg_put_u8(w, m->lrs.bank);
    mg_put_be32(w, m->lrs.size);
    mg_put_bytes(w, m->lrs.version, sizeof m->lrs.version);
    mg_put_bytes(w, m->lrs.hash, sizeof m->lrs.hash);
}

static void get_bytes(struct mg_rd *r, uint8_t *ret, size_t len)
{
    for (size_t k = 0; k < len; k++) {
        ret[k] = mg_rd_u8(r);
    }
}

/* The counter goes on at the highest that may have been used. */
static bool get_memory(struct mg_rd *r, struct fw_memory *m)
{
    m->energy.pos = mg_rd_be64(r);
    m->energy.neg = mg_rd_be64(r);
    m->energy.rest = (int64_t)mg_rd_be64(r);
    m->counter = mg_rd_be64(r);
    m->boots = mg_rd_be32(r);
    m->is_sealed = mg_rd_u8(r) != 0;
    get_bytes(r, m->seal, sizeof m->seal);
    m->update_result = mg_rd_u8(r);
    m->lrs.bank = mg_rd_u8(r);
    m->lrs.size = mg_rd_be32(r);
    get_bytes(r, m->lrs.version, sizeof m->lrs.version);
    get_bytes(r, m->lrs.hash, sizeof m->lrs.hash);
    return !r->failed && m->energy.rest < FW_PULSE &&
           m->energy.rest > -FW_PULSE && m->update_result <= FW_REFUSED &&
           m->lrs.bank <= 2 && m->lrs.size <= FW_BANK_SIZE;
}

static bool load(struct fw_state *st, uint32_t seq)
{
    struct mg_rd r = mg_rd_init(slot_of(st, seq) + 4, SLOT_LEN - 8);
    struct fw_memory m = {0};
    if (seq == 0 || !get_memory(&r, &m)) {
        return false;
    }
    st->memory = m;
    return true;
}

/* ---- Saving ---- */

/* @return the copy that was written */
static uint8_t *write_slot(struct fw_state *st, uint64_t ceiling)
{
    struct fw_slots *s = &st->slots;
    uint32_t seq = ++s->seq;
    uint8_t *slot = slot_of(st, seq);
    struct mg_wr w = mg_wr_init(slot, SLOT_LEN);
    mg_put_be32(&w, seq);
    put_memory(&w, &st->memory, ceiling);
    while (w.len < SLOT_LEN - 4) {
        mg_put_u8(&w, 0);
    }
    mg_put_be32(&w, cpkm3000_fw_crc32(slot, SLOT_LEN - 4));
    if (s->fault == MG_FW_FAULT_NV_ALL) {
        spoil(slot);
    }
    s->ceiling[seq % FW_N_SLOTS] = ceiling;
    s->saved_impulses = st->memory.energy.pos + st->memory.energy.neg;
    s->since_save_us = 0;
    return slot;
}

bool cpkm3000_fw_nv_save(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    if (!s->is_lost) {
        (void)write_slot(st, st->memory.counter + RESERVE);
    }
    s->is_bad |= !has_copy(st);
    return !s->is_bad;
}

/* Twice, so that neither energy nor counter is lost with one copy. */
void cpkm3000_fw_nv_power_fail(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    if (s->is_lost) {
        return;
    }
    (void)write_slot(st, st->memory.counter);
    uint8_t *slot = write_slot(st, st->memory.counter);
    if (s->fault == MG_FW_FAULT_NV_SLOT) {
        spoil(slot);
    }
}

bool cpkm3000_fw_nv_reserve(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    if (s->is_lost || st->memory.counter >= COUNTER_FOR_EVER - RESERVE) {
        return false;
    }
    for (unsigned k = 0; k < FW_N_SLOTS; k++) {
        uint32_t oldest = s->seq + 1;
        if (s->ceiling[oldest % FW_N_SLOTS] <= st->memory.counter) {
            (void)cpkm3000_fw_nv_save(st);
        }
    }
    for (unsigned k = 0; k < FW_N_SLOTS; k++) {
        if (s->ceiling[k] <= st->memory.counter) {
            return false;
        }
    }
    return true;
}

/* Every 10 Wh and every minute; the copies are read again every second. That
 * none is intact is not over before the next start. */
void cpkm3000_fw_nv_tick(struct fw_state *st, uint32_t elapsed_us)
{
    struct fw_slots *s = &st->slots;
    uint64_t impulses = st->memory.energy.pos + st->memory.energy.neg;
    s->since_save_us += elapsed_us;
    if (s->since_save_us >= FW_MINUTE_US ||
        impulses - s->saved_impulses >= SAVE_IMPULSES) {
        (void)cpkm3000_fw_nv_save(st);
        s->since_save_us = 0;
        st->since_check_us = 0; /* they have just been read */
        return;
    }
    st->since_check_us += elapsed_us;
    if (st->since_check_us >= FW_SECOND_US) {
        st->since_check_us = 0;
        s->is_bad |= !has_copy(st);
    }
}

/* ---- Power-on, damage ---- */

static bool is_new(const uint8_t *nv)
{
    for (size_t i = 0; i < FW_NV_SIZE; i++) {
        if (nv[i] != 0xff) {
            return false;
        }
    }
    return true;
}

void cpkm3000_fw_nv_power_on(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    bool is_first_time = is_new(st->env.nv);
    s->seq = newest(st);
    if (!load(st, s->seq)) {
        st->memory = (struct fw_memory){0};
        cpkm3000_fw_lrs_factory(st, &st->memory.lrs);
        s->is_lost = !is_first_time;
        s->is_bad = s->is_lost;
    }
    st->memory.boots++;
    (void)cpkm3000_fw_nv_reserve(
        st); /* writes every copy: none has a ceiling */
}

void cpkm3000_fw_nv_damage(struct fw_state *st, enum mg_fw_fault kind)
{
    uint32_t victim = newest(st);
    st->slots.fault = kind;
    for (uint32_t k = 0; k < FW_N_SLOTS; k++) {
        uint8_t *slot = slot_of(st, k);
        uint32_t seq = good_seq(slot);
        if (seq != 0 && (kind == MG_FW_FAULT_NV_ALL || seq == victim)) {
            spoil(slot);
        }
    }
}
