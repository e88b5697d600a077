/* metergate read: one meter, once. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "model/channel.h"
#include "model/json.h"
#include "model/reading_json.h"

#define READ_TIMEOUT_MS 15000U
#define OPEN_RETRY_MS   50U

struct reader {
    struct app app;
    size_t meter;
    bool is_json, has_all, has_live;
    uv_timer_t timer;
    uint64_t start_ms;
    bool is_asked;
    size_t n_meters, n_buses; /* of the whole setup, when one is kept */
};

static void help(void)
{
    (void)printf("Usage: metergate read [OPTION]... FILE METER\n\n"
                 "Read one meter of a configuration once and print its "
                 "values.\n\n"
                 "  --all        also the settlement history and "
                 "identification\n"
                 "  --json       as JSON\n"
                 "  --simulate   a simulated meter instead of the real one\n"
                 "  --help       this text\n\n"
                 "Example: metergate read --simulate "
                 "config/examples/depot.yaml cp1\n"
                 "Exit status: 0 read, 1 no answer, 2 wrong usage.\n");
}

static void print_value(const struct mg_sample *s, const struct mg_value *v)
{
    char key[MG_CHANNEL_KEY_MAX] = "?";
    char obis[MG_OBIS_MAX] = "?";
    char number[64] = "";
    (void)mg_channel_key(v->channel, key);
    (void)mg_channel_obis(v->channel, obis);
    enum mg_unit unit = mg_channel_unit(v->channel);
    if (v->quality != MG_QUALITY_GOOD) {
        (void)printf("  %-36s %16s  %-14s\n", key,
                     mg_quality_text((enum mg_quality)v->quality), obis);
        return;
    }
    if (unit == MG_UNIT_TEXT) {
        size_t len;
        const char *text = mg_sample_text(s, v, &len);
        (void)printf("  %-36s %16.*s  %-14s\n", key, (int)len, text, obis);
        return;
    }
    struct mg_json j = mg_json_init(number, sizeof number);
    mg_json_decimal(&j, v->value, mg_unit_decimals(unit), v->resolution);
    (void)printf("  %-36s %16.*s  %-14s\n", key, (int)j.len, number, obis);
}

static void print_sample(const struct reader *r, const struct mg_sample *s)
{
    char buf[16384];
    if (r->is_json) {
        struct mg_json j = mg_json_init(buf, sizeof buf);
        if (mg_reading_json(s, "", &j) == MG_OK) {
            (void)printf("%.*s\n", (int)j.len, buf);
        }
        return;
    }
    char time[MG_TIME_TEXT] = "?";
    (void)mg_time_format(s->utc_ms, time);
    (void)printf("%s  %s  clock %c\n", r->app.setup->meters[r->meter].id, time,
                 s->clock);
    for (size_t i = 0; i < s->n_values; i++) {
        print_value(s, &s->values[i]);
    }
}

static void got_sample(void *ctx, size_t meter, const struct mg_sample *s)
{
    struct reader *r = ctx;
    if (meter != r->meter) {
        return;
    }
    if (s->group == MG_GROUP_LIVE) {
        r->has_live = true;
    }
    if (s->group == MG_GROUP_LIVE || r->has_all) {
        print_sample(r, s);
    }
}

static void got_state(void *ctx, size_t meter, enum mg_meter_state state,
                      const char *reason)
{
    struct reader *r = ctx;
    if (meter != r->meter) {
        return;
    }
    if (state == MG_METER_OFFLINE || !r->has_live) {
        (void)fprintf(stderr, "metergate: %s: %s\n",
                      r->app.setup->meters[meter].id, reason);
        app_quit(&r->app, 1);
        return;
    }
    app_quit(&r->app, 0);
}

static const struct mg_gateway_observer observer = {.sample = got_sample,
                                                    .state = got_state};

