/* metergate run: the gateway. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/virtual.h"
#include "model/json.h"
#include "mqtt/sim_control.h"
#include "mqtt/uplink.h"
#include "run/notify.h"

#define STATUS_PERIOD_MS 5000
#define ORDERS_STOP_MS   300U

struct run {
    struct app app;
    struct app_options options;
    struct virtual_time virtual_time;
    uv_timer_t status_timer;
    bool has_status_timer;
    const char *stats_file;
    struct mg_sim_control *orders; /* NULL: none are taken */
};

static void help(void)
{
    (void)printf(
        "Usage: metergate run [OPTION]... FILE\n\n"
        "Read the meters of the configuration FILE and publish them over "
        "MQTT.\n\n"
        "  --simulate       with simulated meters: no real device is opened\n"
        "  --speed N|max    with --simulate: N times real time, in memory\n"
        "  --scenario FILE  with --simulate: what happens to the meters, see\n"
        "                   config/SCENARIOS.md\n"
        "  --control-topic  with --simulate: orders on "
        "ROOT/GATEWAY/sim/control "
        "as of\n"
        "                   simulate --control, answers on "
        "ROOT/GATEWAY/sim/done\n"
        "  --for DURATION   stop by itself, e.g. 90s, 31d (of the meters' "
        "time)\n"
        "  --stats FILE     write counters to FILE as JSON every 5 s\n"
        "  --verbose        log more\n"
        "  --help           this text\n\n"
        "Example: metergate run --simulate config/examples/depot.yaml\n"
        "SIGTERM and SIGINT stop it within 2 s; nothing is lost. So does the "
        "end of\nits terminal; a service ignores SIGHUP.\n");
}

static void write_stats(const struct run *r, const struct mg_gateway_stats *s)
{
    char buf[1024];
    struct mg_json j = mg_json_init(buf, sizeof buf - 1);
    struct mg_store_stats store = {0};
    struct mg_sink_stats sink = {0};
    if (r->app.store != NULL) {
        mg_store_stats(r->app.store, &store);
    }
    if (r->app.sink != NULL) {
        mg_uplink_stats(r->app.sink, &sink);
    }
    mg_json_open(&j, '{');
    mg_json_member_int(&j, "meters", (int64_t)s->n_meters);
    mg_json_member_int(&j, "online", (int64_t)s->n_online);
    mg_json_member_int(&j, "offline", (int64_t)s->n_offline);
    mg_json_member_int(&j, "polls", (int64_t)s->n_polls);
    mg_json_member_int(&j, "polls_good", (int64_t)s->n_good);
    mg_json_member_int(&j, "polls_missed", (int64_t)s->n_missed);
    mg_json_member_int(&j, "requests", (int64_t)s->n_requests);
    mg_json_member_int(&j, "timeouts", (int64_t)s->n_timeouts);
    mg_json_member_int(&j, "readings", (int64_t)s->n_readings);
    mg_json_member_int(&j, "readings_unstored", (int64_t)s->n_unstored);
    mg_json_member_int(&j, "latency_p50_us", s->latency_p50_us);
    mg_json_member_int(&j, "latency_p99_us", s->latency_p99_us);
    mg_json_member_int(&j, "outbox_rows", (int64_t)store.n_rows);
    mg_json_member_int(&j, "outbox_parked", (int64_t)store.n_parked);
    mg_json_member_int(&j, "rows_acked", (int64_t)sink.n_acked);
    mg_json_member_bool(&j, "connected", sink.is_connected);
    mg_json_close(&j, '}');
    FILE *file = j.failed ? NULL : fopen(r->stats_file, "w");
    if (file != NULL) {
        (void)fprintf(file, "%.*s\n", (int)j.len, buf);
        (void)fclose(file); /* statistics: the next write tries again */
    }
}

static void status_due(uv_timer_t *timer)
{
    struct run *r = timer->data;
    struct mg_gateway_stats s;
    mg_gateway_stats(r->app.gateway, &s);
    mg_notify("WATCHDOG=1\nSTATUS=%zu of %zu meters online, %llu readings",
              s.n_online, s.n_meters, (unsigned long long)s.n_readings);
    if (r->stats_file != NULL) {
        write_stats(r, &s);
    }
}

static int start_status(struct run *r)
{
    int rc = uv_timer_init(&r->app.loop, &r->status_timer);
    if (rc == 0) {
        r->has_status_timer = true;
        r->status_timer.data = r;
        rc = uv_timer_start(&r->status_timer, status_due, STATUS_PERIOD_MS,
                            STATUS_PERIOD_MS);
    }
    return rc == 0 ? 0 : 1;
}

static void ended(void *ctx)
{
    struct run *r = ctx;
    app_quit(&r->app, 0);
}

static void time_is_up(uv_timer_t *timer)
{
    struct run *r = timer->data;
    app_quit(&r->app, 0);
}

static int start_virtual(struct run *r, uint32_t speed, uint64_t for_ms,
                         struct mg_err *err)
{
    r->virtual_time.clock = r->app.clock;
    r->virtual_time.gateway = r->app.gateway;
    r->virtual_time.speed = speed;
    r->virtual_time.end_ns = for_ms == 0 ? UINT64_MAX : for_ms * 1000000;
    r->virtual_time.ended = ended;
    r->virtual_time.ctx = r;
    return virtual_start(&r->virtual_time, &r->app.loop, err);
}

/* ---- Orders to simulated meters ---- */

static void on_order(void *ctx, const char *text, size_t len)
{
    static const char silent[] =
        "{\"failed\":\"order\",\"reason\":\"the simulated meters take no "
        "orders any more\"}";
    struct run *r = ctx;
    char answer[CONTROL_ANSWER_MAX];
    if (r->options.is_virtual) {
        size_t n = control_answer(r->app.scene, text, len, answer);
        mg_sim_control_answer(r->orders, answer, n);
    } else if (farm_order(&r->app.farm, text, len) != MG_OK) {
        mg_sim_control_answer(r->orders, silent, sizeof silent - 1);
    }
}

