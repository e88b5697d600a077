/* The EEPROM of 2 kB: settings, and energies with all of a charge, each in
 * three places by turns with a sequence number and a CRC-32 (manual 4.3). The
 * layout is ours. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

struct area {
    uint16_t at, slot_len;
};

#define N_SLOTS      3
#define SLOT_FRAME   8 /* sequence number and CRC-32 */
#define SETTINGS_LEN 131
#define ENERGIES_LEN 131
#define SETTINGS_AT  0x000
#define ENERGIES_AT  0x200

static const struct area settings_area = {SETTINGS_AT,
                                          SETTINGS_LEN + SLOT_FRAME};
static const struct area energies_area = {ENERGIES_AT,
                                          ENERGIES_LEN + SLOT_FRAME};

_Static_assert(SETTINGS_AT + N_SLOTS * (SETTINGS_LEN + SLOT_FRAME) <=
                       ENERGIES_AT &&
                   ENERGIES_AT + N_SLOTS * (ENERGIES_LEN + SLOT_FRAME) <=
                       FW_NV_SIZE,
               "the memory holds all that is in it");

static uint8_t *slot_of(uint8_t *nv, const struct area *area, uint32_t seq)
{
    return nv + area->at + (size_t)(seq % N_SLOTS) * area->slot_len;
}

/* Sequence number 0 does not exist, so that zeroed memory is not a slot. */
static uint32_t good_seq(const uint8_t *slot, const struct area *area)
{
    size_t len = area->slot_len - 4U;
    struct mg_rd head = mg_rd_init(slot, 4);
    struct mg_rd tail = mg_rd_init(slot + len, 4);
    return mg_rd_be32(&tail) == wm3m4c_fw_crc32(slot, len) ? mg_rd_be32(&head)
                                                           : 0;
}

/* @return the newest good sequence number, 0: none */
static uint32_t newest(uint8_t *nv, const struct area *area)
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < N_SLOTS; k++) {
        uint32_t seq = good_seq(slot_of(nv, area, k), area);
        best = seq > best && seq % N_SLOTS == k ? seq : best;
    }
    return best;
}

static struct mg_wr begin_slot(struct fw_state *st, const struct area *area,
                               uint32_t seq)
{
    uint8_t *slot = slot_of(st->env.nv, area, seq);
    struct mg_wr w = mg_wr_init(slot, area->slot_len);
    mg_put_be32(&w, seq);
    return w;
}

static void spoil(uint8_t *slot)
{
    slot[5] ^= 0x10;
}

static void end_slot(struct fw_state *st, struct mg_wr *w)
{
    mg_put_be32(w, wm3m4c_fw_crc32(w->data, w->len));
    if (st->memory_fault == MG_FW_FAULT_NV_ALL) {
        spoil(w->data);
    }
}

static void get_bytes(struct mg_rd *r, uint8_t *ret, size_t len)
{
    for (size_t k = 0; k < len; k++) {
        ret[k] = mg_rd_u8(r);
    }
}

/* ---- Settings ---- */

static void put_settings(struct mg_wr *w, const struct fw_settings *s)
{
    mg_put_u8(w, s->unit);
    mg_put_u8(w, s->baud_code);
    mg_put_u8(w, s->stop_bits);
    mg_put_u8(w, s->parity);
    mg_put_bytes(w, s->description, sizeof s->description);
    mg_put_bytes(w, s->location, sizeof s->location);
    mg_put_be16(w, s->energy_flow);
    mg_put_be16(w, s->lcd_period_s);
    for (unsigned k = 0; k < 4; k++) {
        mg_put_be16(w, s->counter[k / 2][k % 2]);
    }
    mg_put_be16(w, (uint16_t)s->offset_min);
    mg_put_be16(w, s->format);
    mg_put_be16(w, s->backlight);
    mg_put_be16(w, s->lcd_mask);
    mg_put_bytes(w, s->lcd_text, sizeof s->lcd_text);
    mg_put_bytes(w, s->lcd_label, sizeof s->lcd_label);
    mg_put_be16(w, s->clock_timeout);
    mg_put_be16(w, s->utc_mask);
    mg_put_be16(w, s->end_format);
    mg_put_bytes(w, s->password[0], 4);
    mg_put_bytes(w, s->password[1], 4);
    mg_put_u8(w, s->is_locked);
}

