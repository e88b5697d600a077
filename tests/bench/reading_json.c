/* bench_json [READINGS]: time to write one reading of 25 values as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/reading_json.h"

#define N_BATCHES 10

static void add(struct mg_sample *sample, mg_channel channel, int64_t value)
{
    struct mg_value v = {.channel = channel, .value = value, .resolution = 1};
    (void)mg_sample_add(sample, &v); /* there is room for 192 */
}

/* What a KPM31 gives in a poll. */
static void fill(struct mg_sample *sample)
{
    sample->utc_ms = 1740916800123;
    sample->clock = MG_CLOCK_SYNCED;
    sample->seq = 123456;
    sample->epoch = 1;
    add(sample, MG_CH(VOLTAGE, TOTAL), 230120);
    add(sample, MG_CH(CURRENT, TOTAL), 16012);
    add(sample, MG_CH(POWER_ACTIVE, TOTAL), 3680123);
    add(sample, MG_CH(POWER_REACTIVE, TOTAL), -120456);
    add(sample, MG_CH(POWER_APPARENT, TOTAL), 3682094);
    add(sample, MG_CH(POWER_FACTOR, TOTAL), 9994);
    add(sample, MG_CH(FREQUENCY, TOTAL), 49987);
    add(sample, MG_CH(DEMAND_APPARENT, TOTAL), 3601234);
    add(sample, MG_CH(ENERGY_ACTIVE, TOTAL), 12345678901);
    add(sample, MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 12345678000);
    add(sample, MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), 901);
    add(sample, MG_CH(ENERGY_REACTIVE, TOTAL), 987654321);
    add(sample, MG_CH(ENERGY_REACTIVE_IMPORT, TOTAL), 987654000);
    add(sample, MG_CH(ENERGY_REACTIVE_EXPORT, TOTAL), 321);
    for (unsigned tariff = 1; tariff <= 4; tariff++) {
        add(sample, MG_CHANNEL(MG_Q_ENERGY_ACTIVE, 0, tariff, 0),
            3086419725 + tariff);
        add(sample, MG_CHANNEL(MG_Q_ENERGY_REACTIVE, 0, tariff, 0),
            246913580 + tariff);
    }
    add(sample, MG_CHANNEL(MG_Q_ENERGY_ACTIVE, 0, 0, MG_PERIOD_CURRENT),
        45678901);
    add(sample, MG_CHANNEL(MG_Q_ENERGY_REACTIVE, 0, 0, MG_PERIOD_CURRENT),
        3456789);
    add(sample, MG_CH(RELAY_CLOSED, TOTAL), 1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t time_batch(struct mg_sample *sample, uint64_t n,
                           size_t *ret_len)
{
    static char buf[8192];
    uint64_t begin = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        struct mg_json j = mg_json_init(buf, sizeof buf);
        sample->seq++;
        if (mg_reading_json(sample, "0123456789abcdef", &j) != MG_OK) {
            return 0;
        }
        *ret_len = j.len;
    }
    return now_ns() - begin;
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct mg_sample *sample = calloc(1, sizeof *sample);
    if (sample == NULL || n < N_BATCHES) {
        (void)fprintf(stderr, "usage: bench_json [READINGS, at least %d]\n",
                      N_BATCHES);
        free(sample);
        return 2;
    }
    fill(sample);
    size_t len = 0;
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < N_BATCHES; i++) {
        uint64_t ns = time_batch(sample, n / N_BATCHES, &len);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    (void)printf("%" PRIu64 " ns per reading of %u values, %zu bytes (best of "
                 "%d batches)\n",
                 best_ns / (n / N_BATCHES), (unsigned)sample->n_values, len,
                 N_BATCHES);
    free(sample);
    return 0;
}
