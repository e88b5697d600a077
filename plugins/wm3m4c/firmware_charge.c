/* Charging transactions: commands, states, what is kept of each (manual 5.4,
 * 5.5.8, 5.5.15 to 5.5.19). */
#include "firmware_priv.h"

#include <string.h>

#define IN_IDLE   1U
#define IN_CHARGE 2U /* active, also after power loss and reset */
#define NO_EVENT  FW_N_EVENTS

#define VERSION_LAST_CHARGE 208 /* command 'i', manual 5.5.8 */
#define VERSION_END_FORMAT  205 /* register 47076, manual 5.5.19 */

struct command {
    uint8_t letter, states, event;
};

/* Manual Table 11. What L, R, A and P mean it does not say: ends, with the
 * reasons that OCMF has for these letters. */
static const struct command commands[] = {
    {'B', IN_IDLE, FW_START},     {'E', IN_CHARGE, FW_STOP},
    {'L', IN_CHARGE, FW_STOP},    {'R', IN_CHARGE, FW_STOP},
    {'A', IN_CHARGE, FW_STOP},    {'P', IN_CHARGE, FW_STOP},
    {'r', IN_CHARGE, FW_STOP},    {'C', IN_CHARGE, FW_INTERMEDIATE},
    {'X', IN_CHARGE, NO_EVENT},   {'T', IN_CHARGE, FW_TARIFF},
    {'S', IN_CHARGE, FW_SUSPEND}, {'f', IN_IDLE | IN_CHARGE, FW_FISCAL},
    {'h', IN_CHARGE, FW_HOLD},    {'i', IN_IDLE, NO_EVENT},
};

static const struct command *find_command(const struct fw_state *st,
                                          unsigned letter)
{
    for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
        if (commands[k].letter == letter) {
            bool is_known = letter != 'i' || st->options->firmware_version >=
                                                 VERSION_LAST_CHARGE;
            return is_known ? &commands[k] : NULL;
        }
    }
    return NULL;
}

/* Manual 4.6.1: an error blocks the start. Which status says so is ours. */
static enum fw_status judge_errors(const struct fw_state *st)
{
    unsigned errors = wm3m4c_fw_errors(st);
    if ((errors & FW_ERR_CRYPTO_CHIP) != 0) {
        return FW_INIT_FAILED;
    }
    if ((errors & FW_ERR_MID_LOCK) != 0) {
        return FW_CONFIG_NOT_LOCKED;
    }
    if ((errors & FW_ERR_PHASE_FW) != 0) {
        return FW_INVALID_MEASUREMENT;
    }
    return errors != 0 ? FW_CHECKSUM_ERROR : FW_SIGNING;
}

/* @return FW_SIGNING: it may go on */
static enum fw_status judge(const struct fw_state *st, const struct command *c)
{
    bool is_idle = st->charge.state == FW_CHARGE_IDLE;
    if (c == NULL) {
        return FW_INVALID_COMMAND;
    }
    if (st->is_test_mode) {
        return FW_TEST_MODE;
    }
    if ((c->states & (is_idle ? IN_IDLE : IN_CHARGE)) == 0 ||
        (c->letter == 'i' && st->charge.end_letter == 0)) {
        return FW_INVALID_STATE;
    }
    if (st->is_energy_lost) {
        return FW_CHECKSUM_ERROR; /* no reading, no number */
    }
    enum fw_status errors = c->letter == 'B' ? judge_errors(st) : FW_SIGNING;
    if (errors != FW_SIGNING) {
        return errors;
    }
    return st->clock.is_set ? FW_SIGNING : FW_INVALID_TIME;
}

static struct fw_reading read_now(const struct fw_state *st)
{
    return (struct fw_reading){
        .unix_s = (uint32_t)wm3m4c_fw_clock_now(st),
        .wh = st->energy.wh[0],
        .offset_min = st->settings.offset_min,
        .clock = st->clock.status,
    };
}

/* The letter of an end in the record. */
static uint8_t end_letter(const struct fw_state *st, const struct command *c)
{
    bool is_old = st->options->firmware_version < VERSION_END_FORMAT ||
                  st->settings.end_format == 0;
    return c->letter == 'r' && !is_old ? 'E' : c->letter;
}

/* Manual Table 12: with 2, 'E' gives begin and end as 'r' does; that the other
 * four ends do so too is assumed. */
static bool has_begin(const struct fw_state *st, const struct command *c)
{
    bool is_new = st->options->firmware_version >= VERSION_END_FORMAT &&
                  st->settings.end_format == 2;
    return c->letter == 'r' || (c->event == FW_STOP && is_new);
}

