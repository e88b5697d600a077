#include "cli/app.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/config.h"
#include "config/scenario.h"
#include "mqtt/uplink.h"
#include "run/site_time.h"

#define SINK_STOP_MS    1500U
#define EVEREST_STOP_MS 300U

int app_fail(const struct mg_err *err)
{
    (void)fprintf(stderr, "metergate: %s\n", err->text);
    return 1;
}

int app_duration_ms(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"", 1000}};
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || text[0] == '-' || n > 1000000000ULL) {
        return MG_E_INVAL;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ret_ms = n * units[i].ms;
            return MG_OK;
        }
    }
    return MG_E_INVAL;
}

int app_load(struct app *app, const char *file)
{
    struct mg_err err = {0};
    char directory[4096];
    if (mg_plugins_directory(directory, sizeof directory, &err) != MG_OK ||
        mg_plugins_load(&app->plugins, directory, &err) != MG_OK) {
        return app_fail(&err);
    }
    size_t n_faults = 0;
    if (mg_config_load(file, &app->plugins, stderr, &app->setup, &n_faults) !=
        MG_OK) {
        (void)fprintf(stderr,
                      "metergate: %s: %zu fault%s, nothing was "
                      "started\n",
                      file, n_faults, n_faults == 1 ? "" : "s");
        return 1;
    }
    mg_site_set_zone(app->setup->timezone);
    return 0;
}

int app_load_scenario(struct app *app, const char *file)
{
    size_t n_faults = 0;
    if (mg_scenario_load(file, app->setup, stderr, &app->scenario, &n_faults) ==
        MG_OK) {
        return 0;
    }
    (void)fprintf(stderr, "metergate: %s: %zu fault%s, nothing was started\n",
                  file, n_faults, n_faults == 1 ? "" : "s");
    return 1;
}

/* Thousands of TCP meters need more descriptors than the usual soft limit. */
static void raise_descriptor_limit(const struct mg_setup *setup)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        mg_setup_descriptors(setup) > limit.rlim_max) {
        mg_log(MG_LOG_WARN,
               "this configuration needs %zu descriptors, the hard limit is "
               "%llu: raise LimitNOFILE",
               mg_setup_descriptors(setup), (unsigned long long)limit.rlim_max);
    }
}

static int open_store(struct app *app, struct mg_err *err)
{
    char path[4096];
    int n =
        snprintf(path, sizeof path, "%s/metergate.db", app->setup->state_dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        return mg_err_set(err, MG_E_NOSPC, "state_dir is too long");
    }
    struct mg_store_settings settings = {
        .path = path, .max_bytes = app->setup->outbox.max_bytes};
    app->store = mg_store_open(&app->loop, &settings, mg_gateway_store_events(),
                               app->gateway, err);
    if (app->store == NULL) {
        return err->code;
    }
    mg_gateway_set_store(app->gateway, app->store);
    return MG_OK;
}

static int open_uplink(struct app *app, struct mg_err *err)
{
    if (!app->setup->mqtt.is_enabled) {
        return MG_OK;
    }
    app->sink = mg_uplink_create(&app->loop, app->store, app->setup,
                                 mg_gateway_sink_events(), app->gateway, err);
    mg_gateway_attach(app->gateway, app->sink);
    return app->sink == NULL ? err->code : MG_OK;
}

static int open_everest(struct app *app, struct mg_err *err)
{
    struct mg_everest_settings settings = {.loop = &app->loop,
                                           .clock = app->clock,
                                           .setup = app->setup,
                                           .gateway = app->gateway};
    if (!app->setup->everest.is_enabled) {
        return MG_OK;
    }
    app->everest = mg_everest_create(&settings, err);
    return app->everest == NULL ? err->code : MG_OK;
}

static void got_signal(uv_signal_t *handle, int signal)
{
    struct app *app = handle->data;
    if (signal == SIGHUP && app->outlives_hangup) {
        mg_log(MG_LOG_WARN, "SIGHUP ignored: a changed configuration needs a "
                            "restart; SIGTERM stops");
        return;
    }
    app_quit(app, 0);
}

