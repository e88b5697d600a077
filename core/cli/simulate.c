/* metergate simulate: only the meters, for other programs. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "model/json.h"

struct simulate {
    const char *file, *link_dir, *keep_dir, *scenario;
    uint16_t port_base;
    uint64_t for_ms;
    bool is_json, has_control, is_on_socketcan;
    struct mg_sim_faults faults;
};

static void help(void)
{
    (void)printf(
        "Usage: metergate simulate [OPTION]... FILE\n\n"
        "Serve the simulated meters of a configuration on ptys, TCP ports and "
        "as a\nsocketcand server on this machine (127.0.0.1), and print where "
        "each can be\nreached.\n\n"
        "  --links DIR      stable links to the ptys: DIR/<bus id>\n"
        "  --port-base N    the file's first bus on port N, the next on N + 1 "
        "...; else\n"
        "                   free ports. Serial lines have none\n"
        "  --socketcan      CAN buses of type socketcan on their interface "
        "too, "
        "which must\n"
        "                   be up: vcan0, or can1 that is wired to the "
        "gateway's "
        "can0\n"
        "  --keep DIR       keep the meters' memories in DIR across runs\n"
        "  --faults N       N of 10,000 answers go wrong, all kinds alike\n"
        "  --for DURATION   stop by itself\n"
        "  --json           print the addresses as JSON lines\n"
        "  --control        obey lines on standard input:\n"
        "%s"
        "  --scenario FILE  vehicles, events of the net, faults: "
        "config/SCENARIOS.md\n"
        "  --help           this text\n\n"
        "Example: metergate simulate --links /tmp/lines "
        "config/examples/demo.yaml\n"
        "         mbpoll -m rtu -a 1 -b 9600 -P none -t 4:float -B -0 -r 48 -c "
        "7 -1 /tmp/lines/line1\n",
        mg_scene_orders);
}

static void print_address(const struct simulate *o,
                          const struct mg_setup_bus *bus, const char *address)
{
    if (!o->is_json) {
        static const char *const kinds[] = {
            "Modbus RTU", "Modbus TCP", "Modbus RTU over TCP",
            "CAN by socketcand", "CAN by socketcand"};
        (void)printf("%-14s %-20s %s%s%s\n", bus->id, kinds[bus->type], address,
                     mg_setup_is_can(bus) ? " " : "",
                     mg_setup_is_can(bus) ? bus->can.interface : "");
        return;
    }
    char buf[512];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "bus", bus->id);
    mg_json_member_str(&j, "address", address);
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", (int)j.len, buf);
}

/* A second way to a meter, which is no bus of the configuration. */
static void print_optical(const struct simulate *o, const char *meter,
                          const char *address)
{
    if (!o->is_json) {
        (void)printf("%-14s %-20s %s\n", meter, "optical port", address);
        return;
    }
    char buf[512];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "optical", meter);
    mg_json_member_str(&j, "address", address);
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", (int)j.len, buf);
}

static void print_all(const struct simulate *o, const struct app *app)
{
    for (size_t i = 0; i < app->setup->n_buses; i++) {
        print_address(o, &app->setup->buses[i],
                      mg_simulation_address(app->simulation, i));
    }
    for (size_t i = 0; i < app->setup->n_meters; i++) {
        struct mg_sim_line *line = mg_simulation_optical(app->simulation, i);
        if (line != NULL) {
            print_optical(o, app->setup->meters[i].id,
                          mg_sim_line_address(line));
        }
    }
    if (o->is_json) {
        (void)printf("{\"ready\":true}\n");
    } else {
        for (size_t i = 0; i < app->setup->n_meters && i < 40; i++) {
            const struct mg_setup_meter *m = &app->setup->meters[i];
            const char *circuit = mg_setup_circuit_text(m);
            (void)printf("  %-12s %s unit %u%s%s on %s\n", m->id,
                         m->plugin->model, m->unit, circuit == NULL ? "" : " ",
                         circuit == NULL ? "" : circuit,
                         app->setup->buses[m->bus].id);
        }
        (void)printf("Ctrl-C ends it.\n");
    }
    (void)fflush(stdout); /* who reads a pipe waits for it */
}

