/* The microcontroller's own memory (guide, "Data Protection"): four copies by
 * turns of all that must last, each with a sequence number and a CRC-32; two
 * banks for software; and what is broken for good. The layout is ours. */
#include "firmware_priv.h"

#include <string.h>

#include "metergate/bytes.h"

#define SLOT_LEN    240
#define SAVE_PULSES 200 /* 10 Wh */

_Static_assert(FW_N_SLOTS *SLOT_LEN <= FW_BROKEN_AT, "the slots fit");

uint8_t *cpim1000_fw_bank(const struct fw_state *st, unsigned bank)
{
    return st->env.nv + FW_BANKS_AT + (bank == 2 ? FW_BANK_SIZE : 0);
}

static uint8_t *slot_at(const struct fw_state *st, uint32_t seq)
{
    return st->env.nv + (size_t)(seq % FW_N_SLOTS) * SLOT_LEN;
}

/* @return its sequence number, which is never 0; 0: it is not intact */
static uint32_t seq_at(const struct fw_state *st, uint32_t place)
{
    const uint8_t *slot = slot_at(st, place);
    struct mg_rd head = mg_rd_init(slot, 4);
    struct mg_rd tail = mg_rd_init(slot + SLOT_LEN - 4, 4);
    uint32_t seq = mg_rd_be32(&head);
    bool is_intact = mg_rd_be32(&tail) == cpim1000_fw_crc32(slot, SLOT_LEN - 4);
    return is_intact && seq % FW_N_SLOTS == place ? seq : 0;
}

static uint32_t newest(const struct fw_state *st)
{
    uint32_t best = 0;
    for (uint32_t place = 0; place < FW_N_SLOTS; place++) {
        uint32_t seq = seq_at(st, place);
        best = seq > best ? seq : best;
    }
    return best;
}

static uint64_t pulses_of(const struct fw_state *st)
{
    return st->memory.energy[FW_RIGHT].pulses +
           st->memory.energy[FW_LEFT].pulses;
}

/* ---- Content ---- */

static void put_memory(struct mg_wr *w, const struct fw_memory *m)
{
    const struct fw_software *s = &m->software;
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        mg_put_be64(w, m->energy[side].pulses);
        mg_put_be64(w, (uint64_t)m->energy[side].rest);
    }
    mg_put_be32(w, m->boots);
    mg_put_u8(w, m->update_result);
    mg_put_u8(w, s->bank);
    mg_put_be32(w, s->size);
    mg_put_bytes(w, s->version, sizeof s->version);
    mg_put_bytes(w, s->hash, sizeof s->hash);
    mg_put_bytes(w, s->lrs_version, sizeof s->lrs_version);
    mg_put_bytes(w, s->lrs_hash, sizeof s->lrs_hash);
    mg_put_bytes(w, s->signature, sizeof s->signature);
}

static void get_bytes(struct mg_rd *r, uint8_t *ret, size_t len)
{
    for (size_t k = 0; k < len; k++) {
        ret[k] = mg_rd_u8(r);
    }
}

static bool get_memory(struct mg_rd *r, struct fw_memory *m)
{
    struct fw_software *s = &m->software;
    bool is_good = true;
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        m->energy[side].pulses = mg_rd_be64(r);
        uint64_t rest = mg_rd_be64(r);
        is_good = is_good && rest < (uint64_t)FW_PULSE;
        m->energy[side].rest = (int64_t)(rest % FW_PULSE);
    }
    m->boots = mg_rd_be32(r);
    m->update_result = mg_rd_u8(r);
    s->bank = mg_rd_u8(r);
    s->size = mg_rd_be32(r);
    get_bytes(r, s->version, sizeof s->version);
    get_bytes(r, s->hash, sizeof s->hash);
    get_bytes(r, s->lrs_version, sizeof s->lrs_version);
    get_bytes(r, s->lrs_hash, sizeof s->lrs_hash);
    get_bytes(r, s->signature, sizeof s->signature);
    return is_good && !r->failed && m->update_result <= FW_REFUSED &&
           s->bank <= 2 && s->size <= FW_BANK_SIZE;
}

