/* The register map (manual 6.2 to 6.4). A request must lie in one area: what
 * touches a hole, or half a float, is refused with exception 02. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define BAD_ADDRESS 2
#define BAD_VALUE   3

#define CLEAR_COMMAND 0x55aa

#define N_SCHEDULE    (1 + 2 * FW_N_PERIODS)
#define MAX_WRITABLE  N_SCHEDULE
#define SERIAL_DIGITS 8

/* An area of words, or of floats: then two registers each. Writing replaces
 * some words of the area and must leave a whole that makes sense. */
struct area {
    uint16_t first, last;
    bool only_bk;
    uint16_t (*word)(const struct fw_state *st, unsigned offset);
    uint32_t (*real)(const struct fw_state *st, unsigned index);
    int (*write)(struct fw_state *st, const uint16_t *words);
};

static const uint32_t bauds[] = {1200, 2400, 4800, 9600};

uint32_t kpm31_fw_baud(unsigned code)
{
    return code >= 1 && code <= 4 ? bauds[code - 1] : 0;
}

uint8_t kpm31_fw_baud_code(int64_t baud)
{
    for (uint8_t k = 0; k < 4; k++) {
        if (bauds[k] == baud) {
            return (uint8_t)(k + 1);
        }
    }
    return 0;
}

bool kpm31_fw_has_relay(const struct fw_state *st)
{
    return st->variant != KPM31_A;
}

void kpm31_fw_relay_switch(struct fw_state *st, bool is_closed)
{
    st->is_relay_open = !is_closed;
    st->env.nv[FW_NV_RELAY] = is_closed ? 1 : 0;
}

/* ---- System parameters, manual 6.2 ---- */

static uint16_t system_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_settings *s = &st->settings;
    const struct fw_shown *shown = &st->shown;
    switch (offset) {
    case 0:
        return s->password;
    case 1:
        return shown->unit != 0 ? shown->unit : s->unit;
    default:
        return shown->baud_code != 0 ? shown->baud_code : s->baud_code;
    }
}

static int write_system(struct fw_state *st, const uint16_t *words)
{
    if (words[0] > 9999 || words[1] < 1 || words[1] > 247 ||
        kpm31_fw_baud(words[2]) == 0) {
        return BAD_VALUE;
    }
    st->settings.password = words[0];
    st->settings.unit = (uint8_t)words[1];
    st->settings.baud_code = (uint8_t)words[2];
    kpm31_fw_nv_save_settings(st);
    return 0;
}

static uint16_t clear_word(const struct fw_state *st, unsigned offset)
{
    (void)st;
    (void)offset;
    return 0;
}

static int write_clear(struct fw_state *st, const uint16_t *words)
{
    if (words[0] != CLEAR_COMMAND) {
        return BAD_VALUE;
    }
    kpm31_fw_energy_clear(st);
    return 0;
}

/* ---- Identification: 13 characters and a NUL. The layout is ours: model,
 * region 0, RS-485 only 1, eight digits of serial number. ---- */

static uint16_t word_of(const uint8_t *bytes, size_t offset)
{
    return (uint16_t)(bytes[2 * offset] << 8 | bytes[2 * offset + 1]);
}

static uint16_t serial_word(const struct fw_state *st, unsigned offset)
{
    uint8_t text[14] = "31A0100000000";
    uint32_t rest = st->env.serial;
    if (st->variant != KPM31_A) {
        text[2] = 'B';
    }
    for (unsigned k = 0; k < SERIAL_DIGITS; k++) {
        text[12 - k] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    }
    return word_of(text, offset);
}

/* ---- Clock: six bytes Y M D h m s (KPM33B manual V3.4) ---- */

static uint16_t clock_word(const struct fw_state *st, unsigned offset)
{
    struct fw_date d;
    kpm31_fw_date_from_unix(kpm31_fw_clock_now(st), &d);
    const uint8_t bytes[6] = {
        (uint8_t)(d.year - 2000), d.month, d.day, d.hour, d.minute, d.second};
    return word_of(bytes, offset);
}

