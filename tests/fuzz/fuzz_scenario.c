/* Any bytes as a scenario: a report, or something that can be played, whose
 * time only goes forward. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/scenario.h"
#include "fake_plugins.h"
#include "sim/play.h"

#define N_METERS 2
#define STEPS    64 /* of what may go on for a year */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char depot[] = "gateway: {id: g}\n"
                            "buses: [{id: gw1, type: modbus-tcp, host: a}]\n"
                            "meters:\n"
                            "  - {id: cp1, model: kpm31, bus: gw1, unit: 1}\n"
                            "  - {id: cp2, model: kpm31, bus: gw1, unit: 2}\n";

static struct mg_setup *load_depot(struct mg_plugins *plugins)
{
    struct mg_setup *setup = NULL;
    fake_plugins(plugins);
    if (mg_config_parse("depot.yaml", depot, sizeof depot - 1, plugins, true,
                        stderr, &setup, NULL) != MG_OK) {
        abort();
    }
    return setup;
}

static void follow_mains(struct mg_sim_play *play)
{
    struct mg_sim_mains mains;
    for (size_t meter = 0; meter < N_METERS; meter++) {
        uint64_t t_ms = 0;
        for (unsigned n = 0; n < STEPS && t_ms < MG_SIM_TIME_MAX_MS; n++) {
            uint64_t until =
                mg_sim_play_at(play, meter, SIZE_MAX, t_ms, &mains);
            if (until <= t_ms) {
                abort();
            }
            t_ms = until;
        }
    }
}

static void follow_happenings(struct mg_sim_play *play)
{
    struct mg_sim_happening h;
    uint64_t at_ms = 0;
    for (unsigned n = 0; n < STEPS && mg_sim_play_next(play, &h); n++) {
        if (h.at_ms < at_ms) {
            abort();
        }
        at_ms = h.at_ms;
        mg_sim_play_pass(play);
    }
}

static void play_it(const struct mg_sim_scenario *scenario)
{
    const struct mg_sim_point points[N_METERS] = {{.n_phases = 1},
                                                  {.n_phases = 3}};
    struct mg_sim_play *play = mg_sim_play_create(scenario, points, N_METERS);
    if (play != NULL) {
        follow_mains(play);
        follow_happenings(play);
    }
    mg_sim_play_destroy(play);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mg_plugins plugins;
    struct mg_setup *setup = load_depot(&plugins);
    struct mg_sim_scenario *scenario = NULL;
    size_t n_faults = 0;
    char *report = NULL;
    size_t report_len = 0;
    FILE *out = open_memstream(&report, &report_len);
    if (out == NULL) {
        mg_setup_destroy(setup);
        return 0;
    }
    int code = mg_scenario_parse("fuzz.yaml", (const char *)data, size, setup,
                                 out, &scenario, &n_faults);
    (void)fclose(out); /* in memory */
    bool is_good = code == MG_OK && scenario != NULL && n_faults == 0;
    bool is_bad = code == MG_E_INVAL && scenario == NULL && n_faults > 0;
    if (is_good ? report_len != 0 : !is_bad || report_len == 0) {
        abort();
    }
    if (is_good) {
        play_it(scenario);
    }
    mg_sim_scenario_destroy(scenario);
    mg_setup_destroy(setup);
    free(report);
    return 0;
}
