#include "bus/can_signals.h"

#include <stdio.h>
#include <string.h>

#include "model/channel.h"

struct spelling {
    const char *text;
    enum mg_unit unit;
    int exp10;
};

static const struct spelling spellings[] = {
    {"Wh", MG_UNIT_MWH, 3},
    {"kWh", MG_UNIT_MWH, 6},
    {"varh", MG_UNIT_MVARH, 3},
    {"kvarh", MG_UNIT_MVARH, 6},
    {"VAh", MG_UNIT_MVAH, 3},
    {"kVAh", MG_UNIT_MVAH, 6},
    {"mW", MG_UNIT_MW, 0},
    {"W", MG_UNIT_MW, 3},
    {"kW", MG_UNIT_MW, 6},
    {"var", MG_UNIT_MVAR, 3},
    {"kvar", MG_UNIT_MVAR, 6},
    {"VA", MG_UNIT_MVA, 3},
    {"kVA", MG_UNIT_MVA, 6},
    {"mV", MG_UNIT_MV, 0},
    {"V", MG_UNIT_MV, 3},
    {"mA", MG_UNIT_MA, 0},
    {"A", MG_UNIT_MA, 3},
    {"mHz", MG_UNIT_MHZ, 0},
    {"Hz", MG_UNIT_MHZ, 3},
    {"degC", MG_UNIT_MDEGC, 3},
    {"\xc2\xb0"
     "C",
     MG_UNIT_MDEGC, 3},
    {"\xb0"
     "C",
     MG_UNIT_MDEGC, 3},
    {"C", MG_UNIT_MDEGC, 3},
    {"%", MG_UNIT_CPCT, 2},
    {"deg", MG_UNIT_CDEG, 2},
    {"s", MG_UNIT_SECONDS, 0},
    {"imp", MG_UNIT_COUNT, 0},
};

/* What a file may leave without a unit. */
static bool is_plain(enum mg_unit unit, int *ret_exp10)
{
    *ret_exp10 = unit == MG_UNIT_PF ? 4 : 0;
    return unit == MG_UNIT_COUNT || unit == MG_UNIT_BOOL ||
           unit == MG_UNIT_BITS || unit == MG_UNIT_PF ||
           unit == MG_UNIT_SECONDS || unit == MG_UNIT_UNIX_S;
}

int mg_can_unit_exp10(const char *text, enum mg_unit unit, int *ret)
{
    int exp10;
    if (text[0] == '\0' || strcmp(text, "-") == 0) {
        if (!is_plain(unit, &exp10)) {
            return MG_E_INVAL;
        }
        *ret = exp10;
        return MG_OK;
    }
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (spellings[i].unit == unit && strcmp(spellings[i].text, text) == 0) {
            *ret = spellings[i].exp10;
            return MG_OK;
        }
    }
    return MG_E_INVAL;
}

int mg_can_node_id(const struct mg_dbc *dbc,
                   const struct mg_dbc_message *message, uint8_t node,
                   uint32_t *ret)
{
    uint64_t id = message->id + (uint64_t)mg_dbc_node_step(dbc) * node;
    if (id >
        (message->is_extended ? MG_CAN_EXTENDED_MAX : MG_CAN_STANDARD_MAX)) {
        return MG_E_RANGE;
    }
    *ret = (uint32_t)id;
    return MG_OK;
}

static bool is_void(const struct mg_can_driver *driver, int64_t word)
{
    for (size_t i = 0; i < driver->n_faults; i++) {
        if (driver->faults[i].voids_measured &&
            (word >> driver->faults[i].bit & 1) != 0) {
            return true;
        }
    }
    return false;
}

void mg_can_void_measured(const struct mg_can_driver *driver,
                          struct mg_value *values, size_t n)
{
    bool must_void = false;
    for (size_t i = 0; i < n; i++) {
        if (values[i].channel == MG_CH(ERROR_WORD, TOTAL) &&
            values[i].quality == MG_QUALITY_GOOD) {
            must_void = is_void(driver, values[i].value);
        }
    }
    for (size_t i = 0; must_void && i < n; i++) {
        if (mg_channel_kind(values[i].channel) == MG_KIND_GAUGE &&
            values[i].quality == MG_QUALITY_GOOD) {
            values[i].quality = MG_QUALITY_INVALID;
        }
    }
}

int mg_can_split_name(const char *name, char ret_message[MG_DBC_NAME_MAX],
                      char ret_signal[MG_DBC_NAME_MAX])
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || dot == name || dot - name >= MG_DBC_NAME_MAX ||
        dot[1] == '\0' || strlen(dot + 1) >= MG_DBC_NAME_MAX) {
        return MG_E_INVAL;
    }
    (void)snprintf(ret_message, MG_DBC_NAME_MAX, "%.*s", (int)(dot - name),
                   name);
    (void)snprintf(ret_signal, MG_DBC_NAME_MAX, "%s", dot + 1);
    return MG_OK;
}

static const char *overridden(const char *what, const char *name,
                              const struct mg_can_override *overrides, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(overrides[i].what, what) == 0) {
            name = overrides[i].name;
        }
    }
    return name == NULL || strcmp(name, MG_CAN_NONE) == 0 ? NULL : name;
}