static int write_clock(struct fw_state *st, const uint16_t *words)
{
    struct fw_date d = {.year = 2000 + (words[0] >> 8),
                        .month = (uint8_t)words[0],
                        .day = (uint8_t)(words[1] >> 8),
                        .hour = (uint8_t)words[1],
                        .minute = (uint8_t)(words[2] >> 8),
                        .second = (uint8_t)words[2]};
    int64_t unix_s;
    if (!kpm31_fw_date_to_unix(&d, &unix_s)) {
        return BAD_VALUE;
    }
    kpm31_fw_clock_set(st, unix_s);
    kpm31_fw_settle_after_set(st);
    return 0;
}

/* ---- Schedule (ours): number of periods, then start (hour, minute) and rate
 * of each of eight; those beyond the number are kept and not used ---- */

#define SCHEDULE       0x0200
#define SCHEDULE_WORDS (1 + 2 * FW_N_PERIODS)

static uint16_t schedule_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_settings *s = &st->settings;
    if (offset == 0) {
        return s->n_periods;
    }
    const struct fw_period *p = &s->period[(offset - 1) / 2];
    if (offset % 2 == 0) {
        return p->rate;
    }
    return (uint16_t)(p->hour << 8 | p->minute);
}

static int write_schedule(struct fw_state *st, const uint16_t *words)
{
    struct fw_settings s = st->settings;
    if (words[0] > FW_N_PERIODS) {
        return BAD_VALUE;
    }
    s.n_periods = (uint8_t)words[0];
    for (size_t k = 0; k < FW_N_PERIODS; k++) {
        unsigned start = words[1 + 2 * k];
        unsigned rate = words[2 + 2 * k];
        if (rate > FW_N_RATES) {
            return BAD_VALUE;
        }
        s.period[k] = (struct fw_period){.hour = (uint8_t)(start >> 8),
                                         .minute = (uint8_t)start,
                                         .rate = (uint8_t)rate};
    }
    if (!kpm31_fw_schedule_is_valid(&s)) {
        return BAD_VALUE;
    }
    st->settings = s;
    kpm31_fw_nv_save_settings(st);
    return 0;
}

size_t kpm31_fw_tariff_request(const struct mg_fw_period *periods, size_t n,
                               uint8_t *ret, size_t cap)
{
    struct mg_wr w = mg_wr_init(ret, cap);
    if (n < 1 || n > FW_N_PERIODS) {
        return 0;
    }
    mg_put_u8(&w, 0x10);
    mg_put_be16(&w, SCHEDULE);
    mg_put_be16(&w, SCHEDULE_WORDS);
    mg_put_u8(&w, 2 * SCHEDULE_WORDS);
    mg_put_be16(&w, (uint16_t)n);
    for (size_t k = 0; k < FW_N_PERIODS; k++) {
        bool is_used = k < n;
        mg_put_u8(&w, is_used ? periods[k].hour : 0);
        mg_put_u8(&w, is_used ? periods[k].minute : 0);
        mg_put_be16(&w, is_used ? periods[k].rate : 0);
    }
    return w.failed ? 0 : w.len;
}

/* ---- State (ours): error word; on BK the digital input ---- */

static uint16_t error_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return (uint16_t)((st->is_energy_lost ? FW_ERROR_ENERGY : 0) |
                      (st->is_clock_lost ? FW_ERROR_CLOCK : 0) |
                      (st->is_signal_bad ? FW_ERROR_SIGNAL : 0));
}

static uint16_t contact_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->is_contact_closed ? 1 : 0;
}

/* ---- Floats, manual 6.3 and 6.4 ---- */

static uint32_t live_real(const struct fw_state *st, unsigned index)
{
    if (st->is_signal_bad) {
        return FW_NAN;
    }
    if (st->shown.is_set[index]) {
        return st->shown.bits[index];
    }
    return kpm31_fw_live_float(st, index);
}

