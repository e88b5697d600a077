/* Are the tables of a plugin consistent? Everything that the gateway later
 * relies on without looking again is checked here. Pure. */
#include <inttypes.h>
#include <string.h>

#include "model/channel.h"
#include "model/points.h"
#include "run/plugins.h"

#define N_VARIANTS       32
#define OPTIONS_SIZE_MAX 4096
#define ARGS_SIZE_MAX    256 /* of a command; stored with its state */
#define ARGS_MAX         24
#define NAME_MAX_LEN     31
#define STATE_SIZE_MAX   (1U << 20)
#define NV_SIZE_MAX      (1U << 20)

/* Lower-case words joined by '-'. */
static bool is_name(const char *s)
{
    if (s == NULL || s[0] < 'a' || s[0] > 'z') {
        return false;
    }
    size_t len = strlen(s);
    return len <= NAME_MAX_LEN && s[len - 1] != '-' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool is_sentence(const char *s)
{
    return s != NULL && s[0] != '\0';
}

/* ---- Options and arguments ---- */

static int64_t count_choices(const struct mg_option *o)
{
    int64_t n = 0;
    while (o->choices != NULL && o->choices[n] != NULL) {
        n++;
    }
    return n;
}

static int check_place(const struct mg_option *o, size_t struct_size,
                       struct mg_err *err)
{
    bool is_text = o->type == MG_OPTION_TEXT;
    size_t size = is_text ? o->size : sizeof(int64_t);
    if (size == 0 || o->offset > struct_size ||
        size > struct_size - o->offset) {
        return mg_err_set(err, MG_E_INVAL,
                          "option %s: offset %d and size %zu are outside the "
                          "struct of %zu bytes",
                          o->name, o->offset, size, struct_size);
    }
    if (!is_text && o->offset % sizeof(int64_t) != 0) {
        return mg_err_set(err, MG_E_INVAL,
                          "option %s: offset %d is not aligned to 8 bytes",
                          o->name, o->offset);
    }
    return MG_OK;
}

static int check_text_default(const struct mg_option *o, struct mg_err *err)
{
    if (o->def_text != NULL && strlen(o->def_text) >= o->size) {
        return mg_err_set(err, MG_E_INVAL,
                          "option %s: the default is longer than %d bytes",
                          o->name, o->size - 1);
    }
    return MG_OK;
}

static int check_range(const struct mg_option *o, struct mg_err *err)
{
    if (o->type == MG_OPTION_TEXT) {
        return check_text_default(o, err);
    }
    int64_t min = o->min;
    int64_t max = o->max;
    if (o->type == MG_OPTION_BOOL) {
        min = 0;
        max = 1;
    } else if (o->type == MG_OPTION_ENUM) {
        int64_t n = count_choices(o);
        if (min < 0 || max >= n) {
            return mg_err_set(err, MG_E_INVAL,
                              "option %s: range %" PRId64 " to %" PRId64
                              " but %" PRId64 " choices",
                              o->name, min, max, n);
        }
    }
    if (min > max || o->def < min || o->def > max) {
        return mg_err_set(err, MG_E_INVAL,
                          "option %s: default %" PRId64
                          " is out of range %" PRId64 " to %" PRId64,
                          o->name, o->def, min, max);
    }
    return MG_OK;
}

static int check_option(const struct mg_option *options, size_t i,
                        size_t struct_size, struct mg_err *err)
{
    const struct mg_option *o = &options[i];
    if (!is_name(o->name)) {
        return mg_err_set(err, MG_E_INVAL,
                          "option %zu: the name is not lower-case words joined "
                          "by '-'",
                          i);
    }
    if ((unsigned)o->type > MG_OPTION_TEXT) {
        return mg_err_set(err, MG_E_INVAL, "option %s: unknown type %u",
                          o->name, (unsigned)o->type);
    }
    if (!is_sentence(o->help)) {
        return mg_err_set(err, MG_E_INVAL, "option %s: no help", o->name);
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(options[k].name, o->name) == 0) {
            return mg_err_set(err, MG_E_INVAL, "option %s: given twice",
                              o->name);
        }
    }
    int rc = check_place(o, struct_size, err);
    return rc == MG_OK ? check_range(o, err) : rc;
}

/* Any two members of the struct must lie apart. */
static int check_apart(const struct mg_option *options, size_t n,
                       struct mg_err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct mg_option *a = &options[i];
            const struct mg_option *b = &options[k];
            size_t a_size = a->type == MG_OPTION_TEXT ? a->size : 8;
            size_t b_size = b->type == MG_OPTION_TEXT ? b->size : 8;
            if (a->offset < b->offset + b_size &&
                b->offset < a->offset + a_size) {
                return mg_err_set(err, MG_E_INVAL,
                                  "options %s and %s share a place", a->name,
                                  b->name);
            }
        }
    }
    return MG_OK;
}