const char *mg_can_signal_name(const struct mg_signal *row,
                               const struct mg_can_override *overrides,
                               size_t n)
{
    char key[MG_CHANNEL_KEY_MAX];
    if (mg_channel_key(row->channel, key) != MG_OK) {
        return NULL;
    }
    return overridden(key, row->name, overrides, n);
}

static int find_signal(const struct mg_dbc *dbc, const char *name,
                       struct mg_can_signal *ret, struct mg_err *err)
{
    char message[MG_DBC_NAME_MAX], signal[MG_DBC_NAME_MAX];
    char key[MG_CHANNEL_KEY_MAX] = "?";
    (void)mg_channel_key(ret->row->channel, key);
    if (mg_can_split_name(name, message, signal) != MG_OK) {
        return mg_err_set(err, MG_E_INVAL, "%s: \"%.80s\" is no Message.Signal",
                          key, name);
    }
    ret->message = mg_dbc_find(dbc, message);
    ret->signal =
        ret->message == NULL ? NULL : mg_dbc_find_signal(ret->message, signal);
    if (ret->signal == NULL) {
        return mg_err_set(err, MG_E_NOTFOUND,
                          "the DBC has no %s %s (for %s); expected it, or the "
                          "name it has there in `signals`",
                          ret->message == NULL ? "message" : "signal",
                          ret->message == NULL ? message : name, key);
    }
    if (mg_can_unit_exp10(ret->signal->unit, mg_channel_unit(ret->row->channel),
                          &ret->exp10) != MG_OK) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s is in \"%s\" in the DBC, which does not measure "
                          "%s",
                          name, ret->signal->unit, key);
    }
    return MG_OK;
}

static int find_message(const struct mg_dbc *dbc, const char *what,
                        const char *name,
                        const struct mg_can_override *overrides, size_t n,
                        const struct mg_dbc_message **ret, struct mg_err *err)
{
    name = overridden(what, name, overrides, n);
    *ret = name == NULL ? NULL : mg_dbc_find(dbc, name);
    if (name != NULL && *ret == NULL) {
        return mg_err_set(err, MG_E_NOTFOUND,
                          "the DBC has no message %.40s (%s over ISO-TP); "
                          "expected it, or the name it has there in `signals`",
                          name, what);
    }
    return MG_OK;
}

static int check_override(const struct mg_can_driver *driver,
                          const struct mg_can_override *overrides, size_t at,
                          struct mg_err *err)
{
    const struct mg_can_override *override = &overrides[at];
    for (size_t i = 0; i < at; i++) {
        if (strcmp(overrides[i].what, override->what) == 0) {
            return mg_err_set(err, MG_E_INVAL,
                              "\"%s\" is named twice; expected it once",
                              override->what);
        }
    }
    if (strcmp(override->what, "request") == 0 ||
        strcmp(override->what, "answer") == 0) {
        return MG_OK;
    }
    for (size_t i = 0; i < driver->n_signals; i++) {
        char key[MG_CHANNEL_KEY_MAX];
        if (mg_channel_key(driver->signals[i].channel, key) == MG_OK &&
            strcmp(key, override->what) == 0) {
            return MG_OK;
        }
    }
    return mg_err_set(err, MG_E_INVAL,
                      "\"%s\" is no value of this model; expected a key of "
                      "`metergate models`, request or answer",
                      override->what);
}

int mg_can_map_build(const struct mg_can_driver *driver, unsigned variant,
                     unsigned circuit, const struct mg_dbc *dbc,
                     const struct mg_can_override *overrides, size_t n,
                     struct mg_can_map *ret, struct mg_err *err)
{
    int rc = MG_OK;
    *ret = (struct mg_can_map){.dbc = dbc};
    for (size_t i = 0; rc == MG_OK && i < n; i++) {
        rc = check_override(driver, overrides, i, err);
    }
    for (size_t i = 0; rc == MG_OK && i < driver->n_signals; i++) {
        const struct mg_signal *row = &driver->signals[i];
        const char *name = mg_can_signal_name(row, overrides, n);
        if (name == NULL ||
            (row->variants != 0 && (row->variants >> variant & 1U) == 0)) {
            continue;
        }
        if (ret->n == MG_CAN_SIGNALS_MAX) {
            return mg_err_set(err, MG_E_NOSPC, "more than %d signals",
                              MG_CAN_SIGNALS_MAX);
        }
        ret->signals[ret->n].row = row;
        rc = find_signal(dbc, name, &ret->signals[ret->n], err);
        ret->n++;
    }
    if (rc == MG_OK) {
        rc = find_message(dbc, "request", driver->to_meter[circuit], overrides,
                          n, &ret->to_meter, err);
    }
    if (rc == MG_OK) {
        rc = find_message(dbc, "answer", driver->from_meter[circuit], overrides,
                          n, &ret->from_meter, err);
    }
    if (rc == MG_OK && ret->to_meter != NULL &&
        ret->to_meter == ret->from_meter) {
        rc = mg_err_set(err, MG_E_INVAL,
                        "request and answer are both message %.40s; expected "
                        "one for each direction",
                        ret->to_meter->name);
    }
    return rc;
}
