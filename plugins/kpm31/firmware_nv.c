/* Non-volatile memory: settings and energies in rotating slots, each with a
 * sequence number and a CRC-32, so that a write cut off by the end of the
 * supply costs the newest copy only. All of it is ours. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

struct area {
    uint16_t at, n_slots, slot_len;
};

#define SLOT_FRAME    8 /* sequence number and CRC-32 */
#define SETTINGS_LEN  29
#define ENERGY_LEN    257
#define ENERGIES_LEN  (4 + FW_N_BANKS * 2 * ENERGY_LEN)
#define ENERGIES_AT   (FW_NV_SETTINGS + 128)
#define N_ENERGY_SLOT 3

static const struct area settings_area = {FW_NV_SETTINGS, 2,
                                          SETTINGS_LEN + SLOT_FRAME};
static const struct area energies_area = {ENERGIES_AT, N_ENERGY_SLOT,
                                          ENERGIES_LEN + SLOT_FRAME};

_Static_assert(ENERGIES_AT + N_ENERGY_SLOT * (ENERGIES_LEN + SLOT_FRAME) ==
                   FW_NV_SIZE,
               "the memory is as large as what is in it");

/* Of Ethernet and zip; bit by bit, since it runs once in minutes. */
static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

static uint8_t *slot_of(uint8_t *nv, const struct area *area, uint32_t seq)
{
    return nv + area->at + (size_t)(seq % area->n_slots) * area->slot_len;
}

/* Sequence number 0 does not exist, so that zeroed memory is not a slot. */
static uint32_t good_seq(const uint8_t *slot, const struct area *area)
{
    size_t len = area->slot_len - 4U;
    struct mg_rd head = mg_rd_init(slot, 4);
    struct mg_rd tail = mg_rd_init(slot + len, 4);
    return mg_rd_be32(&tail) == crc32_of(slot, len) ? mg_rd_be32(&head) : 0;
}

/* @return the newest good sequence number, 0: none */
static uint32_t newest(uint8_t *nv, const struct area *area)
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < area->n_slots; k++) {
        uint32_t seq = good_seq(slot_of(nv, area, k), area);
        best = seq > best && seq % area->n_slots == k ? seq : best;
    }
    return best;
}

static struct mg_wr begin_slot(uint8_t *slot, const struct area *area,
                               uint32_t seq)
{
    struct mg_wr w = mg_wr_init(slot, area->slot_len);
    mg_put_be32(&w, seq);
    return w;
}

static void end_slot(struct mg_wr *w)
{
    mg_put_be32(w, crc32_of(w->data, w->len));
}

static void spoil(uint8_t *slot)
{
    slot[5] ^= 0x10;
}

static void put_settings(struct mg_wr *w, const struct fw_settings *s)
{
    mg_put_be16(w, s->password);
    mg_put_u8(w, s->unit);
    mg_put_u8(w, s->baud_code);
    mg_put_u8(w, s->n_periods);
    for (size_t k = 0; k < FW_N_PERIODS; k++) {
        mg_put_u8(w, s->period[k].hour);
        mg_put_u8(w, s->period[k].minute);
        mg_put_u8(w, s->period[k].rate);
    }
}

static bool get_settings(struct mg_rd *r, struct fw_settings *s)
{
    s->password = mg_rd_be16(r);
    s->unit = mg_rd_u8(r);
    s->baud_code = mg_rd_u8(r);
    s->n_periods = mg_rd_u8(r);
    for (size_t k = 0; k < FW_N_PERIODS; k++) {
        s->period[k].hour = mg_rd_u8(r);
        s->period[k].minute = mg_rd_u8(r);
        s->period[k].rate = mg_rd_u8(r);
    }
    return !r->failed && s->password <= 9999 && s->unit >= 1 &&
           s->unit <= 247 && kpm31_fw_baud(s->baud_code) != 0 &&
           kpm31_fw_schedule_is_valid(s);
}

static void put_energy(struct mg_wr *w, const struct fw_energy *e)
{
    mg_put_be32(w, e->count[0]);
    mg_put_be32(w, e->count[1]);
    for (size_t k = 0; k < FW_N_RATES; k++) {
        mg_put_be32(w, e->rate[k]);
    }
    for (size_t m = 0; m < FW_N_MONTHS; m++) {
        for (size_t k = 0; k < FW_N_RATES; k++) {
            mg_put_be32(w, e->month[m][k]);
        }
    }
    mg_put_be64(w, (uint64_t)e->rest[0]);
    mg_put_be64(w, (uint64_t)e->rest[1]);
    mg_put_be64(w, (uint64_t)e->pending);
    mg_put_u8(w, e->is_reverse);
}

static bool is_below_pulse(int64_t x)
{
    return x > -FW_PULSE && x < FW_PULSE;
}

static bool get_energy(struct mg_rd *r, struct fw_energy *e)
{
    e->count[0] = mg_rd_be32(r);
    e->count[1] = mg_rd_be32(r);
    for (size_t k = 0; k < FW_N_RATES; k++) {
        e->rate[k] = mg_rd_be32(r);
    }
    for (size_t m = 0; m < FW_N_MONTHS; m++) {
        for (size_t k = 0; k < FW_N_RATES; k++) {
            e->month[m][k] = mg_rd_be32(r);
        }
    }
    e->rest[0] = (int64_t)mg_rd_be64(r);
    e->rest[1] = (int64_t)mg_rd_be64(r);
    e->pending = (int64_t)mg_rd_be64(r);
    e->is_reverse = mg_rd_u8(r);
    return !r->failed && e->is_reverse <= 1 && is_below_pulse(e->rest[0]) &&
           is_below_pulse(e->rest[1]) && is_below_pulse(e->pending);
}

