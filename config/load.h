/* One run of the loader: what its files share. Private to config/. */
#ifndef MG_CONFIG_LOAD_H
#define MG_CONFIG_LOAD_H

#include "config/faults.h"
#include "config/item.h"
#include "config/names.h"
#include "run/plugins.h"

#define MG_NO_BUS SIZE_MAX /* of a meter whose bus is not known */

/* Bits that the mode of a file must not have. */
#define MG_NOT_OTHERS 06U  /* secrets; a group may read them */
#define MG_NOT_OURS   077U /* keys that sign, PINs: for the owner only */

struct mg_load {
    const struct mg_plugins *plugins;
    bool is_offline; /* touch no file but the configuration */
    struct mg_reader reader;
    struct mg_faults faults;
    struct mg_setup *setup; /* owned until it is handed out */
    struct mg_item root, gateway, mqtt, outbox, simulation, station, everest;
    struct mg_item *buses, *meters; /* owned; as many as in setup */
    struct mg_names bus_ids;
};

/** Fill the setup from the document: build.c.
 *  @return MG_OK or MG_E_NOMEM; faults are noted */
int mg_load_build(struct mg_load *load, const yaml_node_t *root);

/** Model, bus, options, commands, limits and load of meter i, whose keys have
 *  been read: meter.c. @return MG_OK or MG_E_NOMEM */
int mg_load_meter(struct mg_load *load, size_t i);

/** What a broker's section leaves open: build.c. */
void mg_load_finish_mqtt(struct mg_load *load, struct mg_setup_mqtt *mqtt);

/** Certificates, keys and password of a broker's section: files.c. */
void mg_load_mqtt_files(struct mg_load *load, const struct mg_item *item,
                        struct mg_setup_mqtt *mqtt);

/** The file that a key names is there and can be read: files.c.
 *  @param forbidden  bits its mode must not have, 0 = none
 *  @return false: a fault was noted */
bool mg_load_check_file(struct mg_load *load, const struct mg_item *item,
                        const char *key, const char *path, unsigned forbidden);

/** The time zone is in the tz database: files.c. */
void mg_load_check_zone(struct mg_load *load);

/** session.c: once the sections have been read, before the meters.
 *  @return MG_OK or MG_E_NOMEM */
void mg_load_station(struct mg_load *load);
int mg_load_everest(struct mg_load *load);

/** session.c: the session of meter i, whose `allow` has been read; after all
 *  of them, the modules that two serve. @return MG_OK or MG_E_NOMEM */
void mg_load_session(struct mg_load *load, size_t i);
int mg_load_check_modules(struct mg_load *load);

/** A meter with these options has the procedure: meter.c. */
bool mg_load_has_procedure(const struct mg_setup_meter *meter,
                           const struct mg_procedure *procedure);

/** can.c: bus, node, DBC and signals of meter i, whose model and options have
 *  been read; then identifiers that two meters share.
 *  @return MG_OK or MG_E_NOMEM */
int mg_load_can(struct mg_load *load, size_t i);
int mg_load_check_can(struct mg_load *load);

#define MG_ALLOW_SESSION "session" /* in `allow`: all verbs of sessions */

/** session.c: the words of `allow` that every meter may have.
 *  @return NULL: i is beyond the last */
const char *mg_load_session_verb(size_t i);
bool mg_load_is_session_verb(const char *verb);

/** Read a whole regular file of at most max bytes; a NUL is put behind it.
 *  @param ret_text  owned
 *  @return MG_OK, MG_E_IO, MG_E_NOSPC (too large), MG_E_NOMEM, with err */
int mg_load_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                 struct mg_err *err);

/** device.c: two meters at one address that are one device agree on what is the
 *  device's; then, a circuit that is there twice.
 *  @param line_of_bus  the first bus on the same line, of each bus
 *  @return MG_OK or MG_E_NOMEM */
void mg_load_check_device(struct mg_load *load, size_t first, size_t index);
int mg_load_check_circuits(struct mg_load *load, const size_t *line_of_bus);

/** What needs more than one entry to see: check.c, budget.c.
 *  @return MG_OK or MG_E_NOMEM */
int mg_load_check(struct mg_load *load);
void mg_load_check_budgets(struct mg_load *load);

#endif