static int check_options(const struct mg_option *options, size_t n,
                         size_t struct_size, struct mg_err *err)
{
    if (n > 0 && options == NULL) {
        return mg_err_set(err, MG_E_INVAL, "%zu options but no table", n);
    }
    for (size_t i = 0; i < n; i++) {
        int rc = check_option(options, i, struct_size, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    return check_apart(options, n, err);
}

/* ---- Driver ---- */

static int check_points(const struct mg_driver *driver, struct mg_err *err)
{
    struct mg_plan plan;
    for (unsigned variant = 0; variant < N_VARIANTS; variant++) {
        size_t row = 0;
        int rc = mg_plan_build(driver, variant, &plan, &row);
        if (rc != MG_OK) {
            return mg_err_set(err, rc,
                              "register table, row %zu of %zu (address 0x%04x, "
                              "variant %u): wrong or overlapping",
                              row + 1, driver->n_points,
                              driver->points[row].address, variant);
        }
    }
    for (size_t i = 0; i < driver->n_points; i++) {
        if (!is_sentence(driver->points[i].source)) {
            return mg_err_set(err, MG_E_INVAL,
                              "register table, row %zu: no source", i + 1);
        }
    }
    return MG_OK;
}

static int check_procedure(const struct mg_driver *driver, size_t i,
                           struct mg_err *err)
{
    const struct mg_procedure *p = &driver->procedures[i];
    if (!is_name(p->verb)) {
        return mg_err_set(err, MG_E_INVAL,
                          "procedure %zu: the verb is not lower-case words "
                          "joined by '-'",
                          i);
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(driver->procedures[k].verb, p->verb) == 0) {
            return mg_err_set(err, MG_E_INVAL, "procedure %s: given twice",
                              p->verb);
        }
    }
    if (p->step == NULL || !is_sentence(p->help) || !is_sentence(p->source)) {
        return mg_err_set(err, MG_E_INVAL,
                          "procedure %s: no step function, help or source",
                          p->verb);
    }
    if (p->state_size > MG_STEP_STATE_MAX) {
        return mg_err_set(err, MG_E_INVAL,
                          "procedure %s: state of %zu bytes, at most %d are "
                          "kept",
                          p->verb, p->state_size, MG_STEP_STATE_MAX);
    }
    if (p->n_args > ARGS_MAX || p->args_size > ARGS_SIZE_MAX) {
        return mg_err_set(err, MG_E_INVAL,
                          "procedure %s: %zu arguments in %zu bytes; at most "
                          "%d in %d",
                          p->verb, p->n_args, p->args_size, ARGS_MAX,
                          ARGS_SIZE_MAX);
    }
    int rc = check_options(p->args, p->n_args, p->args_size, err);
    if (rc != MG_OK) {
        mg_err_prefix(err, "procedure %s", p->verb);
    }
    return rc;
}

static int check_line(const struct mg_driver *d, struct mg_err *err)
{
    const struct mg_serial *s = &d->serial;
    if (s->baud == 0 ||
        (s->parity != 'N' && s->parity != 'E' && s->parity != 'O') ||
        s->stop_bits < 1 || s->stop_bits > 2) {
        return mg_err_set(err, MG_E_INVAL,
                          "line: %" PRIu32 " baud, parity %d, %d stop bits "
                          "are no setting",
                          s->baud, s->parity, s->stop_bits);
    }
    if (d->timeout_ms == 0) {
        return mg_err_set(err, MG_E_INVAL, "the driver has no time-out");
    }
    if (d->n_phases < 1 || d->n_phases > 3 || d->max_voltage_mv <= 0 ||
        d->max_current_ma <= 0) {
        return mg_err_set(err, MG_E_INVAL,
                          "limits: 1 to 3 phases, voltage and current above 0 "
                          "are needed");
    }
    return MG_OK;
}

static bool is_signal_name(const char *name)
{
    const char *dot = name == NULL ? NULL : strchr(name, '.');
    return dot != NULL && dot != name && dot[1] != '\0' &&
           strchr(dot + 1, '.') == NULL;
}

static int check_signals(const struct mg_can_driver *can, struct mg_err *err)
{
    for (size_t i = 0; i < can->n_signals; i++) {
        const struct mg_signal *s = &can->signals[i];
        if (!mg_channel_exists(s->channel) || !is_signal_name(s->name) ||
            s->source == NULL) {
            return mg_err_set(err, MG_E_INVAL,
                              "signal %zu: no channel, no Message.Signal, or "
                              "no source",
                              i);
        }
    }
    return MG_OK;
}

static int check_can(const struct mg_driver *d, struct mg_err *err)
{
    const struct mg_can_driver *can = d->can;
    if (can->dbc == NULL || strchr(can->dbc, '/') != NULL ||
        can->signals == NULL || can->n_signals == 0 || d->n_points != 0) {
        return mg_err_set(err, MG_E_INVAL,
                          "a CAN driver has a DBC file, signals, and no "
                          "registers");
    }
    bool is_paired = true;
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        is_paired = is_paired &&
                    (can->to_meter[i] == NULL) == (can->from_meter[i] == NULL);
    }
    if (!is_paired || (can->to_meter[0] == NULL && d->n_procedures > 0) ||
        (can->identify == NULL) != (can->identity == NULL) ||
        (can->ask_telegram == NULL) != (can->telegram == NULL)) {
        return mg_err_set(err, MG_E_INVAL,
                          "a CAN driver: one of two things that go together "
                          "is missing");
    }
    return check_signals(can, err);
}

