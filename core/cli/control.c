#include "cli/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/json.h"

#define OFF_MAX_MS  86400000
#define CHANCES     10000
#define FAULT_KINDS 8U
#define LOAD_MAX_MA 100000

struct words {
    char verb[16], first[64], second[16];
};

struct mg_sim_faults control_faults(uint32_t per_10000)
{
    uint32_t each = (per_10000 + FAULT_KINDS - 1) / FAULT_KINDS;
    return (struct mg_sim_faults){.drop = each,
                                  .late = each,
                                  .bad_crc = each,
                                  .half_frame = each,
                                  .wrong_unit = each,
                                  .noise = each,
                                  .exception = each,
                                  .stall = each};
}

static int find_meter(const struct control *c, const char *id, size_t *ret)
{
    const struct mg_setup *setup = c->app->setup;
    for (size_t i = 0; i < setup->n_meters; i++) {
        if (strcmp(setup->meters[i].id, id) == 0) {
            *ret = i;
            return MG_OK;
        }
    }
    return MG_E_NOTFOUND;
}

static int parse_number(const char *text, unsigned long max, unsigned long *ret)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > max) {
        return MG_E_RANGE;
    }
    *ret = n;
    return MG_OK;
}

/* The meter as it is now, not as it was when it was last asked. */
static struct mg_sim_device *meter_now(struct control *c, size_t meter)
{
    struct mg_simulation *s = c->app->simulation;
    mg_simulation_live(s, meter);
    return mg_simulation_device(s, meter);
}

static const char *power(struct control *c, const struct words *words)
{
    size_t meter;
    unsigned long off_ms;
    if (find_meter(c, words->first, &meter) != MG_OK) {
        return "no such meter";
    }
    if (parse_number(words->second, OFF_MAX_MS, &off_ms) != MG_OK) {
        return "expected milliseconds, at most a day";
    }
    mg_sim_device_power_cycle(meter_now(c, meter), off_ms);
    return NULL;
}

static const char *fault(struct control *c, const struct words *words)
{
    static const struct {
        const char *name;
        enum mg_fw_fault fault;
    } kinds[] = {{"nv-slot", MG_FW_FAULT_NV_SLOT},
                 {"nv-all", MG_FW_FAULT_NV_ALL},
                 {"clock", MG_FW_FAULT_CLOCK},
                 {"nan", MG_FW_FAULT_NAN},
                 {"reset", MG_FW_FAULT_RESET},
                 {"crypto", MG_FW_FAULT_CRYPTO},
                 {"welded", MG_FW_FAULT_WELDED},
                 {"temperature", MG_FW_FAULT_TEMPERATURE},
                 {"sensor", MG_FW_FAULT_SENSOR},
                 {"telegram", MG_FW_FAULT_TELEGRAM},
                 {"over", MG_FW_FAULT_OVER}};
    size_t meter;
    if (find_meter(c, words->first, &meter) != MG_OK) {
        return "no such meter";
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, words->second) == 0) {
            return mg_sim_device_fault(meter_now(c, meter), kinds[i].fault) ==
                           MG_OK
                       ? NULL
                       : "this model knows no such fault";
        }
    }
    return "expected nv-slot, nv-all, clock, nan, reset, crypto, welded, "
           "temperature, sensor, telegram or over";
}

static const char *load(struct control *c, const struct words *words)
{
    size_t meter;
    unsigned long ma;
    if (find_meter(c, words->first, &meter) != MG_OK) {
        return "no such meter";
    }
    if (parse_number(words->second, LOAD_MAX_MA, &ma) != MG_OK) {
        return "expected milliamperes, at most 100000";
    }
    mg_sim_device_set_current(meter_now(c, meter),
                              mg_setup_circuit(&c->app->setup->meters[meter]),
                              (int64_t)ma);
    return NULL;
}