static void get_settings(struct mg_rd *r, struct fw_settings *s)
{
    s->unit = mg_rd_u8(r);
    s->baud_code = mg_rd_u8(r);
    s->stop_bits = mg_rd_u8(r);
    s->parity = mg_rd_u8(r);
    get_bytes(r, s->description, sizeof s->description);
    get_bytes(r, s->location, sizeof s->location);
    s->energy_flow = mg_rd_be16(r);
    s->lcd_period_s = mg_rd_be16(r);
    for (unsigned k = 0; k < 4; k++) {
        s->counter[k / 2][k % 2] = mg_rd_be16(r);
    }
    s->offset_min = (int16_t)mg_rd_be16(r);
    s->format = mg_rd_be16(r);
    s->backlight = mg_rd_be16(r);
    s->lcd_mask = mg_rd_be16(r);
    get_bytes(r, s->lcd_text, sizeof s->lcd_text);
    get_bytes(r, s->lcd_label, sizeof s->lcd_label);
    s->clock_timeout = mg_rd_be16(r);
    s->utc_mask = mg_rd_be16(r);
    s->end_format = mg_rd_be16(r);
    get_bytes(r, s->password[0], 4);
    get_bytes(r, s->password[1], 4);
    s->is_locked = mg_rd_u8(r);
}

static bool load_settings(struct fw_state *st, struct fw_settings *ret)
{
    uint32_t seq = newest(st->env.nv, &settings_area);
    const uint8_t *slot = slot_of(st->env.nv, &settings_area, seq);
    struct mg_rd r = mg_rd_init(slot + 4, SETTINGS_LEN);
    struct fw_settings s = {0};
    st->settings_seq = seq;
    get_settings(&r, &s);
    if (seq == 0 || s.unit < 1 || s.unit > 247 ||
        wm3m4c_fw_baud(s.baud_code) == 0 || s.lcd_period_s == 0) {
        return false;
    }
    *ret = s;
    return true;
}

static struct fw_settings factory_settings(const struct fw_state *st)
{
    int code = wm3m4c_fw_baud_code(st->env.baud);
    bool has_unit = st->env.unit >= 1 && st->env.unit <= 247;
    struct fw_settings s = {
        .unit = has_unit ? st->env.unit : FW_DEFAULT_UNIT,
        .baud_code = (uint8_t)(code >= 0 ? code : 7),
        .lcd_period_s = 5,
        .lcd_mask = 1,         /* manual 4.6: energy of the charge */
        .clock_timeout = 1440, /* a day, ours */
        .password = {{'A', 'A', 'A', 'A'}, {'A', 'A', 'A', 'A'}},
        .is_locked = st->options->is_locked != 0};
    for (unsigned k = 0; k < 4; k++) {
        s.counter[k / 2][k % 2] = wm3m4c_fw_counter_setting(k / 2, k % 2);
    }
    memset(s.description, ' ', sizeof s.description);
    memset(s.location, ' ', sizeof s.location);
    memset(s.lcd_text, ' ', sizeof s.lcd_text);
    memset(s.lcd_label, ' ', sizeof s.lcd_label);
    return s;
}

static void write_settings(struct fw_state *st, const struct fw_settings *s)
{
    uint32_t seq = ++st->settings_seq;
    struct mg_wr w = begin_slot(st, &settings_area, seq);
    put_settings(&w, s);
    end_slot(st, &w);
}

void wm3m4c_fw_nv_save_settings(struct fw_state *st)
{
    write_settings(st, &st->settings);
}

void wm3m4c_fw_nv_save_access(struct fw_state *st)
{
    struct fw_settings s = factory_settings(st);
    (void)load_settings(st, &s);
    memcpy(s.password, st->settings.password, sizeof s.password);
    s.is_locked = st->settings.is_locked;
    write_settings(st, &s);
}

/* ---- Energies and charge ---- */

static void put_energy(struct mg_wr *w, const struct fw_energy *e)
{
    mg_put_be32(w, e->wh[0]);
    mg_put_be32(w, e->wh[1]);
    mg_put_be64(w, (uint64_t)e->rest);
}

static bool get_energy(struct mg_rd *r, struct fw_energy *e)
{
    e->wh[0] = mg_rd_be32(r);
    e->wh[1] = mg_rd_be32(r);
    e->rest = (int64_t)mg_rd_be64(r);
    return e->rest > -FW_PULSE && e->rest < FW_PULSE;
}

