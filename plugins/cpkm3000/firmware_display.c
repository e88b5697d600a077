/* The LCD and its two LEDs (guide, "Display information"): POS, kWh, NEG, kWh,
 * Lrs, its code, and SW where there is such a page, by turns. */
#include "firmware_priv.h"

#include <string.h>

/* 10 Wh, and XXXXX.XX kWh: it wraps, the registers do not. */
#define IMPULSES_PER_STEP 200
#define DISPLAY_STEPS     10000000

#define LIT      "20000 imp/kWh"
#define LIT_KWH  "kWh 20000 imp/kWh"
#define LIT_SW   "SW 20000 imp/kWh"
#define N_DIGITS 7
#define N_CODE   6

enum page {
    PAGE_POS,
    PAGE_IN,
    PAGE_NEG,
    PAGE_OUT,
    PAGE_LRS,
    PAGE_CODE,
    PAGE_SW
};

void cpkm3000_fw_display_tick(struct fw_state *st, uint32_t elapsed_us)
{
    int64_t each_s = st->options->display_s;
    uint32_t each_us = (uint32_t)(each_s < 1 ? 1 : each_s) * FW_SECOND_US;
    uint32_t n_pages = st->options->has_sw_page != 0 ? PAGE_SW + 1 : PAGE_SW;
    st->page_us += elapsed_us;
    st->page = (st->page + st->page_us / each_us) % n_pages;
    st->page_us %= each_us;
}

/* @param n  characters with the NUL */
static void put(char *ret, const char *text, size_t n)
{
    memcpy(ret, text, n);
}

static void put_kwh(char *ret, uint64_t impulses)
{
    uint64_t steps = impulses / IMPULSES_PER_STEP % DISPLAY_STEPS;
    for (size_t k = N_DIGITS; k-- > 0;) {
        ret[k < N_DIGITS - 2 ? k : k + 1] = (char)('0' + steps % 10);
        steps /= 10;
    }
    ret[N_DIGITS - 2] = '.';
    ret[N_DIGITS + 1] = '\0';
}

static void put_code(char *ret, const uint8_t *hash)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t k = 0; k < N_CODE; k++) {
        ret[k] = digits[k % 2 == 0 ? hash[k / 2] >> 4 : hash[k / 2] & 0xf];
    }
    ret[N_CODE] = '\0';
}

void cpkm3000_fw_display(const void *state, struct mg_fw_display *ret)
{
    const struct fw_state *st = state;
    const struct fw_memory *m = &st->memory;
    memset(ret, 0, sizeof *ret);
    ret->impulse_led = st->is_lit;
    ret->warning_led = st->is_evse_fault;
    put(ret->caption, LIT, sizeof LIT);
    switch ((enum page)st->page) {
    case PAGE_POS:
        put(ret->row, "POS", 4);
        break;
    case PAGE_NEG:
        put(ret->row, "NEG", 4);
        break;
    case PAGE_IN:
    case PAGE_OUT:
        put_kwh(ret->row, st->page == PAGE_IN ? m->energy.pos : m->energy.neg);
        put(ret->caption, LIT_KWH, sizeof LIT_KWH);
        break;
    case PAGE_LRS:
        put(ret->row, "Lrs", 4);
        break;
    case PAGE_CODE:
    case PAGE_SW:
        put_code(ret->row, m->lrs.hash);
        if (st->page == PAGE_SW) {
            put(ret->caption, LIT_SW, sizeof LIT_SW);
        }
        break;
    }
}