static int watch_signals(struct app *app, struct mg_err *err)
{
    static const int numbers[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    (void)signal(SIGPIPE, SIG_IGN); /* children inherit it; documented */
    for (size_t i = 0; i < N_SIGNALS; i++) {
        int rc = uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        if (rc == 0) {
            rc = uv_signal_start(&app->signals[i], got_signal, numbers[i]);
        }
        if (rc != 0) {
            return mg_err_set(err, MG_E_IO, "signals: %s", uv_strerror(rc));
        }
        app->n_signals++;
    }
    return MG_OK;
}

static void farm_died(struct farm *farm, int64_t status, int signal)
{
    struct app *app = farm->ctx;
    mg_log(MG_LOG_ERROR, "the simulated meters stopped (exit %lld, signal %d)",
           (long long)status, signal);
    app_quit(app, 1);
}

static struct mg_transport *memory_line(void *ctx, size_t bus)
{
    struct app *app = ctx;
    return mg_sim_line_memory(mg_simulation_line(app->simulation, bus));
}

static struct mg_can_transport *memory_can(void *ctx, size_t bus)
{
    struct app *app = ctx;
    return mg_sim_can_bus_memory(mg_simulation_can(app->simulation, bus));
}

static int make_scene(struct app *app, const struct mg_sim_faults *faults,
                      struct mg_err *err)
{
    app->scene = mg_scene_create(
        &(struct mg_scene_settings){.clock = app->clock,
                                    .setup = app->setup,
                                    .simulation = app->simulation,
                                    .scenario = app->scenario,
                                    .faults = *faults});
    return app->scene == NULL ? mg_err_set(err, MG_E_NOMEM, "out of memory")
                              : MG_OK;
}

static int start_simulation(struct app *app, const struct app_options *o,
                            struct mg_err *err)
{
    char keep_dir[4096];
    const char *keep = NULL;
    if (o->has_store && app->setup->state_dir != NULL) {
        (void)snprintf(keep_dir, sizeof keep_dir, "%s/meters",
                       app->setup->state_dir);
        keep = keep_dir;
    }
    if (!o->is_virtual) {
        app->farm.ctx = app;
        app->farm.scenario = o->scenario;
        app->farm.has_orders = o->has_control;
        app->farm.died = farm_died;
        /* What `read` prints may be for a program. */
        FILE *report = o->has_store ? stdout : NULL;
        return farm_start(&app->farm, &app->loop, app->setup, keep, report,
                          err);
    }
    struct mg_simulation_settings settings = {.clock = app->clock,
                                              .keep_dir = keep};
    app->simulation = mg_simulation_create(app->setup, &settings, err);
    return app->simulation == NULL ? err->code
                                   : make_scene(app, &settings.faults, err);
}

static int open_clock(struct app *app, const struct app_options *o,
                      struct mg_err *err)
{
    if (!o->is_virtual) {
        app->clock = mg_clock_create_real(&app->loop, err);
        return app->clock == NULL ? err->code : MG_OK;
    }
    int64_t start_ms = app->setup->simulation.start_utc_ms;
    if (start_ms == 0) {
        uv_timeval64_t now;
        (void)uv_gettimeofday(&now); /* cannot fail with a valid pointer */
        start_ms = now.tv_sec * 1000 + now.tv_usec / 1000;
    }
    app->clock = mg_clock_create_virtual(start_ms);
    return app->clock == NULL ? mg_err_set(err, MG_E_NOMEM, "out of memory")
                              : MG_OK;
}

static int make_gateway(struct app *app, const struct app_options *o,
                        struct mg_err *err)
{
    struct mg_gateway_settings settings = {
        .loop = &app->loop,
        .clock = app->clock,
        .setup = app->setup,
        .line = o->is_virtual ? memory_line : NULL,
        .can_line = o->is_virtual ? memory_can : NULL,
        .is_manual = !o->has_store,
        .is_simulated = o->is_simulated,
        .observer = o->observer,
        .ctx = o->observer_ctx};
    if (o->is_virtual) {
        settings.ctx = app; /* virtual runs have no observer */
        settings.observer = NULL;
    }
    app->gateway = mg_gateway_create(&settings, err);
    return app->gateway == NULL ? err->code : MG_OK;
}

static int make_dir(const char *path, struct mg_err *err)
{
    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        return mg_err_errno(err, errno, "cannot make the directory %s", path);
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return mg_err_set(err, MG_E_INVAL, "%s is not a directory", path);
    }
    return MG_OK;
}

/* Simulated runs keep to a directory of their own, so that their readings and
 * counters never mix with those of real meters. */
