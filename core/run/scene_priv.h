/* What scene.c (time) and scene_order.c (words) share. */
#ifndef MG_RUN_SCENE_PRIV_H
#define MG_RUN_SCENE_PRIV_H

#include "run/scene.h"
#include "sim/play.h"

#define MG_SCENE_LIVE_MAX 64

/* The mains of one device. */
struct mg_scene_device {
    struct mg_scene *scene;
    struct mg_sim_device *device;
    size_t meters[MG_CIRCUITS_MAX]; /* SIZE_MAX: none */
    uint64_t lived_ns;              /* when the scene began */
    bool is_driven;                 /* its mains are the scene's */
};

/* Ordered, with an end. */
struct mg_scene_live {
    bool is_used;
    uint64_t end_ms;
    struct mg_sim_act act;
};

struct mg_scene {
    struct mg_scene_settings settings;
    /* A copy that owns nothing; settings.scenario points here. */
    struct mg_sim_scenario scenario;
    bool has_file;
    struct mg_sim_play *play; /* owned */
    uint64_t start_ns;
    struct mg_timer timer;
    size_t n_devices;
    struct mg_scene_device *devices; /* owned */
    size_t *device_of;               /* owned; of each meter */
    bool *is_on;                     /* owned; acts that are going on */
    struct mg_scene_live live[MG_SCENE_LIVE_MAX];
};

uint64_t mg_scene_now_ms(const struct mg_scene *scene);

/** The meter's mains are the scene's from now on, and are asked for anew. */
void mg_scene_drive(struct mg_scene *scene, size_t meter);

/** Do it now; if it has a length, its end comes by itself.
 *  @return NULL: done; else why not */
const char *mg_scene_do(struct mg_scene *scene, const struct mg_sim_act *act);

/** The faults of the lines are set anew. */
void mg_scene_set_wires(struct mg_scene *scene);

/** update.c of the scene: somebody tries to give it another firmware.
 *  @return NULL: the meter has refused it; else what is wrong */
const char *mg_scene_update(struct mg_scene *scene, size_t meter);
/** Whom a message is for, as mg_firmware.pdu: on CAN, the circuit. */
uint8_t mg_scene_unit(const struct mg_setup_meter *m);

#endif