/* ---- Saving ---- */

static uint8_t *write_slot(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    uint8_t *slot = slot_at(st, ++s->seq);
    struct mg_wr w = mg_wr_init(slot, SLOT_LEN);
    memset(slot, 0, SLOT_LEN);
    mg_put_be32(&w, s->seq);
    put_memory(&w, &st->memory);
    w.len = SLOT_LEN - 4;
    mg_put_be32(&w, cpim1000_fw_crc32(slot, SLOT_LEN - 4));
    slot[8] ^= s->fault == MG_FW_FAULT_NV_ALL ? 0x10 : 0;
    s->saved_pulses = pulses_of(st);
    s->since_save_us = 0;
    return slot;
}

bool cpim1000_fw_nv_save(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    if (s->is_lost) {
        return false;
    }
    (void)write_slot(st);
    if (seq_at(st, s->seq % FW_N_SLOTS) == 0) {
        s->is_bad |= newest(st) == 0;
    }
    return !s->is_bad;
}

/* Twice, so that no energy is lost with one copy. */
void cpim1000_fw_nv_power_fail(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    if (s->is_lost) {
        return;
    }
    (void)write_slot(st);
    uint8_t *slot = write_slot(st);
    slot[8] ^= s->fault == MG_FW_FAULT_NV_SLOT ? 0x10 : 0;
}

/* Each second one copy is read again: as many in a row that are not intact as
 * there are, and none is, which is not over before the next start. */
static void look_at_one(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    s->looked_at = (uint8_t)((s->looked_at + 1) % FW_N_SLOTS);
    bool is_intact = seq_at(st, s->looked_at) != 0;
    s->n_bad_in_row = is_intact ? 0 : (uint8_t)(s->n_bad_in_row + 1);
    if (s->n_bad_in_row >= FW_N_SLOTS) {
        s->n_bad_in_row = 0;
        s->is_bad |= newest(st) == 0;
    }
}

/* Saved every 10 Wh and every minute. */
void cpim1000_fw_nv_tick(struct fw_state *st, uint32_t elapsed_us)
{
    struct fw_slots *s = &st->slots;
    s->since_save_us += elapsed_us;
    if (s->since_save_us >= FW_MINUTE_US ||
        pulses_of(st) - s->saved_pulses >= SAVE_PULSES) {
        (void)cpim1000_fw_nv_save(st);
        s->since_save_us = 0;
        s->saved_pulses = pulses_of(st);
    }
    st->since_check_us += elapsed_us;
    if (st->since_check_us >= FW_SECOND_US) {
        st->since_check_us = 0;
        look_at_one(st);
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

void cpim1000_fw_nv_load(struct fw_state *st)
{
    struct fw_slots *s = &st->slots;
    bool is_first_time = is_new(st->env.nv);
    struct fw_memory m = {0};
    s->seq = newest(st);
    struct mg_rd r = mg_rd_init(slot_at(st, s->seq) + 4, SLOT_LEN - 8);
    if (s->seq != 0 && get_memory(&r, &m)) {
        st->memory = m;
    } else {
        st->memory = (struct fw_memory){0};
        cpim1000_fw_software_factory(st, &st->memory.software);
        s->is_lost = !is_first_time;
        s->is_bad = s->is_lost;
    }
    s->saved_pulses = pulses_of(st);
}

void cpim1000_fw_nv_damage(struct fw_state *st, enum mg_fw_fault kind)
{
    uint32_t victim = newest(st) % FW_N_SLOTS;
    st->slots.fault = kind;
    for (uint32_t place = 0; place < FW_N_SLOTS; place++) {
        if (seq_at(st, place) != 0 &&
            (kind == MG_FW_FAULT_NV_ALL || place == victim)) {
            slot_at(st, place)[8] ^= 0x10;
        }
    }
}
