/* Messages that a meter on CAN must refuse, and bytes that must not upset it:
 * over ISO-TP anybody on the bus can send them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "model/channel.h"

#define N_RANDOM 200000
#define N_SHORT  16

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

/* In memory of just that size, so that a sanitizer sees a read beyond it. */
static size_t say(struct device *d, const uint8_t *message, size_t len)
{
    uint8_t answer[MG_PDU_MAX];
    uint8_t *exact = malloc(len);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, message, len);
    size_t n = d->firmware->pdu(d->state, d->circuit, exact, len, answer,
                                sizeof answer);
    free(exact);
    if (n > sizeof answer) {
        fail(d, "an answer of %zu bytes", n);
    }
    return n;
}

/* Nothing that is said may change what was counted. */
static void check_energies(struct device *d, const struct mg_sample *before)
{
    static struct mg_sample after;
    char key[MG_CHANNEL_KEY_MAX] = "?";
    device_read_all(d, &after);
    for (size_t i = 0; i < before->n_values; i++) {
        const struct mg_value *b = &before->values[i];
        const struct mg_value *a = &after.values[i];
        if (mg_channel_kind(b->channel) == MG_KIND_COUNTER &&
            a->value != b->value) {
            (void)mg_channel_key(b->channel, key);
            fail(d, "a message changes %s from %" PRId64 " to %" PRId64, key,
                 b->value, a->value);
        }
    }
}

static void check_identity(struct device *d)
{
    const struct mg_can_driver *can = d->plugin->driver->can;
    uint8_t message[MG_PDU_MAX], answer[MG_PDU_MAX];
    struct mg_identity identity;
    if (can->identify == NULL) {
        return;
    }
    size_t len = can->identify(message);
    size_t n = d->firmware->pdu(d->state, d->circuit, message, len, answer,
                                sizeof answer);
    if (can->identity(answer, n, &identity) != MG_OK) {
        fail(d, "the driver does not understand who the meter is");
        return;
    }
    if ((d->plugin->capabilities & MG_CAP_TELEGRAM) != 0 &&
        memcmp(identity.public_key, d->env.public_key, 64) != 0) {
        fail(d, "the meter names another key than its own");
    }
    if (identity.circuit != d->circuit) {
        fail(d, "circuit %u answers for circuit %u", identity.circuit,
             d->circuit);
    }
    for (size_t cut = 0; cut < n; cut++) {
        if (can->identity(answer, cut, &identity) == MG_OK) {
            fail(d, "%zu of %zu bytes pass for an identity", cut, n);
        }
    }
}

void test_messages(struct device *d)
{
    static struct mg_sample before;
    uint64_t seed = 20250302;
    device_run_loaded(d, 60000);
    check_identity(d);
    device_read_all(d, &before);
    for (unsigned service = 0; service < 256; service++) {
        for (size_t len = 1; len <= N_SHORT; len++) {
            uint8_t message[N_SHORT] = {(uint8_t)service};
            (void)say(d, message, len);
        }
    }
    for (unsigned i = 0; i < N_RANDOM; i++) {
        uint8_t message[MG_PDU_MAX];
        size_t len = 1 + next_random(&seed) % (i % 8 == 0 ? MG_PDU_MAX : 24);
        for (size_t k = 0; k < len; k++) {
            message[k] = (uint8_t)next_random(&seed);
        }
        message[0] =
            i % 2 == 0 ? (uint8_t)(0x10 + message[0] % 24) : message[0];
        (void)say(d, message, len);
    }
    check_energies(d, &before);
}