static bool get_energies(struct mg_rd *r, struct fw_energies *all)
{
    bool is_good = true;
    all->settled_month = (int32_t)mg_rd_be32(r);
    for (size_t b = 0; b < FW_N_BANKS; b++) {
        is_good &= get_energy(r, &all->bank[b].active);
        is_good &= get_energy(r, &all->bank[b].reactive);
    }
    /* Months that the clock can have: 2000 to 2099. */
    return is_good && all->settled_month >= 2000 * 12 &&
           all->settled_month < 2100 * 12;
}

/* Manual 4.1, 5.4: the schedule and the password of a new meter. */
static struct fw_settings factory_settings(const struct mg_fw_env *env)
{
    struct fw_settings s = {
        .password = 6666,
        .unit = env->unit,
        .baud_code = kpm31_fw_baud_code(env->baud),
        .n_periods = 5,
        .period = {{6, 0, 1}, {10, 0, 2}, {12, 0, 1}, {15, 0, 3}, {23, 0, 4}}};
    if (s.unit < 1 || s.unit > 247) {
        s.unit = 1;
    }
    if (s.baud_code == 0) {
        s.baud_code = kpm31_fw_baud_code(9600);
    }
    return s;
}

static bool is_new(const uint8_t *nv)
{
    for (size_t i = 0; i < FW_NV_SIZE; i++) {
        if (nv[i] != 0xff) {
            return false;
        }
    }
    return true;
}

static bool load_settings(struct fw_state *st)
{
    const struct area *area = &settings_area;
    uint32_t seq = newest(st->env.nv, area);
    const uint8_t *slot = slot_of(st->env.nv, area, seq);
    struct mg_rd r = mg_rd_init(slot + 4, SETTINGS_LEN);
    st->settings_seq = seq;
    return seq != 0 && get_settings(&r, &st->settings);
}

static bool load_energies(struct fw_state *st)
{
    const struct area *area = &energies_area;
    uint32_t seq = newest(st->env.nv, area);
    const uint8_t *slot = slot_of(st->env.nv, area, seq);
    struct mg_rd r = mg_rd_init(slot + 4, ENERGIES_LEN);
    st->energies_seq = seq;
    return seq != 0 && get_energies(&r, &st->energies);
}

void kpm31_fw_nv_power_on(struct fw_state *st)
{
    bool is_first_time = is_new(st->env.nv);
    st->is_relay_open = st->env.nv[FW_NV_RELAY] == 0;
    st->is_contact_closed = st->env.nv[FW_NV_CONTACT] == 0;
    kpm31_fw_clock_power_on(st);
    if (!load_settings(st)) {
        st->settings = factory_settings(&st->env);
        kpm31_fw_nv_save_settings(st);
    }
    if (is_first_time) {
        kpm31_fw_energy_clear(st);
    } else if (!load_energies(st)) {
        memset(&st->energies, 0, sizeof(st->energies));
        st->is_energy_lost = true;
    }
}

static void write_settings(struct fw_state *st)
{
    const struct area *area = &settings_area;
    uint32_t seq = ++st->settings_seq;
    struct mg_wr w = begin_slot(slot_of(st->env.nv, area, seq), area, seq);
    put_settings(&w, &st->settings);
    end_slot(&w);
    if (st->memory_fault == MG_FW_FAULT_NV_ALL) {
        spoil(w.data);
    }
}

void kpm31_fw_nv_save_settings(struct fw_state *st)
{
    for (size_t k = 0; k < settings_area.n_slots; k++) {
        write_settings(st);
    }
}

static uint8_t *write_energies(struct fw_state *st)
{
    const struct area *area = &energies_area;
    uint32_t seq = ++st->energies_seq;
    struct mg_wr w = begin_slot(slot_of(st->env.nv, area, seq), area, seq);
    mg_put_be32(&w, (uint32_t)st->energies.settled_month);
    for (size_t b = 0; b < FW_N_BANKS; b++) {
        put_energy(&w, &st->energies.bank[b].active);
        put_energy(&w, &st->energies.bank[b].reactive);
    }
    end_slot(&w);
    if (st->memory_fault == MG_FW_FAULT_NV_ALL) {
        spoil(w.data);
    }
    return w.data;
}

void kpm31_fw_nv_save_energies(struct fw_state *st)
{
    if (!st->is_energy_lost) {
        (void)write_energies(st);
        st->since_save_us = 0;
    }
}

void kpm31_fw_nv_power_fail(struct fw_state *st)
{
    if (st->is_energy_lost) {
        return;
    }
    uint8_t *slot = write_energies(st);
    if (st->memory_fault == MG_FW_FAULT_NV_SLOT) {
        spoil(slot);
    }
}

void kpm31_fw_nv_renew_energies(struct fw_state *st)
{
    for (size_t k = 0; k < N_ENERGY_SLOT; k++) {
        kpm31_fw_nv_save_energies(st);
    }
}

static void damage_area(uint8_t *nv, const struct area *area)
{
    for (uint32_t k = 0; k < area->n_slots; k++) {
        uint8_t *slot = slot_of(nv, area, k);
        if (good_seq(slot, area) != 0) {
            spoil(slot);
        }
    }
}

void kpm31_fw_nv_damage(struct fw_state *st)
{
    damage_area(st->env.nv, &settings_area);
    damage_area(st->env.nv, &energies_area);
}
