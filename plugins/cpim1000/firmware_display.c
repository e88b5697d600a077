/* The LCD (guide, "Integrated Meter Display"). It shows everything at once; the
 * one line of text that a simulation gives shows its readouts by turns. */
#include "firmware_priv.h"

#include <string.h>

/* Six digits before and four after the comma: 0.1 Wh; it begins again at
 * 1000000 kWh, which the registers do not. */
#define PULSES_PER_STEP 2
#define N_DIGITS        10
#define N_DECIMALS      4
#define N_CODE          8 /* first digits of a hash */

enum page {
    PAGE_LEFT,
    PAGE_RIGHT,
    PAGE_LRS,
    PAGE_SOFTWARE,
    PAGE_HASH,
    PAGE_LEFT_FLAGS,
    PAGE_RIGHT_FLAGS,
    N_PAGES
};

void cpim1000_fw_display_tick(struct fw_state *st, uint32_t elapsed_us)
{
    int64_t each_s = st->options->display_s;
    uint32_t each_us = (uint32_t)(each_s < 1 ? 1 : each_s) * FW_SECOND_US;
    st->page_us += elapsed_us;
    while (st->page_us >= each_us) {
        st->page_us -= each_us;
        st->page = (st->page + 1) % N_PAGES;
    }
}

/* @param cap  at least that of the text */
static void put(char *ret, const char *text, size_t cap)
{
    for (size_t k = 0; k < cap - 1 && *text != '\0'; k++) {
        *ret++ = *text++;
    }
    *ret = '\0';
}

static void put_kwh(char *ret, uint64_t pulses)
{
    uint64_t steps = pulses / PULSES_PER_STEP;
    size_t point = N_DIGITS - N_DECIMALS;
    for (size_t k = N_DIGITS; k-- > 0;) {
        ret[k < point ? k : k + 1] = (char)('0' + steps % 10);
        steps /= 10;
    }
    ret[point] = '.';
    ret[N_DIGITS + 1] = '\0';
}

static void put_hex(char *ret, const uint8_t bytes[N_CODE / 2])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t k = 0; k < N_CODE; k++) {
        ret[k] = digits[k % 2 == 0 ? bytes[k / 2] >> 4 : bytes[k / 2] & 0xf];
    }
    ret[N_CODE] = '\0';
}

static void put_flags(char *ret, uint32_t flags)
{
    const uint8_t bytes[N_CODE / 2] = {(uint8_t)(flags >> 24),
                                       (uint8_t)(flags >> 16),
                                       (uint8_t)(flags >> 8), (uint8_t)flags};
    put_hex(ret, bytes);
}

static void put_page(const struct fw_state *st, struct mg_fw_display *ret)
{
    static const char *const captions[N_PAGES] = {"left kWh 20000 imp/kWh",
                                                  "right kWh 20000 imp/kWh",
                                                  "LRS hash",
                                                  "software version",
                                                  "software hash",
                                                  "left flags",
                                                  "right flags"};
    const struct fw_memory *m = &st->memory;
    const struct fw_software *s = &m->software;
    char version[FW_VERSION_LEN + 1] = {0};
    put(ret->caption, captions[st->page % N_PAGES], sizeof ret->caption);
    switch ((enum page)(st->page % N_PAGES)) {
    case PAGE_LEFT:
        put_kwh(ret->row, m->energy[FW_LEFT].pulses);
        break;
    case PAGE_RIGHT:
        put_kwh(ret->row, m->energy[FW_RIGHT].pulses);
        break;
    case PAGE_LRS:
        put_hex(ret->row, s->lrs_hash);
        break;
    case PAGE_SOFTWARE:
        memcpy(version, s->version, sizeof s->version);
        put(ret->row, version, sizeof ret->row);
        break;
    case PAGE_HASH:
        put_hex(ret->row, s->hash);
        break;
    case PAGE_LEFT_FLAGS:
        put_flags(ret->row, cpim1000_fw_flags(st, FW_LEFT));
        break;
    default:
        put_flags(ret->row, cpim1000_fw_flags(st, FW_RIGHT));
        break;
    }
}

void cpim1000_fw_display(const void *state, struct mg_fw_display *ret)
{
    const struct fw_state *st = state;
    memset(ret, 0, sizeof *ret);
    switch ((enum fw_mode)st->mode) {
    case FW_MODE_OFF:
        break;
    case FW_MODE_BOOT_LOADER:
        put(ret->row, "-CHARGEPOIN+", sizeof ret->row);
        break;
    case FW_MODE_INITIALIZING:
        put(ret->row, "Initializing", sizeof ret->row);
        break;
    case FW_MODE_METER:
        put_page(st, ret);
        ret->impulse_led =
            st->side[FW_RIGHT].is_lit || st->side[FW_LEFT].is_lit;
        break;
    }
}