static int check_driver(const struct mg_driver *d, struct mg_err *err)
{
    if (d != NULL && d->can != NULL) {
        int code = check_can(d, err);
        for (size_t i = 0; code == MG_OK && i < d->n_procedures; i++) {
            code = check_procedure(d, i, err);
        }
        return code;
    }
    if (d == NULL || d->points == NULL || d->n_points == 0 ||
        (d->n_procedures > 0 && d->procedures == NULL)) {
        return mg_err_set(err, MG_E_INVAL, "no driver or no register table");
    }
    if (d->max_registers == 0 || d->max_registers > 125) {
        return mg_err_set(err, MG_E_INVAL,
                          "max_registers %d; expected 1 to 125",
                          d->max_registers);
    }
    int rc = check_line(d, err);
    if (rc == MG_OK) {
        rc = check_points(d, err);
    }
    for (size_t i = 0; rc == MG_OK && i < d->n_procedures; i++) {
        rc = check_procedure(d, i, err);
    }
    return rc;
}

/* A meter that signs has one procedure for that, and only such a meter. */
static int check_signing(const struct mg_plugin *p, struct mg_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < p->driver->n_procedures; i++) {
        const struct mg_procedure *c = &p->driver->procedures[i];
        if ((c->flags & MG_PROC_SESSION) == 0) {
            continue;
        }
        n++;
        if (c->args_size != sizeof(struct mg_session_args) || c->n_args != 0) {
            return mg_err_set(err, MG_E_INVAL,
                              "procedure %s: its arguments are not struct "
                              "mg_session_args",
                              c->verb);
        }
    }
    bool signs = (p->capabilities & MG_CAP_SIGNS) != 0;
    if (n != (signs ? 1 : 0)) {
        return mg_err_set(err, MG_E_INVAL,
                          "%zu procedures for sessions; a meter that signs has "
                          "one, others have none",
                          n);
    }
    if (signs && p->firmware != NULL &&
        (p->firmware->sign_request == NULL ||
         p->firmware->sign_result == NULL)) {
        return mg_err_set(err, MG_E_INVAL,
                          "firmware: a meter that signs needs sign_request and "
                          "sign_result");
    }
    return MG_OK;
}

/* ---- Rating ---- */

static int check_accuracies(const struct mg_rating *r, struct mg_err *err)
{
    for (size_t i = 0; i < r->n_accuracies; i++) {
        const struct mg_accuracy *a = &r->accuracies[i];
        if (a->quantity >= MG_N_QUANTITIES || a->limit == 0 ||
            a->rule > MG_ACCURACY_ABSOLUTE || !is_sentence(a->source)) {
            return mg_err_set(err, MG_E_INVAL,
                              "rating: accuracy %zu has no quantity, limit, "
                              "rule or source",
                              i);
        }
    }
    return MG_OK;
}

static bool has_ordered_currents(const struct mg_rating *r)
{
    return r->start_ma > 0 && r->start_ma <= r->min_ma &&
           r->min_ma <= r->tr_ma && r->tr_ma <= r->ref_ma &&
           r->ref_ma <= r->max_ma;
}

