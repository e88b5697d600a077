/* bench_can FILE.dbc [FRAMES]: decoding the traffic of a CAN bus on one core.
 *
 * Every frame is found by its identifier, and all signals of its message are
 * brought to thousandths of their unit. Compared with a bus of 1 Mbit/s that is
 * full: about 8,000 frames of 8 bytes each second. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/dbc.h"

#define FULL_BUS     8000 /* frames/s */
#define GOAL         50   /* buses per core */
#define N_FRAMES     4096 /* different ones */
#define SLOTS        256
#define MESSAGES_MAX 64
#define THOUSANDTHS  3

struct bus {
    const struct mg_dbc *dbc;
    /* Identifier to message: open addressing. */
    const struct mg_dbc_message *slots[SLOTS];
    struct mg_can_frame frames[N_FRAMES];
    uint64_t n_values, n_refused;
    int64_t sum; /* so that nothing is left out */
};

static uint64_t next(uint64_t *rng)
{
    uint64_t z = (*rng += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static struct mg_dbc *load(const char *path)
{
    static char text[MG_DBC_FILE_MAX + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return NULL;
    }
    size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file); /* only read */
    struct mg_err err;
    struct mg_dbc *dbc = mg_dbc_parse(path, text, len, &err);
    if (dbc == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    return dbc;
}

static unsigned slot_of(uint32_t id)
{
    return (id * 2654435761U) >> 24;
}

static const struct mg_dbc_message *find(const struct bus *bus,
                                         const struct mg_can_frame *frame)
{
    for (unsigned i = slot_of(frame->id);; i = (i + 1) % SLOTS) {
        const struct mg_dbc_message *message = bus->slots[i];
        if (message == NULL || (message->id == frame->id &&
                                message->is_extended == frame->is_extended)) {
            return message;
        }
    }
}

/* Random data in every message that has signals. */
static bool fill(struct bus *bus)
{
    uint64_t rng = 1;
    const struct mg_dbc_message *with_signals[MESSAGES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < mg_dbc_n_messages(bus->dbc); i++) {
        const struct mg_dbc_message *message = mg_dbc_message(bus->dbc, i);
        if (message->n_signals == 0) {
            continue;
        }
        if (n == MESSAGES_MAX) {
            return false;
        }
        with_signals[n++] = message;
        unsigned slot = slot_of(message->id);
        while (bus->slots[slot] != NULL) {
            slot = (slot + 1) % SLOTS;
        }
        bus->slots[slot] = message;
    }
    for (size_t i = 0; n > 0 && i < N_FRAMES; i++) {
        struct mg_can_frame *frame = &bus->frames[i];
        const struct mg_dbc_message *message = with_signals[next(&rng) % n];
        frame->id = message->id;
        frame->is_extended = message->is_extended;
        frame->len = message->len;
        for (size_t k = 0; k < frame->len; k++) {
            frame->data[k] = (uint8_t)next(&rng);
        }
    }
    return n > 0;
}

static void decode(struct bus *bus, const struct mg_can_frame *frame)
{
    const struct mg_dbc_message *message = find(bus, frame);
    if (message == NULL) {
        return;
    }
    for (size_t i = 0; i < message->n_signals; i++) {
        int64_t value;
        int64_t resolution;
        if (mg_dbc_decode(message, &message->signals[i], frame->data,
                          frame->len, THOUSANDTHS, &value,
                          &resolution) == MG_OK) {
            bus->n_values++;
            bus->sum ^= value + resolution;
        } else {
            bus->n_refused++;
        }
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void report(const struct bus *bus, uint64_t n, double seconds)
{
    double per_second = (double)n / seconds;
    double buses = per_second / FULL_BUS;
    (void)printf("%zu messages, %.1f values a frame, %.1f %% of the signals "
                 "out of limits or on another page (check %" PRIx64 ")\n",
                 mg_dbc_n_messages(bus->dbc), (double)bus->n_values / (double)n,
                 100.0 * (double)bus->n_refused /
                     (double)(bus->n_values + bus->n_refused),
                 (uint64_t)bus->sum);
    (void)printf("%.0f frames/s and core, %.0f ns a frame, %.0f ns a signal\n",
                 per_second, seconds * 1e9 / (double)n,
                 seconds * 1e9 / (double)(bus->n_values + bus->n_refused));
    (void)printf("%.0f full buses of 1 Mbit/s (%d frames/s) per core; goal %d: "
                 "%s\n",
                 buses, FULL_BUS, GOAL, buses >= GOAL ? "met" : "MISSED");
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 5000000;
    if (argc < 2 || n == 0) {
        (void)fprintf(stderr, "usage: bench_can FILE.dbc [FRAMES]\n");
        return 2;
    }
    struct bus *bus = calloc(1, sizeof *bus);
    struct mg_dbc *dbc = load(argv[1]);
    int status = 1;
    if (bus != NULL && dbc != NULL) {
        bus->dbc = dbc;
        if (fill(bus)) {
            double begin = cpu_seconds();
            for (uint64_t i = 0; i < n; i++) {
                decode(bus, &bus->frames[i % N_FRAMES]);
            }
            report(bus, n, cpu_seconds() - begin);
            status = 0;
        }
    }
    mg_dbc_destroy(dbc);
    free(bus);
    return status;
}
