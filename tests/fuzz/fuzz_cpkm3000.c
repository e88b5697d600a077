/* Messages to the simulated CPKM3000. The input is a row of them, each after
 * its length; length 0 lets a second go by, and 255 cuts the supply. Whatever
 * is sent, energies stay as they are and what is answered is one of the forms
 * that plugins/cpkm3000/README.md knows. */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/cpkm3000/firmware.h"
#include "../../plugins/cpkm3000/options.h"

#define FW   cpkm3000_firmware
#define NODE 5
#define TICK 40000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct meter {
    uint64_t state[1024];
    uint8_t nv[40960];
    struct cpkm3000_options options;
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

static void power_on(struct meter *m)
{
    struct mg_fw_env env = {.options = &m->options,
                            .nv = m->nv,
                            .serial = 1,
                            .unit = NODE,
                            .verify = verify,
                            .sha256 = sha256};
    expect(FW.state_size <= sizeof m->state && FW.nv_size <= sizeof m->nv);
    memset(m->state, 0, sizeof m->state);
    FW.power_on(m->state, &env);
}

static void serve(struct meter *m)
{
    const uint8_t *message;
    uint8_t signature[64] = {1}, out[MG_PDU_MAX];
    size_t len;
    if (FW.sign_request(m->state, &message) > 0) {
        FW.sign_result(m->state, signature);
    }
    while ((len = FW.unasked(m->state, 0, out, sizeof out)) > 0) {
        expect(len == 174 && memcmp(out, "CPKM", 4) == 0);
    }
}

static void run_s(struct meter *m, int64_t i_counts)
{
    struct mg_tick tick = {.n_samples = 320, .elapsed_us = TICK};
    for (unsigned k = 0; k < 3; k++) {
        tick.lane[k] = (struct mg_lane_sums){.ui = i_counts * 14375 * 320,
                                             .u2 = INT64_C(14375) * 14375 * 320,
                                             .i2 = i_counts * i_counts * 320};
    }
    for (unsigned k = 0; k < 25; k++) {
        FW.tick(m->state, &tick);
        serve(m);
    }
}

static void ask(struct meter *m, const uint8_t *request, size_t len)
{
    uint8_t ret[MG_PDU_MAX];
    size_t n = FW.pdu(m->state, 0, request, len, ret, sizeof ret);
    expect(n <= sizeof ret);
    if (n > 0 && ret[0] == 0x7f) {
        expect(n == 3 && ret[1] == request[0] && ret[2] >= 1 && ret[2] <= 7);
    } else if (n > 0) {
        expect(ret[0] == request[0] + 0x40);
    } else {
        expect(request[0] == 0x11);
    }
    serve(m);
}

/* As in the frames. */
static int64_t energy(const struct meter *m, const char *name)
{
    int64_t value = -1;
    for (size_t k = 0; k < FW.n_signals; k++) {
        if (strcmp(FW.signals[k].name, name) == 0) {
            expect(FW.signal(m->state, k, &value));
        }
    }
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct meter m;
    memset(&m, 0, sizeof m);
    memset(m.nv, 0xff, sizeof m.nv);
    memset(m.options.update_key, '0', 128);
    m.options.variant = CPKM3000_THREE_PHASE;
    m.options.display_s = 3;
    power_on(&m);
    run_s(&m, 4000);
    int64_t before = energy(&m, "MeterImpulses.PulsesPos");
    expect(before > 0);
    while (size > 0) {
        size_t len = data[0];
        data++;
        size--;
        if (len == 0) {
            run_s(&m, 0);
        } else if (len == 255) {
            FW.power_fail(m.state);
            power_on(&m);
        } else {
            len = len < size ? len : size;
            if (len > 0) {
                ask(&m, data, len);
            }
            data += len;
            size -= len;
        }
    }
    expect(energy(&m, "MeterImpulses.PulsesPos") == before);
    expect(energy(&m, "MeterImpulses.PulsesNeg") == 0);
    return 0;
}
