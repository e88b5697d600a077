/* Requests that a meter must refuse, and bytes that must not upset it. */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "metergate/bytes.h"

#define N_RANDOM         200000
#define ILLEGAL_FUNCTION 1
#define ILLEGAL_ADDRESS  2
#define ILLEGAL_VALUE    3

static size_t ask(struct device *d, const uint8_t *pdu, size_t len,
                  uint8_t ret[MG_PDU_MAX])
{
    return device_ask(d, DEVICE_UNIT, DEVICE_BAUD, pdu, len, ret);
}

static void expect(struct device *d, const uint8_t *pdu, size_t len,
                   uint8_t exception)
{
    uint8_t answer[MG_PDU_MAX] = {0};
    size_t n = ask(d, pdu, len, answer);
    if (n != 2 || answer[0] != (pdu[0] | 0x80) || answer[1] != exception) {
        fail(d,
             "%02X %02X%02X %02X%02X: %zu bytes %02X %02X instead of "
             "exception %u",
             pdu[0], len > 1 ? pdu[1] : 0, len > 2 ? pdu[2] : 0,
             len > 3 ? pdu[3] : 0, len > 4 ? pdu[4] : 0, n, answer[0],
             answer[1], exception);
    }
}

static void expect_read(struct device *d, uint8_t function, uint16_t address,
                        uint16_t count, uint8_t exception)
{
    uint8_t pdu[5];
    struct mg_wr w = mg_wr_init(pdu, sizeof pdu);
    mg_put_u8(&w, function);
    mg_put_be16(&w, address);
    mg_put_be16(&w, count);
    expect(d, pdu, w.len, exception);
}

static void check_functions(struct device *d)
{
    /* User-defined, and some that no meter of ours has. */
    static const uint8_t unknown[] = {0x07, 0x08, 0x0b, 0x11, 0x14, 0x18,
                                      0x2b, 0x41, 0x48, 0x64, 0x6e, 0x7f};
    for (size_t i = 0; i < sizeof unknown; i++) {
        uint8_t pdu[5] = {unknown[i]};
        expect(d, pdu, sizeof pdu, ILLEGAL_FUNCTION);
        expect(d, pdu, 1, ILLEGAL_FUNCTION);
    }
}

static void check_counts(struct device *d)
{
    for (size_t i = 0; i < d->plan.n_blocks; i++) {
        const struct mg_plan_block *b = &d->plan.blocks[i];
        bool is_bits = b->function <= 2;
        expect_read(d, b->function, b->address, 0, ILLEGAL_VALUE);
        expect_read(d, b->function, b->address, is_bits ? 2001 : 126,
                    ILLEGAL_VALUE);
        expect_read(d, b->function, b->address, 0xffff, ILLEGAL_VALUE);
        expect_read(d, b->function, 0xffff, 2, ILLEGAL_ADDRESS);
    }
}

/* Each register alone is answered, or does not exist. */
static void check_addresses(struct device *d, uint8_t function)
{
    unsigned n_answered = 0;
    for (unsigned address = 0; address <= 0xffff; address++) {
        uint8_t pdu[5] = {function, (uint8_t)(address >> 8), (uint8_t)address,
                          0, 1};
        uint8_t answer[MG_PDU_MAX];
        size_t n = ask(d, pdu, sizeof pdu, answer);
        size_t n_bytes = function <= 2 ? 1 : 2;
        if (n == 2 + n_bytes && answer[0] == function && answer[1] == n_bytes) {
            n_answered++;
        } else if (n != 2 || answer[0] != (function | 0x80) ||
                   answer[1] != ILLEGAL_ADDRESS) {
            fail(d, "register %04X: %zu bytes, neither value nor exception 2",
                 address, n);
        }
    }
    if (n_answered > 0x1000) {
        fail(d, "function %u answers %u addresses", function, n_answered);
    }
}

/* Read across the end of each block, as much as each model allows: somewhere
 * there is a hole. */
