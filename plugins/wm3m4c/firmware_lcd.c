/* The display: import on top, one of nine things below it, a label (manual 4.4
 * to 4.6). Rows are left-aligned text. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define WELCOME_US 2000000
#define UTC_ON_LCD 2U /* register 47073 */

enum {
    BIT_CHARGE,
    BIT_DURATION,
    BIT_NUMBER,
    BIT_CUSTOM,
    BIT_DATE,
    BIT_TIME,
    BIT_SERIAL,
    BIT_VERSION,
    BIT_EXPORT,
    N_BITS
};

/* Manual Tables 3 and 4. */
static const char clock_letters[] = "ui5r";
static const char charge_letters[] = "ICPd";

static void put_text(struct mg_wr *w, const char *text)
{
    mg_put_bytes(w, (const uint8_t *)text, strlen(text));
}

static void put_number(struct mg_wr *w, uint32_t n, unsigned width)
{
    uint8_t digits[10];
    unsigned len = 0;
    do {
        digits[len++] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0 || len < width);
    while (len > 0) {
        mg_put_u8(w, digits[--len]);
    }
}

static void put_hex(struct mg_wr *w, uint32_t n, unsigned width)
{
    static const char digits[] = "0123456789ABCDEF";
    while (width-- > 0) {
        mg_put_u8(w, (uint8_t)digits[n >> (4 * width) & 0xf]);
    }
}

/* 6 + 2 digits of kWh; the test mode has three more (ours). */
static void put_energy(struct mg_wr *w, const struct fw_state *st,
                       unsigned direction)
{
    uint32_t wh = st->energy.wh[direction];
    if (!st->is_test_mode) {
        put_number(w, wh / 1000 % 1000000, 6);
        put_text(w, ".");
        put_number(w, wh / 10 % 100, 2);
        return;
    }
    uint64_t mwh = wm3m4c_fw_energy_fine(st, direction);
    put_number(w, (uint32_t)(mwh / 1000000 % 1000), 3);
    put_text(w, ".");
    put_number(w, (uint32_t)(mwh / 10 % 100000), 5);
}

/* Manual 4.6.2; what is not in the list stays dark. */
static void put_custom(struct mg_wr *w, const uint8_t *text, size_t len)
{
    static const char shown[] = "0I12345S6G789ABbCDdEFHLJNPRUVchirnovut-";
    for (size_t k = 0; k < len; k++) {
        uint8_t c = ' ';
        for (size_t i = 0; i + 1 < sizeof shown; i++) {
            c = text[k] == (uint8_t)shown[i] ? text[k] : c;
        }
        mg_put_u8(w, c);
    }
}

static void local_date(const struct fw_state *st, struct fw_date *ret)
{
    bool is_utc = (st->settings.utc_mask & UTC_ON_LCD) != 0;
    int64_t now = wm3m4c_fw_clock_now(st);
    wm3m4c_fw_date(now + (is_utc ? 0 : st->settings.offset_min * 60), ret);
}

static void put_pair(struct mg_wr *w, unsigned a, const char *mark, unsigned b)
{
    put_number(w, a, 2);
    put_text(w, mark);
    put_number(w, b, 2);
}

static void put_charge(struct mg_wr *row, struct mg_wr *label,
                       const struct fw_state *st)
{
    bool is_idle = st->charge.state == FW_CHARGE_IDLE;
    uint32_t wh = wm3m4c_fw_consumption_wh(st);
    put_text(row, is_idle ? "End " : "Run ");
    put_number(row, wh / 1000, 1);
    put_text(row, ".");
    put_number(row, wh / 10 % 100, 2);
    mg_put_u8(label, (uint8_t)clock_letters[st->clock.status & 3]);
    mg_put_u8(label, (uint8_t)charge_letters[st->charge.state & 3]);
    put_text(label, "00");
}

static void put_duration(struct mg_wr *row, struct mg_wr *label,
                         const struct fw_state *st)
{
    uint32_t s = st->charge.is_cleared ? 0 : st->charge.duration_s;
    int64_t watt = st->live.v[FW_P] / 1000;
    put_number(row, s / 3600, 1);
    put_text(row, "h ");
    put_pair(row, s / 60 % 60, " ", s % 60);
    put_text(label, watt < 0 ? "-" : "");
    put_number(label, (uint32_t)(watt < 0 ? -watt : watt), 1);
    put_text(label, " W");
}