static int check_rating(const struct mg_rating *r, struct mg_err *err)
{
    if (r == NULL) {
        return MG_OK;
    }
    if ((r->classes & (MG_CLASS_B | MG_CLASS_1 | MG_CLASS_05S)) == 0 ||
        r->classes >= 2 * MG_CLASS_2_REACTIVE) {
        return mg_err_set(err, MG_E_INVAL,
                          "rating: no class of active energy, or an unknown "
                          "one");
    }
    if (r->voltage_mv == 0 || r->frequency_mhz < 40000 ||
        r->frequency_mhz > 70000 || !has_ordered_currents(r)) {
        return mg_err_set(err, MG_E_INVAL,
                          "rating: no voltage, a frequency outside 40 to 70 "
                          "Hz, or currents that do not rise from Ist to Imax");
    }
    if (r->impulses_per_kwh == 0 || r->register_step_mwh == 0 ||
        (r->n_phases != 1 && r->n_phases != 3) || r->one_phase_lane > 2 ||
        r->min_degc > 5 || r->max_degc < 30) {
        return mg_err_set(err, MG_E_INVAL,
                          "rating: impulses, register step, 1 or 3 phases, and "
                          "a range that has 5 to 30 degC are needed");
    }
    if (!is_sentence(r->source) || !is_sentence(r->repeat_source)) {
        return mg_err_set(err, MG_E_INVAL, "rating: no source");
    }
    return check_accuracies(r, err);
}

/* ---- Firmware ---- */

static bool has_all_ops(const struct mg_firmware *f)
{
    return f->power_on != NULL && f->power_fail != NULL && f->tick != NULL &&
           f->pdu != NULL && f->outputs != NULL && f->set_input != NULL &&
           f->set != NULL && f->range != NULL && f->fault != NULL;
}

static int check_frontend(const struct mg_frontend *f, struct mg_err *err)
{
    if (f == NULL) {
        return mg_err_set(err, MG_E_INVAL, "firmware: no front end");
    }
    if (f->n_lanes < 1 || f->n_lanes > MG_LANES_MAX || f->bits < 8 ||
        f->bits > 24) {
        return mg_err_set(err, MG_E_INVAL,
                          "front end: %d lanes of %d bits; expected 1 to %d "
                          "lanes of 8 to 24 bits",
                          f->n_lanes, f->bits, MG_LANES_MAX);
    }
    if (f->current_sensor > MG_SENSOR_TRANSFORMER || f->sinc_order > 5) {
        return mg_err_set(err, MG_E_INVAL,
                          "front end: current sensor %d, filter of order %d; "
                          "expected a known sensor and an order of 0 to 5",
                          f->current_sensor, f->sinc_order);
    }
    /* 1 kHz to 1 MHz; a tick of at most 1 s. */
    if (f->rate_mhz < 1000000 || f->rate_mhz > 1000000000) {
        return mg_err_set(err, MG_E_INVAL,
                          "front end: sample rate %" PRIu32
                          " mHz; expected 1 kHz to 1 MHz",
                          f->rate_mhz);
    }
    if ((f->samples_per_tick == 0) == (f->half_periods == 0) ||
        f->samples_per_tick > f->rate_mhz / 1000) {
        return mg_err_set(err, MG_E_INVAL,
                          "front end: a tick is either a number of samples, "
                          "at most 1 s, or of half periods");
    }
    if (f->full_scale_mv == 0 || f->full_scale_ma == 0) {
        return mg_err_set(err, MG_E_INVAL, "front end: full scale is 0");
    }
    return MG_OK;
}

static int check_firmware(const struct mg_firmware *f, struct mg_err *err)
{
    if (!has_all_ops(f)) {
        return mg_err_set(err, MG_E_INVAL, "firmware: an operation is missing");
    }
    if (f->state_size == 0 || f->state_size > STATE_SIZE_MAX ||
        f->nv_size == 0 || f->nv_size > NV_SIZE_MAX) {
        return mg_err_set(err, MG_E_INVAL,
                          "firmware: state of %" PRIu32 " and non-volatile "
                          "memory of %" PRIu32 " bytes; expected 1 to %u",
                          f->state_size, f->nv_size, STATE_SIZE_MAX);
    }
    return check_frontend(f->frontend, err);
}

/* What goes with a CAN meter, its telegrams and its firmware. */
/* One option chooses the circuit; the device has all others once. */
static int check_circuit(const struct mg_plugin *p, struct mg_err *err)
{
    size_t n = 0;
    bool is_choice = p->bus == MG_BUS_CAN;
    for (size_t i = 0; p->circuit != NULL && i < p->n_options; i++) {
        const struct mg_option *o = &p->options[i];
        if (!o->is_device) {
            n++;
            is_choice = is_choice && o->type == MG_OPTION_ENUM &&
                        count_choices(o) == MG_CIRCUITS_MAX;
        }
    }
    if (p->circuit != NULL && (n != 1 || !is_choice)) {
        return mg_err_set(err, MG_E_INVAL,
                          "circuits: a CAN meter with one enumerated option of "
                          "%d choices and all others the device's is expected",
                          MG_CIRCUITS_MAX);
    }
    return MG_OK;
}

