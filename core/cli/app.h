/* What run, read and demo share: load the plugins and a configuration, wire
 * store, uplink and gateway together, run the loop, stop cleanly. */
#ifndef MG_CLI_APP_H
#define MG_CLI_APP_H

#include "cli/farm.h"
#include "mqtt/everest.h"
#include "run/gateway.h"
#include "run/plugins.h"
#include "run/scene.h"

#define N_SIGNALS 3

struct app {
    uv_loop_t loop;
    struct mg_clock *clock;
    struct mg_plugins plugins;
    struct mg_setup *setup;
    struct mg_store *store;
    struct mg_sink *sink;
    struct mg_everest *everest;
    struct mg_gateway *gateway;
    struct mg_simulation *simulation; /* in memory, virtual time */
    struct mg_sim_scenario *scenario; /* NULL: none */
    struct mg_scene *scene;           /* of the simulation here */
    struct farm farm;                 /* or as a child process */
    uv_signal_t signals[N_SIGNALS];
    size_t n_signals;     /* that are watched */
    bool outlives_hangup; /* SIGHUP is ignored, else ends it cleanly */
    bool has_loop, is_stopping;
    int exit_code;
};

struct app_options {
    const char *file;
    bool is_simulated;    /* start `metergate simulate`, redirect the buses */
    bool is_virtual;      /* simulated in memory under a virtual clock */
    bool has_store;       /* open the store of the setup's state_dir */
    bool has_control;     /* simulated: orders are taken, see farm_order */
    const char *scenario; /* simulated: file of the app's scenario */
    const struct mg_gateway_observer *observer;
    void *observer_ctx;
    /** Change the setup before anything is started; optional. */
    int (*prepare)(struct app *app, void *ctx, struct mg_err *err);
};

/** Load plugins and file; report faults to stderr.
 *  @return 0 or the exit code */
int app_load(struct app *app, const char *file);

/** Load a scenario for the setup; as app_load. */
int app_load_scenario(struct app *app, const char *file);

/** Build and start everything. @return 0 or the exit code, reported */
int app_start(struct app *app, const struct app_options *options);

/** Only the simulated meters, on real lines; loop, clock and link directory are
 *  filled in. @return 0 or the exit code, reported */
int app_start_simulation_only(struct app *app,
                              const struct mg_simulation_settings *settings);

/** Until SIGINT, SIGTERM or app_quit. @return the exit code */
int app_loop(struct app *app);

/** Leave app_loop with this exit code. */
void app_quit(struct app *app, int exit_code);

/** Stop in order, lose nothing, free everything; any state. */
void app_stop(struct app *app);

/** Print "metergate: text" to stderr. @return 1 */
int app_fail(const struct mg_err *err);

/** "1m 30s", "500ms", "30d" and the like. @return MG_OK or MG_E_INVAL */
int app_duration_ms(const char *text, uint64_t *ret_ms);

#endif
