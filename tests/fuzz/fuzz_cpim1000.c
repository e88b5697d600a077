/* Messages to the simulated CPIM1000, its seal off. The input is a row of them,
 * each after its length and, in the highest bit of that, the side; length 0
 * lets a second go by, and 127 cuts the supply. Whatever is sent, energies stay
 * as they are and what is answered is one of the forms that
 * plugins/cpim1000/README.md knows. */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/cpim1000/firmware.h"
#include "../../plugins/cpim1000/options.h"

#define FW      cpim1000_firmware
#define N_TICKS 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct unit {
    uint64_t state[1024];
    uint8_t nv[40960];
    struct cpim1000_options options;
};

static void expect(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

/* A signature that begins with the key's last byte. */
static bool verify(const uint8_t key[64], const uint8_t *message, size_t len,
                   const uint8_t signature[64])
{
    (void)message;
    return len > 0 && signature[0] == key[63];
}

/* Easy to guess, so that updates get through. */
static void sha256(const uint8_t *data, size_t len, uint8_t ret[32])
{
    memset(ret, 0, 32);
    ret[0] = len > 0 ? data[len - 1] : 0;
}

static void power_on(struct unit *u)
{
    struct mg_fw_env env = {.options = &u->options,
                            .nv = u->nv,
                            .serial = 1,
                            .unit = 5,
                            .verify = verify,
                            .sha256 = sha256};
    expect(FW.state_size <= sizeof u->state && FW.nv_size <= sizeof u->nv);
    memset(u->state, 0, sizeof u->state);
    FW.power_on(u->state, &env);
}

/* A second at 230 V and this current in all phases, as one tick. */
static void run_s(struct unit *u, int64_t i_ma)
{
    int64_t n = 3906;
    int64_t volts = 230000 * 16;
    int64_t amperes = i_ma * 64;
    struct mg_tick tick = {.n_ticks = N_TICKS,
                           .n_samples = (uint32_t)n,
                           .elapsed_us = 1000000,
                           .ambient_mdegc = 23000};
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        tick.lane[k] = (struct mg_lane_sums){.ui = volts * amperes * n,
                                             .u2 = volts * volts * n,
                                             .i2 = amperes * amperes * n};
    }
    FW.tick(u->state, &tick);
}

/* Silent only without supply or program. */
static void ask(struct unit *u, unsigned side, const uint8_t *request,
                size_t len)
{
    uint8_t ret[MG_PDU_MAX];
    int64_t flags;
    bool is_dark = !FW.signal(u->state, 0, &flags);
    size_t n = FW.pdu(u->state, (uint8_t)side, request, len, ret, sizeof ret);
    expect(n <= sizeof ret && (n == 0) == is_dark);
    if (n > 0 && ret[0] == 0x7f) {
        expect(n == 3 && ret[1] == request[0] && ret[2] >= 1 && ret[2] <= 8);
    } else if (n > 0) {
        expect(ret[0] == request[0] + 0x40);
    }
}

/* As in the frames; -1: dark. */
static int64_t pulses(const struct unit *u, const char *name)
{
    int64_t value = -1;
    for (size_t k = 0; k < FW.n_signals; k++) {
        if (strcmp(FW.signals[k].name, name) == 0 &&
            !FW.signal(u->state, k, &value)) {
            return -1;
        }
    }
    return value;
}

static void expect_pulses(const struct unit *u, int64_t want)
{
    int64_t right = pulses(u, "RightImpulses.Pulses");
    int64_t left = pulses(u, "LeftImpulses.Pulses");
    expect(right == left && (right == want || right == -1));
}

/* @return what is left of the input */
static size_t step(struct unit *u, const uint8_t **data, size_t size)
{
    unsigned side = **data >> 7;
    size_t len = **data & 0x7f;
    (*data)++;
    size--;
    if (len == 0) {
        run_s(u, 0);
    } else if (len == 0x7f) {
        FW.power_fail(u->state);
        power_on(u);
    } else {
        len = len < size ? len : size;
        if (len > 0) {
            ask(u, side, *data, len);
        }
        *data += len;
        size -= len;
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct unit u;
    memset(&u, 0, sizeof u);
    memset(u.nv, 0xff, sizeof u.nv);
    memset(u.options.update_key, '0', 128);
    u.options.phases = CPIM1000_THREE_PHASE;
    u.options.region = CPIM1000_REGION_EU;
    u.options.display_s = 3;
    power_on(&u);
    run_s(&u, 20000);
    int64_t before = pulses(&u, "RightImpulses.Pulses");
    expect(before > 0);
    while (size > 0) {
        size = step(&u, &data, size);
        expect_pulses(&u, before);
    }
    return 0;
}
