/* Signed charging: the station, EVerest, and the sessions of the meters. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "crypto/key.h"
#include "run/session.h"

/* The overload rule opens 8 s after the last reading without one, at the next
 * reading; 10 s are allowed. */
#define OVERLOAD_INTERVAL_MAX_MS 1000U

/* The verbs, and the word for all of them. */
const char *mg_load_session_verb(size_t i)
{
    if (i < MG_N_SESSION_VERBS) {
        return mg_session_verb_text((enum mg_session_verb)i);
    }
    return i == MG_N_SESSION_VERBS ? MG_ALLOW_SESSION : NULL;
}

bool mg_load_is_session_verb(const char *verb)
{
    for (size_t i = 0; mg_load_session_verb(i) != NULL; i++) {
        if (strcmp(mg_load_session_verb(i), verb) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- The station ---- */

static void read_token(struct mg_load *load, const yaml_node_t *node)
{
    struct mg_setup_station *station = &load->setup->station;
    size_t k = mg_section_find(&mg_section_station, "pkcs11", 6);
    struct mg_item item = {0};
    mg_item_read(&load->reader, mg_section_station.keys[k].section, node,
                 station, &item);
    if (station->pkcs11_module != NULL) {
        (void)mg_load_check_file(load, &item, "module", station->pkcs11_module,
                                 0);
    }
    if (station->pkcs11_pin_file != NULL) {
        (void)mg_load_check_file(load, &item, "pin_file",
                                 station->pkcs11_pin_file, MG_NOT_OURS);
    }
}

static void set_default(char *field, size_t cap, const char *text)
{
    if (field[0] == '\0') {
        (void)snprintf(field, cap, "%s", text);
    }
}

void mg_load_station(struct mg_load *load)
{
    const struct mg_item *item = &load->station;
    struct mg_setup_station *station = &load->setup->station;
    station->is_enabled = item->section != NULL;
    if (!station->is_enabled) {
        return;
    }
    bool has_file = mg_item_value(item, "key_file") != NULL;
    bool has_token = mg_item_value(item, "pkcs11") != NULL;
    if (has_file == has_token) {
        mg_fault_add(&load->faults, mg_yaml_place(item->node),
                     "station: %s; expected either key_file or pkcs11",
                     has_file ? "two kinds of keys" : "no key");
    }
    if (station->key_file != NULL) {
        (void)mg_load_check_file(load, item, "key_file", station->key_file,
                                 MG_NOT_OURS);
    }
    if (mg_item_has(item, "pkcs11")) {
        read_token(load, mg_item_value(item, "pkcs11"));
    }
    set_default(station->identification, sizeof station->identification,
                load->setup->gateway);
    set_default(station->version, sizeof station->version,
                "metergate " MG_VERSION);
}

/* ---- EVerest ---- */

static bool copy_text(char **to)
{
    bool is_empty = *to == NULL;
    *to = is_empty ? NULL : strdup(*to);
    return is_empty || *to != NULL;
}

/* The strings are the copy's own; what could not be copied is NULL. */
static int copy_broker(const struct mg_setup_mqtt *from,
                       struct mg_setup_mqtt *to)
{
    *to = *from;
    char **texts[] = {&to->username, &to->password, &to->ca_file,
                      &to->cert_file, &to->key_file};
    bool is_whole = true;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        is_whole &= copy_text(texts[i]);
    }
    to->client_id[0] = '\0';
    return is_whole ? MG_OK : MG_E_NOMEM;
}

static void read_broker(struct mg_load *load)
{
    struct mg_setup_mqtt *mqtt = &load->setup->everest.mqtt;
    struct mg_item item = {0};
    mg_item_read(&load->reader, &mg_section_broker,
                 mg_item_value(&load->everest, "mqtt"), mqtt, &item);
    mg_load_mqtt_files(load, &item, mqtt);
}

/* Two connections with one client id throw each other out for ever. */
static void check_client_id(struct mg_load *load)
{
    const struct mg_setup_mqtt *ours = &load->setup->everest.mqtt;
    const struct mg_setup_mqtt *other = &load->setup->mqtt;
    if (other->is_enabled && ours->port == other->port &&
        strcmp(ours->host, other->host) == 0 &&
        strcmp(ours->client_id, other->client_id) == 0) {
        mg_fault_add(&load->faults, mg_item_place(&load->everest, "mqtt"),
                     "everest: client_id \"%s\" is that of `mqtt` at the same "
                     "broker; expected one of its own",
                     ours->client_id);
    }
}

int mg_load_everest(struct mg_load *load)
{
    const struct mg_item *item = &load->everest;
    struct mg_setup_everest *everest = &load->setup->everest;
    int code = MG_OK;
    everest->is_enabled = item->section != NULL;
    if (!everest->is_enabled || mg_item_is_bad(item, "mqtt")) {
        return MG_OK;
    }
    if (mg_item_has(item, "mqtt")) {
        read_broker(load);
    } else if (load->mqtt.section != NULL) {
        code = copy_broker(&load->setup->mqtt, &everest->mqtt);
    } else if (!mg_item_is_bad(&load->root, "mqtt")) {
        mg_fault_add(&load->faults, mg_yaml_place(item->node),
                     "everest: no broker; expected a section \"mqtt\" here or "
                     "in the file");
    }
    everest->mqtt.is_enabled = true;
    if (everest->mqtt.client_id[0] == '\0') {
        (void)snprintf(everest->mqtt.client_id, sizeof everest->mqtt.client_id,
                       "everest-%s", load->setup->gateway);
    }
    mg_load_finish_mqtt(load, &everest->mqtt);
    check_client_id(load);
    return code;
}

/* ---- Meters ---- */

static bool can_sign(const struct mg_setup_meter *meter)
{
    const struct mg_driver *driver = meter->plugin->driver;
    for (size_t i = 0; i < driver->n_procedures; i++) {
        const struct mg_procedure *p = &driver->procedures[i];
        if ((p->flags & MG_PROC_SESSION) != 0 &&
            mg_load_has_procedure(meter, p)) {
            return true;
        }
    }
    return false;
}

/* The key of the meter that asks for sessions, or NULL. */
static const char *asks_for_sessions(const struct mg_load *load, size_t i)
{
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    if (mg_item_has(&load->meters[i], "session")) {
        return "session";
    }
    for (size_t k = 0; k < meter->n_allowed; k++) {
        if (mg_load_is_session_verb(meter->allowed[k])) {
            return "allow";
        }
    }
    return NULL;
}

static void check_signing(struct mg_load *load, size_t i,
                          const struct mg_item *session)
{
    const struct mg_item *item = &load->meters[i];
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    bool is_signing = can_sign(meter);
    const char *key = asks_for_sessions(load, i);
    if (key != NULL && !is_signing &&
        mg_item_value(&load->root, "station") == NULL) {
        mg_fault_add(&load->faults, mg_item_place(item, key),
                     "%s: a %s does not sign, and no station signs for it; "
                     "expected a section \"station\" with a key",
                     key, meter->plugin->model);
    }
    if (is_signing && meter->session.loss_uohm != 0) {
        mg_fault_add(&load->faults, mg_item_place(session, "cable_loss"),
                     "cable_loss: a %s signs its own readings; expected 0, or "
                     "the key to be left out",
                     meter->plugin->model);
    }
}

/* Without these a meter of signed telegrams could never be billed. */
static void check_telegrams(struct mg_load *load, size_t i)
{
    static const char *const needed[] = {"request", "answer",
                                         "energy_active_import_wh"};
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    if ((meter->plugin->capabilities & MG_CAP_TELEGRAM) == 0 ||
        asks_for_sessions(load, i) == NULL) {
        return;
    }
    for (size_t k = 0; k < meter->n_signals; k++) {
        const struct mg_can_override *o = &meter->signals[k];
        for (size_t n = 0; n < sizeof needed / sizeof *needed; n++) {
            if (strcmp(o->what, needed[n]) == 0 &&
                strcmp(o->name, MG_CAN_NONE) == 0) {
                mg_fault_add(&load->faults,
                             mg_item_place(&load->meters[i], "signals"),
                             "signals: without %s no session could be billed; "
                             "expected its name in the DBC, or no sessions on "
                             "this meter",
                             o->what);
            }
        }
    }
}

static void check_public_key(struct mg_load *load, size_t i,
                             const struct mg_item *session)
{
    const char *text = load->setup->meters[i].session.public_key;
    struct mg_public_key *key = NULL;
    struct mg_err err = {0};
    unsigned lenient = 0;
    if (text != NULL && mg_public_key_parse(text, strlen(text), MG_N_CURVES,
                                            &key, &lenient, &err) != MG_OK) {
        mg_fault_add(&load->faults, mg_item_place(session, "public_key"),
                     "public_key: %s; expected the meter's key as hex or "
                     "base64",
                     err.text);
    }
    mg_public_key_destroy(key);
}

static void check_everest(struct mg_load *load, size_t i,
                          const struct mg_item *session)
{
    if (load->setup->meters[i].session.everest[0] != '\0' &&
        mg_item_value(&load->root, "everest") == NULL) {
        mg_fault_add(&load->faults, mg_item_place(session, "everest"),
                     "everest: there is no bridge; expected a section "
                     "\"everest\" in the file");
    }
}

/* What only a charging station's meter is watched for. */
static void check_duties(struct mg_load *load, size_t i,
                         const struct mg_item *session)
{
    static const char *const keys[] = {"current_limit", "contactor"};
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    bool has_duties = (meter->plugin->capabilities & MG_CAP_DUTIES) != 0;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        if (!has_duties && mg_item_has(session, keys[k])) {
            mg_fault_add(&load->faults, mg_item_place(session, keys[k]),
                         "%s: a %s is no meter of a charging station; expected "
                         "the key to be left out",
                         keys[k], meter->plugin->model);
        }
    }
    if (has_duties && meter->session.current_limit_ma != 0 &&
        meter->interval_ms > OVERLOAD_INTERVAL_MAX_MS) {
        mg_fault_add(&load->faults, mg_item_place(session, keys[0]),
                     "current_limit: an overload must end within 10 s, and the "
                     "interval is %u ms; expected at most %u ms",
                     meter->interval_ms, OVERLOAD_INTERVAL_MAX_MS);
    }
}

void mg_load_session(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_meter *meter = &load->setup->meters[i];
    struct mg_item session = {0};
    if (mg_item_has(item, "session")) {
        mg_item_read(&load->reader, &mg_section_session,
                     mg_item_value(item, "session"), &meter->session, &session);
    }
    set_default(meter->session.evse, sizeof meter->session.evse, meter->id);
    if (meter->session.connector == 0) {
        unsigned circuit = meter->options == NULL ? 0 : mg_setup_circuit(meter);
        meter->session.connector = (uint8_t)(circuit + 1);
    }
    check_public_key(load, i, &session);
    check_everest(load, i, &session);
    if (meter->plugin != NULL) {
        check_signing(load, i, &session);
        check_telegrams(load, i);
        check_duties(load, i, &session);
    }
}

static void repeated_module(void *ctx, size_t first, size_t index)
{
    struct mg_load *load = ctx;
    const struct mg_setup_meter *meters = load->setup->meters;
    mg_fault_add(&load->faults, mg_item_place(&load->meters[index], "session"),
                 "session: meter %s (line %u) serves the module \"%s\" of "
                 "EVerest already; expected one meter per module",
                 meters[first].id,
                 mg_item_place(&load->meters[first], "session").line,
                 meters[index].session.everest);
}

int mg_load_check_modules(struct mg_load *load)
{
    const struct mg_setup *setup = load->setup;
    struct mg_names modules = {0};
    int code = mg_names_init(&modules, setup->n_meters);
    for (size_t i = 0; code == MG_OK && i < setup->n_meters; i++) {
        const char *module = setup->meters[i].session.everest;
        if (module[0] != '\0') {
            code = mg_names_add(&modules, i, "%s", module);
        }
    }
    if (code == MG_OK) {
        mg_names_sort(&modules);
        mg_names_repeats(&modules, repeated_module, load);
    }
    if (code == MG_OK && setup->everest.is_enabled && modules.n == 0 &&
        setup->n_meters > 0 && mg_faults_count(&load->faults) == 0) {
        mg_fault_add(&load->faults, mg_yaml_place(load->everest.node),
                     "everest: no meter is served; expected a meter with "
                     "\"session: {everest: MODULE}\"");
    }
    mg_names_fini(&modules);
    return code;
}
