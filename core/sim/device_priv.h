/* What the parts of a simulated meter share: device.c (making and using it),
 * device_run.c (its time) and device_chip.c (its crypto chip). */
#ifndef MG_SIM_DEVICE_PRIV_H
#define MG_SIM_DEVICE_PRIV_H

#include "sim/device.h"
#include "sim/frontend.h"
#include "sim/impulse.h"
#include "sim/truth.h"

#define DEVICE_TICK_MAX_NS UINT64_C(15000000000) /* see mg_tick */

/* Who watches the impulse LED of a circuit. */
struct device_watcher {
    void (*lit)(void *ctx, uint64_t at_ns); /* NULL: nobody */
    void *ctx;
    struct mg_sim_impulse impulse;
};

struct mg_sim_device {
    const struct mg_firmware *firmware; /* borrowed */
    struct mg_sim_profile profile[MG_CIRCUITS_MAX];
    bool has_load[MG_CIRCUITS_MAX]; /* else nothing flows */
    struct mg_sim_frontend frontend;
    struct mg_sim_source source; /* at NULL: the profile */
    struct mg_sim_mains mains;   /* of the next tick */
    struct mg_fw_env env;
    void *options, *state;  /* parts of this allocation, as env.nv is */
    struct mg_sim_key *key; /* owned: of its crypto chip; NULL: it has none */
    bool is_powered;
    uint64_t longest_ns;
    uint64_t alone_until_ns; /* until then, each tick is by itself */
    uint64_t now_ns;         /* the meter has lived until here, whole ticks */
    uint64_t now_rest;       /* below that, see SAMPLE_PARTS */
    uint64_t until_ns;       /* the caller's time */
    int64_t born_utc_ms;
    struct mg_sim_truth truth;
    struct device_watcher watcher[MG_CIRCUITS_MAX];
    bool are_pulses_at_update; /* a defect */
};

/* The caller's clock has not come to the end of a power cut yet. */
static inline bool device_is_off(const struct mg_sim_device *d)
{
    return d->until_ns < d->now_ns;
}

/* device.c */
/** Power comes with the first use, so that the caller can put back what the
 *  meter kept in its memory when it was last off. */
void device_ensure_power(struct mg_sim_device *d);

/* device_run.c */
/** A meter that starts or to which something happens lives tick by tick. */
void device_watch(struct mg_sim_device *d);
void device_start_pulses(struct mg_sim_device *d);
/** What the profile says of a circuit now. @return until when it stays so */
uint64_t device_load(const struct mg_sim_device *d, unsigned circuit,
                     struct mg_sim_load *ret);

/* device_chip.c */
/** A meter that signs has a key made of its seed and serial number.
 *  @return MG_OK or MG_E_NOMEM */
int device_give_chip(struct mg_sim_device *d, const struct mg_plugin *plugin);
/** The chip answers at once, and the firmware takes the time that the meter
 *  takes. Out of memory, it does not answer. */
void device_serve_chip(struct mg_sim_device *d);

#endif
