/* One run of the loader of scenarios. Private to config/scenario*.c. */
#ifndef MG_CONFIG_SCENARIO_LOAD_H
#define MG_CONFIG_SCENARIO_LOAD_H

#include "config/faults.h"
#include "config/item.h"
#include "config/known.h"
#include "config/names.h"
#include "config/scenario_keys.h"

struct mg_scn {
    const struct mg_setup *setup;
    struct mg_reader reader;
    struct mg_faults faults;
    struct mg_sim_scenario *scenario; /* owned until it is handed out */
    struct mg_item root;
    struct mg_names meter_ids;
    size_t n_vehicles, n_net, n_faults, n_wires; /* entries of the lists */
};

/** Entries of a list key. @return 0: not there, or a fault was noted */
size_t mg_scn_list(struct mg_scn *load, const struct mg_item *item,
                   const char *name);

/** Read entry i of it into base. */
void mg_scn_entry(struct mg_scn *load, const struct mg_item *item,
                  const char *name, size_t i, void *base,
                  struct mg_item *ret_item);

/** The index of the meter or bus that the key names.
 *  @return false: not given, or a fault was noted */
bool mg_scn_meter(struct mg_scn *load, const struct mg_item *item,
                  const char *name, size_t *ret);
bool mg_scn_bus(struct mg_scn *load, const struct mg_item *item,
                const char *name, size_t *ret);

/** grid, faults and wires: scenario_events.c. */
void mg_scn_events(struct mg_scn *load);

#endif