/* @return number of entries */
static size_t make_entries(const struct fw_state *st, const struct command *c,
                           const struct fw_reading *now, struct fw_entry *ret)
{
    const struct fw_charge *charge = &st->charge;
    struct fw_entry begin = {charge->reading[FW_START], 'B', 0};
    struct fw_entry entry = {*now, c->letter, charge->flags};
    if (c->letter == 'i') {
        ret[0] = begin;
        ret[1] = (struct fw_entry){charge->reading[FW_STOP], charge->end_letter,
                                   charge->end_flags};
        return 2;
    }
    if (c->event == FW_STOP) {
        entry.letter = end_letter(st, c);
    } else if (c->letter == 'X') {
        entry.flags = FW_FLAG_ENERGY | FW_FLAG_TIME;
    } else if (c->letter == 'f') {
        entry.letter = 0;
    }
    size_t n = 0;
    if (has_begin(st, c)) {
        ret[n++] = begin;
    }
    ret[n++] = entry;
    return n;
}

static void begin(struct fw_charge *c)
{
    struct fw_reading fiscal = c->reading[FW_FISCAL];
    memset(c->reading, 0, sizeof c->reading);
    c->reading[FW_FISCAL] = fiscal;
    c->state = FW_CHARGE_ACTIVE;
    c->flags = 0;
    c->end_letter = 0;
    c->is_cleared = false;
    c->is_adjusted = false;
    c->n_tariff = 0;
    c->n_intermediate = 0;
    c->duration_s = 0;
}

static void end(struct fw_charge *c, uint8_t letter)
{
    c->state = FW_CHARGE_IDLE;
    c->end_letter = letter;
    c->end_flags = c->flags;
    c->flags = 0;
}

/* The state moves with the command; the signature follows. */
static void carry_out(struct fw_state *st, const struct command *command,
                      const struct fw_reading *reading)
{
    struct fw_charge *c = &st->charge;
    if (command->letter == 'B') {
        begin(c);
        st->duration_us = 0;
    }
    if (command->event != NO_EVENT) {
        c->reading[command->event] = *reading;
    }
    c->n_tariff = (uint16_t)(c->n_tariff + (command->letter == 'T'));
    c->n_intermediate =
        (uint16_t)(c->n_intermediate + (command->letter == 'C'));
    if (command->event == FW_STOP) {
        end(c, end_letter(st, command));
    }
    if (command->letter != 'i') {
        st->is_held = command->letter == 'h';
    }
    wm3m4c_fw_nv_save_energies(st);
}

void wm3m4c_fw_command(struct fw_state *st, unsigned letter)
{
    const struct command *c = find_command(st, letter);
    struct fw_reading reading = read_now(st);
    struct fw_entry entries[2];
    enum fw_status status = judge(st, c);
    if (status != FW_SIGNING) {
        st->signing.status = (uint8_t)status;
        return;
    }
    if (c->letter == 'h') {
        carry_out(st, c, &reading);
        st->signing.status = FW_IDLE; /* gives no record by itself: assumed */
        return;
    }
    if (st->is_held && c->letter != 'i') {
        reading = st->charge.reading[FW_HOLD];
    }
    size_t n = make_entries(st, c, &reading, entries);
    bool is_fiscal = c->letter == 'f';
    status = wm3m4c_fw_dataset(st, is_fiscal, entries, n);
    if (status != FW_SIGNING) {
        st->signing.status = (uint8_t)status;
        return;
    }
    carry_out(st, c, &reading);
    wm3m4c_fw_sign(st, is_fiscal);
}

void wm3m4c_fw_charge_power_on(struct fw_state *st, bool is_reset)
{
    struct fw_charge *c = &st->charge;
    if (c->state == FW_CHARGE_IDLE) {
        return;
    }
    if (is_reset) {
        c->state = FW_CHARGE_AFTER_RESET;
        c->flags |= FW_FLAG_ENERGY;
    } else {
        if (c->state != FW_CHARGE_AFTER_RESET) {
            c->state = FW_CHARGE_AFTER_POWER_LOSS;
        }
        c->flags |= FW_FLAG_TIME;
    }
    wm3m4c_fw_nv_save_energies(st);
}

void wm3m4c_fw_charge_tick(struct fw_state *st, uint32_t elapsed_us)
{
    if (st->charge.state == FW_CHARGE_IDLE) {
        return;
    }
    st->duration_us += elapsed_us;
    st->charge.duration_s += st->duration_us / FW_SECOND_US;
    st->duration_us %= FW_SECOND_US;
}

uint32_t wm3m4c_fw_consumption_wh(const struct fw_state *st)
{
    const struct fw_charge *c = &st->charge;
    bool is_idle = c->state == FW_CHARGE_IDLE;
    if (c->is_cleared && is_idle) {
        return 0;
    }
    uint32_t end_wh = is_idle ? c->reading[FW_STOP].wh : st->energy.wh[0];
    return end_wh - c->reading[FW_START].wh;
}