static void time_is_up(uv_timer_t *timer)
{
    app_quit(timer->data, 0);
}

static int serve(const struct simulate *o)
{
    struct app app = {0};
    struct control control = {0};
    struct mg_err err = {0};
    uv_timer_t end_timer;
    int exit_code = app_load(&app, o->file);
    if (exit_code == 0 && o->scenario != NULL) {
        exit_code = app_load_scenario(&app, o->scenario);
    }
    if (exit_code == 0) {
        exit_code = app_start_simulation_only(
            &app, &(struct mg_simulation_settings){.link_dir = o->link_dir,
                                                   .keep_dir = o->keep_dir,
                                                   .port_base = o->port_base,
                                                   .is_on_socketcan =
                                                       o->is_on_socketcan,
                                                   .faults = o->faults});
    }
    if (exit_code == 0 && o->has_control &&
        control_start(&control, &app, &err) != MG_OK) {
        exit_code = app_fail(&err);
    }
    bool has_timer = false;
    if (exit_code == 0) {
        if (o->for_ms != 0 && uv_timer_init(&app.loop, &end_timer) == 0) {
            has_timer = true;
            end_timer.data = &app;
            (void)uv_timer_start(&end_timer, time_is_up, o->for_ms, 0);
        }
        print_all(o, &app);
        exit_code = app_loop(&app);
    }
    if (has_timer) {
        uv_close((uv_handle_t *)&end_timer, NULL);
    }
    control_stop(&control);
    app_stop(&app);
    return exit_code;
}

static int parse_number(const char *text, long max, long *ret)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end != '\0' || end == text || n < 0 || n > max) {
        return MG_E_INVAL;
    }
    *ret = n;
    return MG_OK;
}

/* @return 0 or the exit code */
static int take_option(int c, struct simulate *o)
{
    long n;
    switch (c) {
    case 'l':
        o->link_dir = optarg;
        return 0;
    case 'p':
        if (parse_number(optarg, 65535, &n) != MG_OK || n < 1) {
            return cli_usage("simulate", "--port-base takes 1..65535, not '%s'",
                             optarg);
        }
        o->port_base = (uint16_t)n;
        return 0;
    case 'k':
        o->keep_dir = optarg;
        return 0;
    case 'f':
        if (parse_number(optarg, 10000, &n) != MG_OK) {
            return cli_usage("simulate", "--faults takes 0..10000, not '%s'",
                             optarg);
        }
        o->faults = mg_scene_faults((uint32_t)n);
        return 0;
    case 't':
        if (app_duration_ms(optarg, &o->for_ms) != MG_OK || o->for_ms == 0) {
            return cli_usage("simulate", "--for takes e.g. 90s or 2h, not '%s'",
                             optarg);
        }
        return 0;
    case 'x':
        o->scenario = optarg;
        return 0;
    case 'j':
        o->is_json = true;
        return 0;
    case 's':
        o->is_on_socketcan = true;
        return 0;
    case 'o':
        o->has_control = true;
        return 0;
    case 'c':
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* best effort */
        return 0;
    default:
        return EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, struct simulate *o)
{
    static const struct option options[] = {
        {"links", required_argument, NULL, 'l'},
        {"port-base", required_argument, NULL, 'p'},
        {"socketcan", no_argument, NULL, 's'},
        {"keep", required_argument, NULL, 'k'},
        {"faults", required_argument, NULL, 'f'},
        {"for", required_argument, NULL, 't'},
        {"scenario", required_argument, NULL, 'x'},
        {"json", no_argument, NULL, 'j'},
        {"control", no_argument, NULL, 'o'},
        {"child", no_argument, NULL, 'c'}, /* of `run`: end with it */
        {"help", no_argument, NULL, 'h'},
        {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h') {
            help();
            exit(0);
        }
        int rc = take_option(c, o);
        if (rc != 0) {
            return rc;
        }
    }
    if (optind + 1 != argc) {
        return cli_usage("simulate", "one configuration file is needed");
    }
    o->file = argv[optind];
    return 0;
}

int cli_simulate(int argc, char **argv)
{
    struct simulate o = {0};
    int rc = parse(argc, argv, &o);
    return rc == 0 ? serve(&o) : rc;
}
