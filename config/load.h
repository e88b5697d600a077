/* One run of the loader: what its files share. Private to config/. */
#ifndef MG_CONFIG_LOAD_H
#define MG_CONFIG_LOAD_H

#include "config/faults.h"
#include "config/item.h"
#include "config/names.h"
#include "run/plugins.h"

#define MG_NO_BUS SIZE_MAX /* of a meter whose bus is not known */

struct mg_load {
    const struct mg_plugins *plugins;
    bool is_offline; /* touch no file but the configuration */
    struct mg_reader reader;
    struct mg_faults faults;
    struct mg_setup *setup; /* owned until it is handed out */
    struct mg_item root, gateway, mqtt, outbox, simulation;
    struct mg_item *buses, *meters; /* owned; as many as in setup */
    struct mg_names bus_ids;
};

/** Fill the setup from the document: build.c.
 *  @return MG_OK or MG_E_NOMEM; faults are noted */
int mg_load_build(struct mg_load *load, const yaml_node_t *root);

/** Model, bus, options, commands, limits and load of meter i, whose keys have
 *  been read: meter.c. @return MG_OK or MG_E_NOMEM */
int mg_load_meter(struct mg_load *load, size_t i);

/** Certificates, keys, password: files.c. */
void mg_load_mqtt_files(struct mg_load *load);

/** Read a whole regular file of at most max bytes; a NUL is put behind it.
 *  @param ret_text  owned
 *  @return MG_OK, MG_E_IO, MG_E_NOSPC (too large), MG_E_NOMEM, with err */
int mg_load_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                 struct mg_err *err);

/** What needs more than one entry to see: check.c, budget.c.
 *  @return MG_OK or MG_E_NOMEM */
int mg_load_check(struct mg_load *load);
void mg_load_check_budgets(struct mg_load *load);

#endif