static const char *input(struct control *c, const struct words *words)
{
    size_t meter;
    unsigned long closed;
    if (find_meter(c, words->first, &meter) != MG_OK) {
        return "no such meter";
    }
    if (parse_number(words->second, 1, &closed) != MG_OK) {
        return "expected 0 or 1";
    }
    return mg_sim_device_set_input(meter_now(c, meter), 0, closed == 1) == MG_OK
               ? NULL
               : "this model has no input";
}

static const char *reset(struct control *c, const struct words *words)
{
    size_t meter;
    if (find_meter(c, words->first, &meter) != MG_OK) {
        return "no such meter";
    }
    return mg_sim_device_fault(meter_now(c, meter), MG_FW_FAULT_RESET) == MG_OK
               ? NULL
               : "this model knows no such fault";
}

static const char *faults(struct control *c, const struct words *words)
{
    unsigned long n;
    if (parse_number(words->first, CHANCES, &n) != MG_OK) {
        return "expected 0 to 10000";
    }
    struct mg_sim_faults f = control_faults((uint32_t)n);
    for (size_t i = 0; i < c->app->setup->n_buses; i++) {
        struct mg_sim_line *line = mg_simulation_line(c->app->simulation, i);
        if (line != NULL) {
            mg_sim_line_set_faults(line, &f);
        }
    }
    return NULL;
}

static const char *obey(struct control *c, const char *line)
{
    static const struct {
        const char *name;
        int n_words;
        const char *(*act)(struct control *c, const struct words *words);
    } orders[] = {{"power", 3, power},   {"reset", 2, reset},
                  {"faults", 2, faults}, {"fault", 3, fault},
                  {"load", 3, load},     {"input", 3, input}};
    struct words w;
    char more[2];
    int n = sscanf(line, "%15s %63s %15s %1s", w.verb, w.first, w.second, more);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (n > 0 && strcmp(w.verb, orders[i].name) == 0) {
            return n == orders[i].n_words ? orders[i].act(c, &w)
                                          : "wrong number of words";
        }
    }
    return "expected power METER MS, reset METER, fault METER KIND, load METER "
           "MILLIAMPERES, input METER 0|1 or faults N";
}

static void take_line(struct control *c)
{
    char copy[CONTROL_LINE_MAX];
    char buf[512];
    memcpy(copy, c->line, c->len);
    copy[c->len] = '\0';
    const char *reason =
        c->is_too_long ? "the line is too long" : obey(c, copy);
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_key(&j, reason == NULL ? "done" : "failed");
    mg_json_str(&j, c->line, c->len);
    if (reason != NULL) {
        mg_json_member_str(&j, "reason", reason);
    }
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", j.failed ? 0 : (int)j.len, buf);
    (void)fflush(stdout); /* who has asked waits for it */
}

static void take_char(struct control *c, char ch)
{
    if (ch == '\n') {
        take_line(c);
        c->len = 0;
        c->is_too_long = false;
    } else if (c->len < sizeof c->line - 1) {
        c->line[c->len++] = ch;
    } else {
        c->is_too_long = true;
    }
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct control *c = poll->data;
    char buf[256];
    (void)events;
    ssize_t n = status < 0 ? 0 : read(STDIN_FILENO, buf, sizeof buf);
    if (n <= 0) {
        (void)uv_poll_stop(poll); /* nobody gives orders any more */
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        take_char(c, buf[i]);
    }
}

int control_start(struct control *c, struct app *app, struct mg_err *err)
{
    c->app = app;
    c->poll.data = c;
    int rc = uv_poll_init(&app->loop, &c->poll, STDIN_FILENO);
    if (rc == 0) {
        c->has_poll = true;
        rc = uv_poll_start(&c->poll, UV_READABLE, readable);
    }
    return rc == 0 ? MG_OK
                   : mg_err_set(err, MG_E_IO,
                                "--control needs a pipe or a terminal as "
                                "standard input: %s",
                                uv_strerror(rc));
}

void control_stop(struct control *c)
{
    if (c->has_poll) {
        uv_close((uv_handle_t *)&c->poll, NULL);
        c->has_poll = false;
    }
}
