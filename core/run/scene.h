/* A scenario on the simulated meters of a setup: their mains come from it, and
 * what breaks breaks when the clock, real or virtual, comes there. Also orders
 * in words while it runs. */
#ifndef MG_RUN_SCENE_H
#define MG_RUN_SCENE_H

#include "run/simulation.h"
#include "sim/scenario.h"

#define MG_SCENE_ORDER_MAX 256 /* characters of an order */

struct mg_scene;

struct mg_scene_settings {
    struct mg_clock *clock;
    const struct mg_setup *setup;           /* these three are borrowed */
    struct mg_simulation *simulation;       /* made just now */
    const struct mg_sim_scenario *scenario; /* NULL: orders only */
    struct mg_sim_faults faults; /* of all lines, beside the scenario's */
};

/** @return owned; before the simulation and the clock are destroyed; NULL:
 *  out of memory */
struct mg_scene *mg_scene_create(const struct mg_scene_settings *settings);
void mg_scene_destroy(struct mg_scene *scene);

/** Do what a line says; see mg_scene_orders.
 *  @return NULL: done; else why not */
const char *mg_scene_order(struct mg_scene *scene, const char *line);

/* A meter, as nobody on its wire can see it. */
struct mg_scene_state {
    bool has_vehicle, is_full, is_off;
    int64_t current_ma;  /* per phase, of the vehicle; negative: export */
    int64_t charged_mwh; /* at the nominal voltage */
    int64_t true_mwh;    /* since it was made; export counts
                          * down */
    uint64_t n_pulses;   /* since power-on */
};

/** The state of a meter, by its id. @return MG_OK or MG_E_NOTFOUND */
int mg_scene_state(struct mg_scene *scene, const char *meter,
                   struct mg_scene_state *ret);

/** The orders, one a line, for help. */
extern const char mg_scene_orders[];

/** N of 10,000 answers go wrong, all kinds alike. */
struct mg_sim_faults mg_scene_faults(uint32_t per_10000);

/** The names of what can be asked for; the last is NULL. */
struct mg_scene_name {
    const char *name;
    uint32_t value;
};
extern const struct mg_scene_name mg_scene_fw_faults[]; /* enum mg_fw_fault */
extern const struct mg_scene_name mg_scene_wires[];     /* enum mg_sim_wire */

/** Faults of this bus, not of the other kind. */
bool mg_scene_wire_fits(uint32_t wire, bool is_can);

#endif