static void check_holes(struct device *d)
{
    for (size_t i = 0; i < d->plan.n_blocks; i++) {
        const struct mg_plan_block *b = &d->plan.blocks[i];
        uint8_t answer[MG_PDU_MAX];
        uint8_t pdu[5] = {b->function, (uint8_t)(b->address >> 8),
                          (uint8_t)b->address, 0, 120};
        size_t n = ask(d, pdu, sizeof pdu, answer);
        size_t n_bytes = b->function <= 2 ? 15 : 240;
        if (n != 2 + n_bytes && (n != 2 || answer[1] != ILLEGAL_ADDRESS)) {
            fail(d, "120 from %04X: %zu bytes", b->address, n);
        }
    }
}

static void check_silence(struct device *d)
{
    uint8_t pdu[MG_PDU_MAX];
    uint8_t answer[MG_PDU_MAX];
    size_t len = mg_plan_request(&d->plan.blocks[0], pdu);
    if (device_ask(d, DEVICE_UNIT + 1, DEVICE_BAUD, pdu, len, answer) != 0 ||
        device_ask(d, 0, DEVICE_BAUD, pdu, len, answer) != 0) {
        fail(d, "answers for another unit, or to a broadcast");
    }
}

static bool is_answer(const uint8_t *pdu, size_t len, const uint8_t *answer,
                      size_t n)
{
    if (n == 0) {
        return true;
    }
    if (n > MG_PDU_MAX || len == 0) {
        return false;
    }
    if (answer[0] == (pdu[0] | 0x80)) {
        return n == 2 && answer[1] >= 1 && answer[1] <= 6;
    }
    return answer[0] == pdu[0] && n >= 2;
}

/* All beginnings of right requests, in memory of just that size, so that the
 * address sanitizer sees a read beyond it. */
static void check_cut(struct device *d, const uint8_t *pdu, size_t len)
{
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t answer[MG_PDU_MAX];
        uint8_t *exact = malloc(cut);
        if (exact == NULL) {
            abort();
        }
        memcpy(exact, pdu, cut);
        size_t n = ask(d, exact, cut, answer);
        if (n != 0 && (n != 2 || answer[0] != (pdu[0] | 0x80))) {
            fail(d, "%zu of %zu bytes of function %u are carried out", cut, len,
                 pdu[0]);
        }
        free(exact);
    }
}

/* Requests that write: the right ones are the drivers' business. */
static void check_cut_writes(struct device *d)
{
    static const uint8_t coil[] = {5, 0, 1, 0xff, 0};
    static const uint8_t registers[] = {16, 0, 1, 0, 2, 4, 0, 7, 0, 4};
    check_cut(d, coil, sizeof coil);
    check_cut(d, registers, sizeof registers);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

/* Bytes at random, and right-looking requests with random numbers. The unit
 * and speed may change on the way: both are put back by a new meter. */
static void check_random(struct device *d)
{
    static const uint8_t functions[] = {1, 2, 3, 4, 5, 6, 15, 16, 22, 23};
    uint64_t seed = 20250302;
    for (unsigned i = 0; i < N_RANDOM; i++) {
        uint8_t pdu[MG_PDU_MAX];
        uint8_t answer[MG_PDU_MAX];
        size_t len = 1 + next_random(&seed) % (i % 8 == 0 ? MG_PDU_MAX : 12);
        for (size_t k = 0; k < len; k++) {
            pdu[k] = (uint8_t)next_random(&seed);
        }
        if (i % 2 == 0) {
            pdu[0] = functions[next_random(&seed) % sizeof functions];
        }
        if (i % 4 == 0 && len > 1) {
            pdu[1] = (uint8_t)(next_random(&seed) % 2);
        }
        size_t n = d->firmware->pdu(d->state, DEVICE_UNIT, pdu, len, answer,
                                    sizeof answer);
        if (!is_answer(pdu, len, answer, n)) {
            fail(d, "random request %u of function %u: %zu bytes", i, pdu[0],
                 n);
        }
    }
}

void test_refusals(struct device *d)
{
    bool is_done[5] = {false};
    check_silence(d);
    check_functions(d);
    check_counts(d);
    check_holes(d);
    check_cut_writes(d);
    for (size_t i = 0; i < d->plan.n_blocks; i++) {
        uint8_t pdu[MG_PDU_MAX];
        uint8_t function = d->plan.blocks[i].function;
        check_cut(d, pdu, mg_plan_request(&d->plan.blocks[i], pdu));
        if (!is_done[function]) {
            is_done[function] = true;
            check_addresses(d, function);
        }
    }
    check_random(d);
}