static uint32_t demand_real(const struct fw_state *st, unsigned index)
{
    return live_real(st, FW_N_LIVE - 1 + index);
}

static uint32_t energy_real(const struct fw_state *st, unsigned index)
{
    unsigned at = FW_N_LIVE + index;
    if (st->shown.is_set[at] && !st->is_energy_lost) {
        return st->shown.bits[at];
    }
    /* Manual 4.6: the contact selects whose data are seen. */
    return kpm31_fw_energy_float(st, st->is_contact_closed ? 1 : 0, index);
}

static uint32_t basic_real(const struct fw_state *st, unsigned index)
{
    return kpm31_fw_energy_float(st, 0, index);
}

static uint32_t extended_real(const struct fw_state *st, unsigned index)
{
    return kpm31_fw_energy_float(st, 1, index);
}

static const struct area areas[] = {
    {0x0000, 0x0002, false, system_word, NULL, write_system},
    {0x000c, 0x000c, false, clear_word, NULL, write_clear},
    {0x0012, 0x0018, false, serial_word, NULL, NULL},
    {0x0023, 0x0025, false, clock_word, NULL, write_clock},
    {0x0030, 0x003d, false, NULL, live_real, NULL},
    {0x0070, 0x0071, false, NULL, demand_real, NULL},
    {0x0080, 0x019f, false, NULL, energy_real, NULL},
    /* From here on ours: no manual says where these are. */
    {SCHEDULE, SCHEDULE + SCHEDULE_WORDS - 1, false, schedule_word, NULL,
     write_schedule},
    {0x0220, 0x0220, false, error_word, NULL, NULL},
    {0x0222, 0x0222, true, contact_word, NULL, NULL},
    {0x0300, 0x041f, true, NULL, basic_real, NULL},
    {0x0500, 0x061f, true, NULL, extended_real, NULL},
};

/* @return NULL: no one area has all of them */
static const struct area *find_area(const struct fw_state *st, unsigned first,
                                    unsigned n_words)
{
    for (size_t k = 0; k < sizeof(areas) / sizeof(areas[0]); k++) {
        const struct area *a = &areas[k];
        bool is_there = !a->only_bk || st->variant == KPM31_BK;
        if (is_there && first >= a->first && first + n_words - 1 <= a->last) {
            return a;
        }
    }
    return NULL;
}

int kpm31_fw_read(const struct fw_state *st, unsigned first, unsigned n_words,
                  uint16_t *ret_words)
{
    const struct area *a = find_area(st, first, n_words);
    if (a == NULL) {
        return BAD_ADDRESS;
    }
    unsigned offset = first - a->first;
    if (a->word != NULL) {
        for (unsigned k = 0; k < n_words; k++) {
            ret_words[k] = a->word(st, offset + k);
        }
        return 0;
    }
    if (offset % 2 != 0 || n_words % 2 != 0) {
        return BAD_ADDRESS;
    }
    for (unsigned k = 0; k < n_words; k += 2) {
        uint32_t bits = a->real(st, (offset + k) / 2);
        ret_words[k] = (uint16_t)(bits >> 16);
        ret_words[k + 1] = (uint16_t)bits;
    }
    return 0;
}

int kpm31_fw_write(struct fw_state *st, unsigned first, unsigned n_words,
                   const uint16_t *words)
{
    const struct area *a = find_area(st, first, n_words);
    uint16_t whole[MAX_WRITABLE];
    if (a == NULL || a->write == NULL) {
        return BAD_ADDRESS;
    }
    /* What a test made the meter show must not become a setting. */
    st->shown.unit = 0;
    st->shown.baud_code = 0;
    for (unsigned k = 0; k <= (unsigned)(a->last - a->first); k++) {
        whole[k] = a->word(st, k);
    }
    memcpy(whole + (first - a->first), words, n_words * sizeof(*words));
    return a->write(st, whole);
}
