/* A scenario at work: what flows through each meter at any time, and what is
 * done to meters and buses, in the order of time. Pure: the same scenario gives
 * the same, whoever asks and how often; memory does not grow with time. */
#ifndef MG_SIM_PLAY_H
#define MG_SIM_PLAY_H

#include "sim/device.h"
#include "sim/scenario.h"

struct mg_sim_play;

/** Of each meter: what it can see, and what flows when no vehicle is there. */
struct mg_sim_point {
    uint8_t n_phases; /* vehicles with more use no more */
    struct mg_sim_profile profile;
};

/** @param scenario  borrowed
 *  @param points    copied, one per meter
 *  @return owned; NULL: out of memory */
struct mg_sim_play *mg_sim_play_create(const struct mg_sim_scenario *scenario,
                                       const struct mg_sim_point *points,
                                       size_t n_meters);
void mg_sim_play_destroy(struct mg_sim_play *play);

/* ---- What flows ---- */

/** The mains of a device with one or two meters.
 *  @param meter   of circuit 0; SIZE_MAX: there is none
 *  @param second  of circuit 1; SIZE_MAX: there is none
 *  @return until when it stays so, > t_ms; UINT64_MAX: for good */
uint64_t mg_sim_play_at(struct mg_sim_play *play, size_t meter, size_t second,
                        uint64_t t_ms, struct mg_sim_mains *ret);

/** The vehicle at a meter, for who shows it. */
struct mg_sim_presence {
    bool is_there, is_full;
    size_t vehicle;
    uint64_t since_ms;
    int64_t current_ma;  /* per phase; negative: into the net */
    int64_t charged_mwh; /* at the nominal voltage */
};
void mg_sim_play_presence(struct mg_sim_play *play, size_t meter, uint64_t t_ms,
                          struct mg_sim_presence *ret);

/* ---- What is done ---- */

struct mg_sim_happening {
    uint64_t at_ms;
    const struct mg_sim_act *act;
    bool is_end; /* its length is over */
};

/** The next one, which is passed by with mg_sim_play_pass.
 *  @return false: there is none any more */
bool mg_sim_play_next(const struct mg_sim_play *play,
                      struct mg_sim_happening *ret);
void mg_sim_play_pass(struct mg_sim_play *play);

/* ---- Orders while it plays; the mains of the meter change at once ---- */

/** A vehicle comes, in place of one that is there.
 *  @param vehicle   copied
 *  @param limit_ma  the station's */
void mg_sim_play_plug(struct mg_sim_play *play, size_t meter, uint64_t t_ms,
                      const struct mg_sim_vehicle *vehicle, int64_t limit_ma);
void mg_sim_play_unplug(struct mg_sim_play *play, size_t meter, uint64_t t_ms);
void mg_sim_play_limit(struct mg_sim_play *play, size_t meter, uint64_t t_ms,
                       int64_t limit_ma);

/** From now on this flows, whatever vehicles do; < 0: no more. */
void mg_sim_play_fix(struct mg_sim_play *play, size_t meter, int64_t ma);

/** One more event of the net. @return MG_OK or MG_E_NOSPC (64 at a time) */
int mg_sim_play_add_net(struct mg_sim_play *play, uint64_t t_ms,
                        const struct mg_sim_net_event *event);

#endif