/* Ask as soon as the line is open; say why when it does not open. */
static void try_read(uv_timer_t *timer)
{
    struct reader *r = timer->data;
    char reason[MG_ERR_TEXT];
    uint64_t waited_ms = uv_now(&r->app.loop) - r->start_ms;
    bool is_up = mg_gateway_line_is_up(r->app.gateway, r->meter, reason);
    if (is_up && !r->is_asked) {
        r->is_asked = true;
        mg_gateway_read_once(r->app.gateway, r->meter);
    } else if ((!is_up && reason[0] != '\0') || waited_ms > READ_TIMEOUT_MS) {
        (void)fprintf(stderr, "metergate: %s: %s\n",
                      r->app.setup->meters[r->meter].id,
                      reason[0] != '\0' ? reason : "no answer in time");
        app_quit(&r->app, 1);
    }
}

static int find_meter(struct reader *r, const char *id)
{
    for (size_t i = 0; i < r->app.setup->n_meters; i++) {
        if (strcmp(r->app.setup->meters[i].id, id) == 0) {
            r->meter = i;
            return 0;
        }
    }
    (void)fprintf(stderr, "metergate: %s has no meter '%s'; it has:",
                  r->app.setup->file, id);
    for (size_t i = 0; i < r->app.setup->n_meters && i < 20; i++) {
        (void)fprintf(stderr, " %s", r->app.setup->meters[i].id);
    }
    (void)fprintf(stderr, "\n");
    return 1;
}

/* Only the line of this meter is opened, with this meter alone on it. */
static int keep_one(struct app *app, void *ctx, struct mg_err *err)
{
    struct reader *r = ctx;
    struct mg_setup *setup = app->setup;
    (void)err;
    struct mg_setup_meter meter = setup->meters[r->meter];
    struct mg_setup_bus bus = setup->buses[meter.bus];
    setup->meters[r->meter] = setup->meters[0];
    setup->buses[meter.bus] = setup->buses[0];
    meter.bus = 0;
    setup->meters[0] = meter;
    setup->buses[0] = bus;
    r->n_meters = setup->n_meters;
    r->n_buses = setup->n_buses;
    setup->n_meters = 1;
    setup->n_buses = 1;
    r->meter = 0;
    return MG_OK;
}

static int read_meter(struct reader *r, const char *file, const char *id,
                      bool is_simulated)
{
    mg_log_set_level(MG_LOG_ERROR); /* the reason is said once, below */
    struct app_options options = {.file = file,
                                  .is_simulated = is_simulated,
                                  .observer = &observer,
                                  .observer_ctx = r,
                                  .prepare = is_simulated ? NULL : keep_one};
    int exit_code = app_load(&r->app, file);
    if (exit_code == 0) {
        exit_code = find_meter(r, id);
    }
    if (exit_code == 0) {
        exit_code = app_start(&r->app, &options);
    }
    bool has_timer = false;
    if (exit_code == 0 && uv_timer_init(&r->app.loop, &r->timer) == 0) {
        has_timer = true;
        r->timer.data = r;
        r->start_ms = uv_now(&r->app.loop);
        (void)uv_timer_start(&r->timer, try_read, 0, OPEN_RETRY_MS);
        exit_code = app_loop(&r->app);
    }
    if (has_timer) {
        uv_close((uv_handle_t *)&r->timer, NULL);
    }
    if (r->n_meters != 0) {
        r->app.setup->n_meters = r->n_meters; /* all are freed */
        r->app.setup->n_buses = r->n_buses;
    }
    app_stop(&r->app);
    return exit_code;
}

int cli_read(int argc, char **argv)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"simulate", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    struct reader r = {0};
    bool is_simulated = false;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'a':
            r.has_all = true;
            break;
        case 'j':
            r.is_json = true;
            break;
        case 's':
            is_simulated = true;
            break;
        case 'h':
            help();
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind + 2 != argc) {
        return cli_usage("read", "a configuration file and a meter are "
                                 "needed");
    }
    return read_meter(&r, argv[optind], argv[optind + 1], is_simulated);
}
