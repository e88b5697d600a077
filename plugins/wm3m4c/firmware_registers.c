/* Registers 47000 to 48316: the measurements table and what belongs to signed
 * charging (manual 5.5). */
#include "firmware_priv.h"

#define UNLOCK_KEY 12345
#define UNLOCK_US  FW_MINUTE_US

#define OCMF_VERSION 0x0100 /* manual 5.5.2: 1.0 */
#define ALGORITHM    4      /* manual Table 10 */

static uint16_t half(uint32_t value, unsigned offset)
{
    return (uint16_t)(offset % 2 == 0 ? value >> 16 : value);
}

/* ---- 47000 to 47042 (manual 5.5.15) ---- */

#define FIRST_EVENT 15

/* Four words of each event: time, counter. */
static uint16_t event_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_reading *r = &st->charge.reading[offset / 4];
    if (offset % 4 < 2) {
        return half(wm3m4c_fw_clock_shown(st, r->unix_s, r->offset_min),
                    offset);
    }
    return half(r->wh, offset);
}

static uint16_t power_word(const struct fw_state *st, unsigned offset)
{
    uint16_t words[2];
    (void)wm3m4c_fw_encode(FW_T6, st->live.v[FW_P], false, words);
    return words[offset];
}

static uint16_t table_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_charge *c = &st->charge;
    bool is_cleared = c->is_cleared && c->state == FW_CHARGE_IDLE;
    uint32_t now = wm3m4c_fw_clock_shown(st, (uint32_t)wm3m4c_fw_clock_now(st),
                                         st->settings.offset_min);
    const uint32_t wide[] = {is_cleared ? 0 : c->duration_s,
                             wm3m4c_fw_consumption_wh(st), 0, now};
    switch (offset) {
    case 0:
        return c->state;
    case 5:
    case 6:
        return power_word(st, offset - 5);
    case 9:
        return c->n_tariff;
    case 10:
        return c->n_intermediate;
    case 11:
    case 12:
        return half(c->n_fiscal, offset - 11);
    case 13:
    case 14:
        return half(c->n_signatures, offset - 13);
    default:
        return offset < 9 ? half(wide[(offset - 1) / 2], offset - 1)
                          : event_word(st, offset - FIRST_EVENT);
    }
}

/* ---- 47051, 47052 ---- */

static uint16_t zero_word(const struct fw_state *st, unsigned offset)
{
    (void)st;
    (void)offset;
    return 0;
}

/* While it signs the meter has no time for the next command (ours): the one
 * that runs keeps its status. */
static int check_command(const struct fw_state *st, unsigned offset,
                         uint16_t word)
{
    (void)offset;
    (void)word;
    return st->signing.status == FW_SIGNING ? FW_BUSY : 0;
}

static void apply_command(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    wm3m4c_fw_command(st, word >> 8);
}

static uint16_t status_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->signing.status;
}

/* ---- 47056 to 47060 ---- */

static uint16_t length_word(const struct fw_state *st, unsigned offset)
{
    const uint16_t words[] = {st->signing.input_len, st->signing.output_len,
                              st->signing.asn1_len};
    return words[offset];
}

/* The manual's table calls 47056 read only; its text has it written. */
static int check_length(const struct fw_state *st, unsigned offset,
                        uint16_t word)
{
    (void)st;
    (void)word;
    return offset == 0 ? 0 : FW_BAD_ADDRESS;
}

static void apply_length(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->signing.input_len = word;
}

static uint16_t format_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->settings.format;
}

static int check_format(const struct fw_state *st, unsigned offset,
                        uint16_t word)
{
    (void)st;
    (void)offset;
    return word <= 1 ? 0 : FW_BAD_VALUE;
}

static void apply_format(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->settings.format = word;
}

static uint16_t algorithm_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->options->crypto != 0 ? ALGORITHM : 0;
}

/* ---- 47069, 47070, 47076 ---- */

static uint16_t ocmf_word(const struct fw_state *st, unsigned offset)
{
    (void)st;
    (void)offset;
    return OCMF_VERSION;
}

static int check_clear(const struct fw_state *st, unsigned offset,
                       uint16_t word)
{
    (void)offset;
    (void)word;
    return st->charge.state == FW_CHARGE_IDLE ? 0 : FW_BAD_STATE;
}