static void put_charge(struct mg_wr *w, const struct fw_charge *c)
{
    mg_put_u8(w, c->state);
    mg_put_u8(w, c->flags);
    mg_put_u8(w, c->end_flags);
    mg_put_u8(w, c->end_letter);
    mg_put_u8(w, c->is_cleared);
    mg_put_u8(w, c->is_adjusted);
    mg_put_be16(w, c->n_tariff);
    mg_put_be16(w, c->n_intermediate);
    mg_put_be32(w, c->duration_s);
    mg_put_be32(w, c->n_fiscal);
    mg_put_be32(w, c->n_signatures);
    for (size_t k = 0; k < FW_N_EVENTS; k++) {
        const struct fw_reading *reading = &c->reading[k];
        mg_put_be32(w, reading->unix_s);
        mg_put_be32(w, reading->wh);
        mg_put_be16(w, (uint16_t)reading->offset_min);
        mg_put_u8(w, reading->clock);
    }
}

static bool get_charge(struct mg_rd *r, struct fw_charge *c)
{
    c->state = mg_rd_u8(r);
    c->flags = mg_rd_u8(r);
    c->end_flags = mg_rd_u8(r);
    c->end_letter = mg_rd_u8(r);
    c->is_cleared = mg_rd_u8(r) != 0;
    c->is_adjusted = mg_rd_u8(r) != 0;
    c->n_tariff = mg_rd_be16(r);
    c->n_intermediate = mg_rd_be16(r);
    c->duration_s = mg_rd_be32(r);
    c->n_fiscal = mg_rd_be32(r);
    c->n_signatures = mg_rd_be32(r);
    for (size_t k = 0; k < FW_N_EVENTS; k++) {
        struct fw_reading *reading = &c->reading[k];
        reading->unix_s = mg_rd_be32(r);
        reading->wh = mg_rd_be32(r);
        reading->offset_min = (int16_t)mg_rd_be16(r);
        reading->clock = mg_rd_u8(r);
    }
    return c->state <= FW_CHARGE_AFTER_RESET;
}

static bool load_energies(struct fw_state *st)
{
    uint32_t seq = newest(st->env.nv, &energies_area);
    const uint8_t *slot = slot_of(st->env.nv, &energies_area, seq);
    struct mg_rd r = mg_rd_init(slot + 4, ENERGIES_LEN);
    bool is_good = seq != 0;
    st->energies_seq = seq;
    is_good &= get_energy(&r, &st->energy);
    is_good &= get_energy(&r, &st->reactive);
    is_good &= get_charge(&r, &st->charge);
    return is_good && !r.failed;
}

static uint8_t *write_energies(struct fw_state *st)
{
    uint32_t seq = ++st->energies_seq;
    struct mg_wr w = begin_slot(st, &energies_area, seq);
    put_energy(&w, &st->energy);
    put_energy(&w, &st->reactive);
    put_charge(&w, &st->charge);
    end_slot(st, &w);
    st->since_save_us = 0;
    return w.data;
}

void wm3m4c_fw_nv_save_energies(struct fw_state *st)
{
    if (!st->is_energy_lost) {
        (void)write_energies(st);
    }
}

void wm3m4c_fw_nv_power_fail(struct fw_state *st)
{
    if (st->is_energy_lost) {
        return;
    }
    uint8_t *slot = write_energies(st);
    if (st->memory_fault == MG_FW_FAULT_NV_SLOT) {
        spoil(slot);
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

static void forget_energies(struct fw_state *st)
{
    memset(&st->energy, 0, sizeof st->energy);
    memset(&st->reactive, 0, sizeof st->reactive);
    memset(&st->charge, 0, sizeof st->charge);
}

void wm3m4c_fw_nv_power_on(struct fw_state *st)
{
    bool is_first_time = is_new(st->env.nv);
    if (!load_settings(st, &st->settings)) {
        st->settings = factory_settings(st);
        st->is_parameter_bad = !is_first_time;
    }
    if (is_first_time) {
        for (unsigned k = 0; k < N_SLOTS; k++) {
            wm3m4c_fw_nv_save_settings(st);
            wm3m4c_fw_nv_save_energies(st);
        }
    } else if (!load_energies(st)) {
        forget_energies(st);
        st->is_energy_lost = true;
    }
}

static void damage_area(uint8_t *nv, const struct area *area)
{
    for (uint32_t k = 0; k < N_SLOTS; k++) {
        uint8_t *slot = slot_of(nv, area, k);
        if (good_seq(slot, area) != 0) {
            spoil(slot);
        }
    }
}

void wm3m4c_fw_nv_damage(struct fw_state *st)
{
    damage_area(st->env.nv, &settings_area);
    damage_area(st->env.nv, &energies_area);
}