static int check_can_plugin(const struct mg_plugin *p, struct mg_err *err)
{
    const struct mg_can_driver *can = p->driver->can;
    const struct mg_firmware *f = p->firmware;
    bool has_telegram = (p->capabilities & MG_CAP_TELEGRAM) != 0;
    if ((p->bus == MG_BUS_CAN) != (can != NULL)) {
        return mg_err_set(err, MG_E_INVAL, "%s: bus and driver do not agree",
                          p->model);
    }
    if (has_telegram &&
        (can == NULL || can->telegram == NULL || can->identity == NULL)) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: signed telegrams need telegram and identity",
                          p->model);
    }
    if (f == NULL || p->bus != MG_BUS_CAN) {
        return MG_OK;
    }
    if (f->signals == NULL || f->n_signals == 0 || f->signal == NULL ||
        (has_telegram && (f->sign_request == NULL || f->sign_result == NULL ||
                          f->unasked == NULL))) {
        return mg_err_set(err, MG_E_INVAL,
                          "firmware: a CAN meter gives signals; telegrams need "
                          "sign_request, sign_result and unasked");
    }
    for (size_t i = 0; i < f->n_signals; i++) {
        if (!is_signal_name(f->signals[i].name)) {
            return mg_err_set(err, MG_E_INVAL,
                              "firmware: signal %zu is no Message.Signal", i);
        }
    }
    return MG_OK;
}

/* ---- The plugin ---- */

/* The fields behind these two may only be looked at when they are right. */
static int check_abi(const struct mg_plugin *p, struct mg_err *err)
{
    if (p->abi != MG_PLUGIN_ABI) {
        return mg_err_set(err, MG_E_NOSUP,
                          "made for ABI %" PRIu32 ", this gateway has %d: "
                          "build it with this version's headers",
                          p->abi, MG_PLUGIN_ABI);
    }
    if (p->size != sizeof(struct mg_plugin)) {
        return mg_err_set(err, MG_E_NOSUP,
                          "struct mg_plugin has %" PRIu32 " bytes there and "
                          "%zu here: build it with this version's headers",
                          p->size, sizeof(struct mg_plugin));
    }
    return MG_OK;
}

static int check_identity(const struct mg_plugin *p, struct mg_err *err)
{
    if (!is_name(p->model)) {
        return mg_err_set(err, MG_E_INVAL,
                          "the model's name is not lower-case words joined by "
                          "'-'");
    }
    if (!is_sentence(p->vendor) || !is_sentence(p->description)) {
        return mg_err_set(err, MG_E_INVAL, "%s: no vendor or description",
                          p->model);
    }
    if (p->bus != MG_BUS_MODBUS && p->bus != MG_BUS_CAN) {
        return mg_err_set(err, MG_E_INVAL, "%s: unknown bus %u", p->model,
                          (unsigned)p->bus);
    }
    if (((p->capabilities & MG_CAP_FIRMWARE) != 0) != (p->firmware != NULL)) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: the capability and the firmware itself do not "
                          "agree",
                          p->model);
    }
    if (p->options_size > OPTIONS_SIZE_MAX) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: options of %zu bytes; at most %d", p->model,
                          p->options_size, OPTIONS_SIZE_MAX);
    }
    return MG_OK;
}

int mg_plugin_validate(const struct mg_plugin *plugin, struct mg_err *err)
{
    int rc = check_abi(plugin, err);
    if (rc == MG_OK) {
        rc = check_identity(plugin, err);
    }
    if (rc != MG_OK) {
        return rc;
    }
    rc = check_options(plugin->options, plugin->n_options, plugin->options_size,
                       err);
    if (rc == MG_OK) {
        rc = check_driver(plugin->driver, err);
    }
    if (rc == MG_OK && plugin->firmware != NULL) {
        rc = check_firmware(plugin->firmware, err);
    }
    if (rc == MG_OK) {
        rc = check_can_plugin(plugin, err);
    }
    if (rc == MG_OK) {
        rc = check_circuit(plugin, err);
    }
    if (rc == MG_OK) {
        rc = check_signing(plugin, err);
    }
    if (rc == MG_OK) {
        rc = check_rating(plugin->rating, err);
    }
    if (rc != MG_OK) {
        mg_err_prefix(err, "%s", plugin->model);
    }
    return rc;
}