static void put_clock(struct mg_wr *row, struct mg_wr *label,
                      const struct fw_state *st, bool is_date)
{
    struct fw_date d;
    bool is_utc = (st->settings.utc_mask & UTC_ON_LCD) != 0;
    local_date(st, &d);
    if (is_date) {
        put_pair(row, d.day, "-", d.month);
        put_text(row, "-");
        put_number(row, d.year % 100U, 2);
        put_pair(label, d.hour, ".", d.minute);
        return;
    }
    put_pair(row, d.hour, ".", d.minute);
    put_text(row, ".");
    put_number(row, d.second, 2);
    mg_put_u8(label, (uint8_t)clock_letters[st->clock.status & 3]);
    put_text(label, is_utc ? ".Utc" : ".Loc");
}

static void put_version(struct mg_wr *w, const struct fw_state *st)
{
    uint32_t version = (uint32_t)st->options->firmware_version;
    put_number(w, version / 100, 1);
    put_text(w, ".");
    put_number(w, version % 100, 2);
}

/* Manual Table 2. */
static void put_item(struct mg_wr *row, struct mg_wr *label,
                     const struct fw_state *st, unsigned bit)
{
    switch (bit) {
    case BIT_CHARGE:
        put_charge(row, label, st);
        break;
    case BIT_DURATION:
        put_duration(row, label, st);
        break;
    case BIT_NUMBER:
        put_number(row, st->charge.n_signatures, 1);
        put_text(label, "tr.no");
        break;
    case BIT_CUSTOM:
        put_custom(row, st->settings.lcd_text, 8);
        put_custom(label, st->settings.lcd_label, 4);
        break;
    case BIT_DATE:
    case BIT_TIME:
        put_clock(row, label, st, bit == BIT_DATE);
        break;
    case BIT_SERIAL:
        put_number(row, st->env.serial, 8);
        put_text(label, "Sn");
        break;
    case BIT_VERSION:
        put_version(row, st);
        put_text(label, "SoF");
        break;
    default:
        put_energy(row, st, 1);
        put_text(label, "A-");
        break;
    }
}

/* Which of the chosen items it is the turn of. */
static unsigned item_now(const struct fw_state *st)
{
    uint8_t chosen[N_BITS] = {BIT_CHARGE};
    unsigned n = 0;
    for (unsigned bit = 0; bit < N_BITS; bit++) {
        if ((st->settings.lcd_mask >> bit & 1) != 0) {
            chosen[n++] = (uint8_t)bit;
        }
    }
    uint64_t period_us = (uint64_t)st->settings.lcd_period_s * FW_SECOND_US;
    return n == 0 ? BIT_CHARGE : chosen[st->life_us / period_us % n];
}

static bool is_identification(const struct fw_state *st)
{
    return st->life_us < WELCOME_US || st->life_us < st->fw_screen_until_us;
}

void wm3m4c_fw_lcd(const struct fw_state *st, uint8_t ret_rows[3][FW_LCD_ROW])
{
    struct mg_wr rows[3];
    memset(ret_rows, ' ', 3 * (size_t)FW_LCD_ROW);
    for (unsigned k = 0; k < 3; k++) {
        rows[k] = mg_wr_init(ret_rows[k], FW_LCD_ROW);
    }
    if (is_identification(st)) {
        put_hex(&rows[0], wm3m4c_fw_main_crc(st), 8);
        put_hex(&rows[1], wm3m4c_fw_phase_crc(st), 4);
        put_version(&rows[2], st);
        return;
    }
    put_energy(&rows[0], st, 0);
    if (wm3m4c_fw_errors(st) != 0) { /* before all others (manual 4.6.1) */
        put_text(&rows[1], "Err ");
        put_hex(&rows[1], wm3m4c_fw_errors(st), 4);
        return;
    }
    put_item(&rows[1], &rows[2], st, item_now(st));
}