static int make_state_dir(struct app *app, bool is_simulated,
                          struct mg_err *err)
{
    char **dir = &app->setup->state_dir;
    if (*dir == NULL) {
        return mg_err_set(err, MG_E_INVAL, "state_dir is not set");
    }
    int rc = make_dir(*dir, err);
    if (rc != MG_OK) {
        mg_err_prefix(err, "state_dir");
        return rc;
    }
    if (!is_simulated) {
        return MG_OK;
    }
    size_t cap = strlen(*dir) + sizeof "/simulated";
    char *path = malloc(cap);
    if (path == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    (void)snprintf(path, cap, "%s/simulated", *dir);
    free(*dir);
    *dir = path;
    return make_dir(path, err);
}

static int start_all(struct app *app, const struct app_options *o,
                     struct mg_err *err)
{
    int rc = MG_OK;
    if (o->prepare != NULL) {
        rc = o->prepare(app, o->observer_ctx, err);
    }
    if (rc == MG_OK && o->has_store) {
        rc = make_state_dir(app, o->is_simulated || o->is_virtual, err);
    }
    if (rc == MG_OK) {
        rc = open_clock(app, o, err);
    }
    if (rc == MG_OK && (o->is_simulated || o->is_virtual)) {
        rc = start_simulation(app, o, err);
    }
    if (rc == MG_OK) {
        rc = make_gateway(app, o, err);
    }
    if (rc == MG_OK && o->has_store) {
        rc = open_store(app, err);
        if (rc == MG_OK) {
            rc = open_uplink(app, err);
        }
        if (rc == MG_OK) {
            rc = open_everest(app, err);
        }
    }
    return rc == MG_OK ? mg_gateway_start(app->gateway, err) : rc;
}

int app_start(struct app *app, const struct app_options *options)
{
    struct mg_err err = {0};
    int rc = uv_loop_init(&app->loop);
    if (rc != 0) {
        (void)mg_err_set(&err, MG_E_IO, "event loop: %s", uv_strerror(rc));
        return app_fail(&err);
    }
    app->has_loop = true;
    raise_descriptor_limit(app->setup);
    if (watch_signals(app, &err) != MG_OK ||
        start_all(app, options, &err) != MG_OK) {
        return app_fail(&err);
    }
    return 0;
}

int app_start_simulation_only(struct app *app,
                              const struct mg_simulation_settings *settings)
{
    struct mg_err err = {0};
    int rc = uv_loop_init(&app->loop);
    if (rc != 0) {
        (void)mg_err_set(&err, MG_E_IO, "event loop: %s", uv_strerror(rc));
        return app_fail(&err);
    }
    app->has_loop = true;
    raise_descriptor_limit(app->setup);
    if (settings->link_dir != NULL &&
        make_dir(settings->link_dir, &err) != MG_OK) {
        return app_fail(&err);
    }
    static const struct app_options real_time = {0};
    if (watch_signals(app, &err) != MG_OK ||
        open_clock(app, &real_time, &err) != MG_OK) {
        return app_fail(&err);
    }
    struct mg_simulation_settings all = *settings;
    all.loop = &app->loop;
    all.clock = app->clock;
    app->simulation = mg_simulation_create(app->setup, &all, &err);
    return app->simulation == NULL ||
                   make_scene(app, &all.faults, &err) != MG_OK
               ? app_fail(&err)
               : 0;
}

int app_loop(struct app *app)
{
    if (!app->is_stopping) {
        (void)uv_run(&app->loop, UV_RUN_DEFAULT); /* ended by uv_stop */
    }
    return app->exit_code;
}

void app_quit(struct app *app, int exit_code)
{
    if (!app->is_stopping) {
        app->exit_code = exit_code;
    }
    app->is_stopping = true;
    uv_stop(&app->loop);
}

static void close_loop(struct app *app)
{
    while (app->n_signals > 0) {
        uv_close((uv_handle_t *)&app->signals[--app->n_signals], NULL);
    }
    (void)uv_run(&app->loop, UV_RUN_DEFAULT); /* lets every handle close */
    int rc = uv_loop_close(&app->loop);
    if (rc != 0) {
        mg_log(MG_LOG_DEBUG, "a handle was left open: %s", uv_strerror(rc));
    }
}

void app_stop(struct app *app)
{
    if (app->gateway != NULL) {
        mg_gateway_stop(app->gateway);
    }
    farm_stop(&app->farm);
    mg_everest_destroy(app->everest, EVEREST_STOP_MS);
    if (app->sink != NULL) {
        app->sink->ops->destroy(app->sink, SINK_STOP_MS);
    }
    mg_store_close(app->store);
    mg_gateway_destroy(app->gateway);
    mg_scene_destroy(app->scene);
    mg_simulation_destroy(app->simulation);
    mg_sim_scenario_destroy(app->scenario);
    mg_clock_destroy(app->clock);
    if (app->has_loop) {
        close_loop(app);
    }
    mg_setup_destroy(app->setup);
    mg_plugins_destroy(&app->plugins);
}
