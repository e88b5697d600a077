/* metergate demo: a simulated depot, a broker of its own, a live table. */
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/app.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/demo_sessions.h"
#include "cli/table.h"
#include "crypto/signer.h"
#include "mqtt/uplink.h"

#define DRAW_PERIOD_MS  1000
#define PLAIN_PERIOD_MS 5000

struct demo {
    struct app app;
    struct broker broker;
    struct table table;
    struct demo_sessions *sessions; /* owned */
    uv_timer_t draw_timer, end_timer;
    bool has_draw_timer, has_end_timer, is_kept;
    char directory[256], file[4096];
    char listen[256]; /* how to see the messages */
};

static void help(void)
{
    (void)printf(
        "Usage: metergate demo [OPTION]... [FILE]\n\n"
        "Run a depot of simulated meters behind real ptys and TCP ports, read "
        "it,\npublish to a mosquitto started for it on a free port of "
        "127.0.0.1, and\nshow a live table. Some meters have charging "
        "sessions, signed.\nNothing outside this machine is touched.\n\n"
        "  --for DURATION   stop by itself\n"
        "  --help           this text\n\n"
        "Example: metergate demo config/examples/demo.yaml\n");
}

static void draw(uv_timer_t *timer)
{
    struct demo *d = timer->data;
    struct mg_gateway_stats s;
    struct mg_store_stats store = {0};
    struct mg_sink_stats sink = {0};
    mg_gateway_stats(d->app.gateway, &s);
    mg_store_stats(d->app.store, &store);
    mg_uplink_stats(d->app.sink, &sink);
    char footer[768], charging[256];
    demo_sessions_text(d->sessions, charging, sizeof charging);
    (void)snprintf(footer, sizeof footer,
                   "%zu/%zu online, %llu readings, %llu requests, latency p50 "
                   "%.1f ms p99 %.1f ms\n"
                   "mosquitto %s, %llu rows acknowledged, %llu waiting\n"
                   "%s\n"
                   "%s",
                   s.n_online, s.n_meters, (unsigned long long)s.n_readings,
                   (unsigned long long)s.n_requests, s.latency_p50_us / 1000.0,
                   s.latency_p99_us / 1000.0,
                   sink.is_connected ? "connected" : "not connected",
                   (unsigned long long)sink.n_acked,
                   (unsigned long long)store.n_rows, charging,
                   d->table.is_terminal ? d->listen : "");
    table_draw(&d->table, d->app.gateway, mg_clock_utc_ms(d->app.clock),
               footer);
}

static void time_is_up(uv_timer_t *timer)
{
    struct demo *d = timer->data;
    app_quit(&d->app, 0);
}

/* A station with a key made for this run. */
static int make_station(struct demo *d, struct mg_setup_station *station,
                        struct mg_err *err)
{
    char path[512];
    if (station->is_enabled) {
        return MG_OK;
    }
    (void)snprintf(path, sizeof path, "%s/station.pem", d->directory);
    int rc = mg_key_generate_file(path, MG_CURVE_SECP384R1, err);
    station->is_enabled = rc == MG_OK;
    station->key_file = rc == MG_OK ? strdup(path) : NULL;
    return rc;
}