static void apply_clear(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    if ((word & 1) != 0) {
        st->charge.is_cleared = true;
        wm3m4c_fw_nv_save_energies(st);
    }
}

static uint16_t end_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->settings.end_format;
}

static int check_end(const struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)st;
    (void)offset;
    return word <= 2 ? 0 : FW_BAD_VALUE;
}

static void apply_end(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->settings.end_format = word;
}

/* ---- 47097, 47098: the lock, once and for all ---- */

static uint16_t lock_word(const struct fw_state *st, unsigned offset)
{
    return offset == 0 ? st->settings.is_locked : 0;
}

static int check_lock(const struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset == 1) {
        return word == UNLOCK_KEY ? 0 : FW_BAD_VALUE;
    }
    if (word > 1) {
        return FW_BAD_VALUE;
    }
    bool is_open = st->life_us < st->unlock_until_us;
    bool is_back = word == 0 && st->settings.is_locked;
    return is_open && !is_back ? 0 : FW_BAD_STATE;
}

static void apply_lock(struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset == 1) {
        st->unlock_until_us = st->life_us + UNLOCK_US;
    } else if (word == 1) {
        st->settings.is_locked = 1;
        wm3m4c_fw_nv_save_access(st);
    }
}

/* ---- 47100 to 48316 ---- */

static uint16_t input_word(const struct fw_state *st, unsigned offset)
{
    return wm3m4c_fw_chars(st->signing.input, FW_INPUT_MAX, offset);
}

static int check_input(const struct fw_state *st, unsigned offset,
                       uint16_t word)
{
    (void)st;
    (void)offset;
    (void)word;
    return 0;
}

static void apply_input(struct fw_state *st, unsigned offset, uint16_t word)
{
    uint8_t *at = st->signing.input + 2 * (size_t)offset;
    at[0] = (uint8_t)(word >> 8);
    at[1] = (uint8_t)word;
}

static uint16_t output_word(const struct fw_state *st, unsigned offset)
{
    return wm3m4c_fw_chars(st->signing.output, st->signing.output_len, offset);
}

static uint16_t key_word(const struct fw_state *st, unsigned offset)
{
    const uint8_t *key = st->env.public_key;
    return wm3m4c_fw_chars(key, key != NULL ? 64 : 0, offset);
}

static uint16_t raw_word(const struct fw_state *st, unsigned offset)
{
    size_t len = st->signing.asn1_len > 0 ? FW_SIGNATURE : 0;
    return wm3m4c_fw_chars(st->signing.raw, len, offset);
}

static uint16_t asn1_word(const struct fw_state *st, unsigned offset)
{
    return wm3m4c_fw_chars(st->signing.asn1, st->signing.asn1_len, offset);
}

#define CRYPTO FW_AREA_CRYPTO

const struct fw_area wm3m4c_fw_charge_areas[] = {
    {7000, 7042, CRYPTO, table_word, NULL, NULL},
    {7051, 7051, CRYPTO, zero_word, check_command, apply_command},
    {7052, 7052, CRYPTO, status_word, NULL, NULL},
    {7056, 7058, CRYPTO, length_word, check_length, apply_length},
    {7059, 7059, CRYPTO, format_word, check_format, apply_format},
    {7060, 7060, 0, algorithm_word, NULL, NULL},
    {7069, 7069, CRYPTO, ocmf_word, NULL, NULL},
    {7070, 7070, CRYPTO, zero_word, check_clear, apply_clear},
    {7076, 7076, CRYPTO | FW_AREA_END_MODE, end_word, check_end, apply_end},
    {7097, 7098, 0, lock_word, check_lock, apply_lock},
    {7100, 7611, CRYPTO, input_word, check_input, apply_input},
    {7612, 8123, CRYPTO, output_word, NULL, NULL},
    {8124, 8155, CRYPTO, key_word, NULL, NULL},
    {8156, 8187, CRYPTO, raw_word, NULL, NULL},
    {8188, 8315, CRYPTO, asn1_word, NULL, NULL},
    /* The binary message of 48317 is not described: always empty. */
    {8316, 8316, CRYPTO, zero_word, NULL, NULL},
};

const size_t wm3m4c_fw_n_charge_areas =
    sizeof wm3m4c_fw_charge_areas / sizeof *wm3m4c_fw_charge_areas;