static void on_answer(void *ctx, const char *answer, size_t len)
{
    struct run *r = ctx;
    if (r->orders != NULL) {
        mg_sim_control_answer(r->orders, answer, len);
    }
}

static int start_orders(struct run *r)
{
    struct mg_err err = {0};
    if (!r->options.has_control) {
        return 0;
    }
    if (!r->app.setup->mqtt.is_enabled) {
        (void)mg_err_set(&err, MG_E_INVAL,
                         "--control-topic needs a section mqtt in %s",
                         r->options.file);
        return app_fail(&err);
    }
    r->orders =
        mg_sim_control_create(&r->app.loop, r->app.setup, on_order, r, &err);
    return r->orders == NULL ? app_fail(&err) : 0;
}

static int run(struct run *r, uint32_t speed, uint64_t for_ms)
{
    struct mg_err err = {0};
    uv_timer_t end_timer;
    bool has_end_timer = false;
    int exit_code = app_load(&r->app, r->options.file);
    if (exit_code == 0 && r->options.scenario != NULL) {
        exit_code = app_load_scenario(&r->app, r->options.scenario);
    }
    r->app.farm.answered = on_answer;
    r->app.farm.answered_ctx = r;
    if (exit_code == 0) {
        exit_code = app_start(&r->app, &r->options);
    }
    if (exit_code == 0) {
        exit_code = start_orders(r);
    }
    if (exit_code == 0 && r->options.is_virtual &&
        start_virtual(r, speed, for_ms, &err) != MG_OK) {
        exit_code = app_fail(&err);
    }
    if (exit_code == 0 && !r->options.is_virtual && for_ms != 0 &&
        uv_timer_init(&r->app.loop, &end_timer) == 0) {
        has_end_timer = true;
        end_timer.data = r;
        (void)uv_timer_start(&end_timer, time_is_up, for_ms, 0);
    }
    if (exit_code == 0) {
        exit_code = start_status(r);
    }
    if (exit_code == 0) {
        mg_notify("READY=1");
        exit_code = app_loop(&r->app);
        mg_notify("STOPPING=1");
        status_due(&r->status_timer);
    }
    if (has_end_timer) {
        uv_close((uv_handle_t *)&end_timer, NULL);
    }
    if (r->has_status_timer) {
        uv_close((uv_handle_t *)&r->status_timer, NULL);
    }
    virtual_stop(&r->virtual_time);
    mg_sim_control_destroy(r->orders, ORDERS_STOP_MS);
    r->orders = NULL;
    app_stop(&r->app);
    return exit_code;
}

static int parse_speed(const char *text, uint32_t *ret_speed)
{
    char *end;
    if (strcmp(text, "max") == 0) {
        *ret_speed = 0;
        return MG_OK;
    }
    unsigned long n = strtoul(text, &end, 10);
    if (*end != '\0' || end == text || n < 1 || n > 100000) {
        return MG_E_INVAL;
    }
    *ret_speed = (uint32_t)n;
    return MG_OK;
}

/* @return 0 or the exit code */
static int take_option(int c, struct run *r, uint32_t *speed, uint64_t *for_ms)
{
    switch (c) {
    case 's':
        r->options.is_simulated = true;
        return 0;
    case 'c':
        r->options.scenario = optarg;
        return 0;
    case 'o':
        r->options.has_control = true;
        return 0;
    case 'x':
        r->options.is_virtual = true;
        return parse_speed(optarg, speed) == MG_OK
                   ? 0
                   : cli_usage("run",
                               "--speed takes 1..100000 or max, not '%s'",
                               optarg);
    case 'f':
        return app_duration_ms(optarg, for_ms) == MG_OK && *for_ms != 0
                   ? 0
                   : cli_usage("run", "--for takes e.g. 90s or 31d, not '%s'",
                               optarg);
    case 't':
        r->stats_file = optarg;
        return 0;
    case 'v':
        mg_log_set_level(MG_LOG_DEBUG);
        return 0;
    default:
        return EXIT_USAGE;
    }
}

/* @return 0 or the exit code */
static int check_options(const struct run *r)
{
    const struct app_options *o = &r->options;
    if (o->is_virtual && !o->is_simulated) {
        return cli_usage("run", "--speed needs --simulate: real meters keep "
                                "real time");
    }
    if ((o->scenario != NULL || o->has_control) && !o->is_simulated) {
        return cli_usage("run",
                         "%s needs --simulate: nothing of it may happen "
                         "to real meters",
                         o->scenario != NULL ? "--scenario"
                                             : "--control-topic");
    }
    return 0;
}

int cli_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"simulate", no_argument, NULL, 's'},
        {"speed", required_argument, NULL, 'x'},
        {"scenario", required_argument, NULL, 'c'},
        {"control-topic", no_argument, NULL, 'o'},
        {"for", required_argument, NULL, 'f'},
        {"stats", required_argument, NULL, 't'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    struct run r = {.options.has_store = true};
    uint32_t speed = 1;
    uint64_t for_ms = 0;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h') {
            help();
            return 0;
        }
        int code = take_option(c, &r, &speed, &for_ms);
        if (code != 0) {
            return code;
        }
    }
    if (optind + 1 != argc) {
        return cli_usage("run", "one configuration file is needed");
    }
    int code = check_options(&r);
    if (code != 0) {
        return code;
    }
    r.options.file = argv[optind];
    r.app.outlives_hangup = isatty(STDIN_FILENO) == 0; /* a service */
    return run(&r, speed, for_ms);
}