/* The demo's own broker and directory instead of the configuration's. */
static int prepare(struct app *app, void *ctx, struct mg_err *err)
{
    struct demo *d = ctx;
    struct mg_setup_mqtt *mqtt = &app->setup->mqtt;
    int rc = broker_start(&d->broker, d->directory, err);
    if (rc != MG_OK) {
        d->is_kept = rc == MG_E_IO; /* the broker's log tells more */
        return rc;
    }
    mqtt->is_enabled = true;
    mqtt->has_tls = false;
    mqtt->port = d->broker.port;
    (void)snprintf(mqtt->host, sizeof mqtt->host, "127.0.0.1");
    free(app->setup->state_dir);
    app->setup->state_dir = strdup(d->directory);
    if (app->setup->state_dir == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    (void)snprintf(d->listen, sizeof d->listen,
                   "mosquitto_sub -h 127.0.0.1 -p %u -v -t '%s/%s/#'",
                   d->broker.port, mqtt->root, app->setup->gateway);
    (void)printf("Broker: mosquitto on 127.0.0.1:%u. In another terminal:\n"
                 "  %s\n",
                 d->broker.port, d->listen);
    return make_station(d, &app->setup->station, err);
}

static int start_timers(struct demo *d, uint64_t for_ms)
{
    uint64_t period_ms =
        d->table.is_terminal ? DRAW_PERIOD_MS : PLAIN_PERIOD_MS;
    if (uv_timer_init(&d->app.loop, &d->draw_timer) != 0) {
        return 1;
    }
    d->has_draw_timer = true;
    d->draw_timer.data = d;
    (void)uv_timer_start(&d->draw_timer, draw, DRAW_PERIOD_MS, period_ms);
    if (for_ms != 0 && uv_timer_init(&d->app.loop, &d->end_timer) == 0) {
        d->has_end_timer = true;
        d->end_timer.data = d;
        (void)uv_timer_start(&d->end_timer, time_is_up, for_ms, 0);
    }
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path); /* a left-over in /tmp is no harm */
    return 0;
}

static int demo(struct demo *d, const char *file, uint64_t for_ms)
{
    struct app_options options = {.file = file,
                                  .is_simulated = true,
                                  .has_store = true,
                                  .prepare = prepare,
                                  .observer_ctx = d};
    int exit_code = app_load(&d->app, file);
    if (exit_code == 0) {
        exit_code = app_start(&d->app, &options);
    }
    if (exit_code == 0) {
        (void)printf("Ctrl-C ends it.\n\n");
        table_init(&d->table, stdout);
        d->sessions =
            demo_sessions_create(&d->app.loop, d->app.gateway, d->app.setup);
        exit_code = d->sessions == NULL ? 1 : start_timers(d, for_ms);
    }
    if (exit_code == 0) {
        mg_log_set_level(MG_LOG_ERROR); /* the table is the report now */
        exit_code = app_loop(&d->app);
        draw(&d->draw_timer);
    }
    demo_sessions_destroy(d->sessions);
    if (d->has_draw_timer) {
        uv_close((uv_handle_t *)&d->draw_timer, NULL);
    }
    if (d->has_end_timer) {
        uv_close((uv_handle_t *)&d->end_timer, NULL);
    }
    return exit_code;
}

/* Next to an executable that is not installed, as its plugins are. */
static const char *default_file(struct demo *d)
{
    size_t len = sizeof d->file;
    char *slash = NULL;
    if (uv_exepath(d->file, &len) == 0) {
        slash = strrchr(d->file, '/');
    }
    if (slash == NULL) {
        return MG_DATA_DIR "/demo.yaml";
    }
    (void)snprintf(slash, sizeof d->file - (size_t)(slash - d->file),
                   "/demo.yaml");
    return access(d->file, R_OK) == 0 ? d->file : MG_DATA_DIR "/demo.yaml";
}

int cli_demo(int argc, char **argv)
{
    static const struct option options[] = {
        {"for", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    uint64_t for_ms = 0;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            if (app_duration_ms(optarg, &for_ms) != MG_OK || for_ms == 0) {
                return cli_usage("demo", "--for takes e.g. 60s, not '%s'",
                                 optarg);
            }
            break;
        case 'h':
            help();
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (argc - optind > 1) {
        return cli_usage("demo", "one configuration file at most");
    }
    struct demo d = {.directory = "/tmp/metergate-demo-XXXXXX"};
    if (mkdtemp(d.directory) == NULL) {
        (void)fprintf(stderr, "metergate: cannot make a directory in /tmp\n");
        return 1;
    }
    const char *file = optind < argc ? argv[optind] : default_file(&d);
    int exit_code = demo(&d, file, for_ms);
    app_stop(&d.app);
    broker_stop(&d.broker);
    if (!d.is_kept) {
        (void)nftw(d.directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
    return exit_code;
}
