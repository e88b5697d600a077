/* Registers 49000 to 49047. All of them are ours: no public document says where
 * the meter has these things. The driver uses none. */
#include "firmware_priv.h"

#include <string.h>

/* ---- 49000 to 49006: errors, check sums, test mode, LED ---- */

enum { ERRORS, CRC_HIGH, CRC_LOW, PHASE_CRC, TEST_MODE, LED_KIND, LED_STEADY };

static uint16_t state_word(const struct fw_state *st, unsigned offset)
{
    uint32_t crc = wm3m4c_fw_main_crc(st);
    const uint16_t words[] = {
        [ERRORS] = wm3m4c_fw_errors(st), [CRC_HIGH] = (uint16_t)(crc >> 16),
        [CRC_LOW] = (uint16_t)crc,       [PHASE_CRC] = wm3m4c_fw_phase_crc(st),
        [TEST_MODE] = st->is_test_mode,  [LED_KIND] = st->is_led_reactive,
        [LED_STEADY] = st->is_no_load,
    };
    return words[offset];
}

/* Test mode lasts until power-off (manual 4.5); the LED is switched over IR
 * only (manual 3.1). */
static int check_state(const struct fw_state *st, unsigned offset,
                       uint16_t word)
{
    if (offset == TEST_MODE) {
        if (word > 1) {
            return FW_BAD_VALUE;
        }
        bool is_back = word == 0 && st->is_test_mode;
        bool is_charging = st->charge.state != FW_CHARGE_IDLE;
        return is_back || is_charging ? FW_BAD_STATE : 0;
    }
    if (offset == LED_KIND) {
        return !st->is_optical ? FW_BAD_STATE : word <= 1 ? 0 : FW_BAD_VALUE;
    }
    return FW_BAD_ADDRESS;
}

static void apply_state(struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset == TEST_MODE) {
        st->is_test_mode = word != 0;
    } else {
        st->is_led_reactive = word != 0;
    }
}

/* ---- 49007 to 49013: password entry, level, PL1, PL2 ---- */

static uint16_t password_word(const struct fw_state *st, unsigned offset)
{
    return offset == 2 ? (uint16_t)wm3m4c_fw_access(st) : 0;
}

static bool is_letter(unsigned c)
{
    return c >= 'A' && c <= 'Z';
}

static int check_password(const struct fw_state *st, unsigned offset,
                          uint16_t word)
{
    if (offset == 2) {
        return FW_BAD_ADDRESS;
    }
    if (!is_letter(word >> 8) || !is_letter(word & 0xff)) {
        return FW_BAD_VALUE;
    }
    return offset > 2 && wm3m4c_fw_access(st) < 2 ? FW_BAD_STATE : 0;
}

static void put_word(uint8_t *at, uint16_t word)
{
    at[0] = (uint8_t)(word >> 8);
    at[1] = (uint8_t)word;
}

/* The second half makes it whole: entered, or valid from now on. */
static void apply_password(struct fw_state *st, unsigned offset, uint16_t word)
{
    unsigned half = offset < 2 ? offset : (offset - 3) % 2;
    put_word(st->entry + 2 * (size_t)half, word);
    if (half == 0) {
        return;
    }
    if (offset < 2) {
        wm3m4c_fw_enter_password(st);
    } else {
        memcpy(st->settings.password[(offset - 3) / 2], st->entry, 4);
        wm3m4c_fw_nv_save_access(st);
    }
}

/* ---- 49014 to 49037: the display ---- */

static uint16_t lcd_word(const struct fw_state *st, unsigned offset)
{
    uint8_t rows[3][FW_LCD_ROW];
    wm3m4c_fw_lcd(st, rows);
    return wm3m4c_fw_chars(rows[offset / (FW_LCD_ROW / 2)], FW_LCD_ROW,
                           offset % (FW_LCD_ROW / 2));
}

/* ---- 49040 to 49047: import, export in mWh, in test mode ---- */

static uint16_t fine_word(const struct fw_state *st, unsigned offset)
{
    uint64_t mwh = wm3m4c_fw_energy_fine(st, offset / 4);
    return (uint16_t)(mwh >> (48 - 16 * (offset % 4)));
}

const struct fw_area wm3m4c_fw_own_areas[] = {
    {9000, 9006, 0, state_word, check_state, apply_state},
    {9007, 9013, 0, password_word, check_password, apply_password},
    {9014, 9037, 0, lcd_word, NULL, NULL},
    {9040, 9047, FW_AREA_TEST, fine_word, NULL, NULL},
};

const size_t wm3m4c_fw_n_own_areas =
    sizeof wm3m4c_fw_own_areas / sizeof *wm3m4c_fw_own_areas;
