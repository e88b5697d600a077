/* One simulated meter: mains, load, analogue front end, and the plugin's
 * firmware on top of it. No I/O; time is what the caller says it is. */
#ifndef MG_SIM_DEVICE_H
#define MG_SIM_DEVICE_H

#include "sim/truth.h"

/** The charging profile made from a seed, or a fixed load. */
struct mg_sim_profile {
    bool is_fixed;
    struct mg_sim_load fixed;
    uint64_t seed;
};

/** The load of a profile at a time since power-on; pure. */
void mg_sim_profile_at(const struct mg_sim_profile *profile,
                       uint64_t elapsed_ms, struct mg_sim_load *ret);

/** The same in steps, for ticks that are handed over as one: the load at the
 *  beginning of a step of 12 s while nothing is charged, 6 s while charging and
 *  1 s as it starts or stops.
 *  @return the time when the next step begins, > elapsed_ms; UINT64_MAX: none
 */
uint64_t mg_sim_profile_step(const struct mg_sim_profile *profile,
                             uint64_t elapsed_ms, struct mg_sim_load *ret);

struct mg_sim_device;

/** Power comes with the first use of the meter, so that its non-volatile memory
 *  of an earlier run can be put back before.
 *  @param plugin   must have firmware; borrowed
 *  @param options  copied; NULL only for a plugin without
 *  @param profile  of all circuits; copied
 *  @param seed,serial  a meter that signs has the key that they make
 *                      (core/crypto/deterministic.h)
 *  @return owned; NULL when out of memory or the firmware's front end makes no
 *          sense (core/sim/frontend.h) */
struct mg_sim_device *mg_sim_device_create(const struct mg_plugin *plugin,
                                           const void *options,
                                           const struct mg_sim_profile *profile,
                                           uint64_t seed, uint32_t serial,
                                           uint8_t unit, uint32_t baud,
                                           int64_t utc_ms);
void mg_sim_device_destroy(struct mg_sim_device *device);

/** Let the meter live until this time since its creation; whole ticks. The load
 *  is sampled from the profile at the start of each. */
void mg_sim_device_run(struct mg_sim_device *device, uint64_t until_ns);

/** The time since its creation that it has lived: the end of the last tick. */
uint64_t mg_sim_device_now_ns(const struct mg_sim_device *device);

/** As mg_firmware.pdu. Call mg_sim_device_run first. */
size_t mg_sim_device_pdu(struct mg_sim_device *device, uint8_t unit,
                         const uint8_t *request, size_t len,
                         uint8_t ret[MG_PDU_MAX]);

/** As mg_firmware.optical_pdu; silent when the meter has no such port. */
size_t mg_sim_device_optical_pdu(struct mg_sim_device *device, uint8_t unit,
                                 const uint8_t *request, size_t len,
                                 uint8_t ret[MG_PDU_MAX]);

/** Its supply is off, see mg_sim_device_power_cycle. */
bool mg_sim_device_is_off(const struct mg_sim_device *device);

/** As mg_firmware.signal, for meters on CAN. */
bool mg_sim_device_signal(const struct mg_sim_device *device, size_t index,
                          int64_t *ret);

/** As mg_firmware.unasked. */
size_t mg_sim_device_unasked(struct mg_sim_device *device, unsigned circuit,
                             uint8_t ret[MG_PDU_MAX]);

/** What a person in front of it sees. @return MG_OK or MG_E_NOSUP */
int mg_sim_device_display(const struct mg_sim_device *device,
                          struct mg_fw_display *ret);

void mg_sim_device_outputs(const struct mg_sim_device *device,
                           struct mg_fw_outputs *ret);

/** From the next tick on the mains are this source's, not the profile's.
 *  @param source  copied; what it points to is borrowed for the device's life;
 *                 NULL: the profile's again */
void mg_sim_device_set_source(struct mg_sim_device *device,
                              const struct mg_sim_source *source);

/* How the sums of a tick are made. */
enum mg_sim_path {
    MG_SIM_PATH_AUTO,   /* closed form where it is exact enough, else samples */
    MG_SIM_PATH_SAMPLES /* always samples */
};

/** @param longest_ns  equal ticks may be handed over as one, up to so much time
 *                     (mg_tick.n_ticks); 0: each by itself; at most 15 s */
void mg_sim_device_set_path(struct mg_sim_device *device, enum mg_sim_path path,
                            uint64_t longest_ns);

/** What flows through one circuit from now on, < MG_CIRCUITS_MAX. The frequency
 *  is that of circuit 0, unless only that of circuit 1 is fixed.
 *  @param profile  copied; NULL: nothing, at the voltage of the other one */
void mg_sim_device_set_profile(struct mg_sim_device *device, unsigned circuit,
                               const struct mg_sim_profile *profile);

/** From now on this flows in each phase of a circuit, whatever its profile
 *  says. */
void mg_sim_device_set_current(struct mg_sim_device *device, unsigned circuit,
                               int64_t ma);

int mg_sim_device_set(struct mg_sim_device *device, mg_channel channel,
                      int64_t value);
int mg_sim_device_set_input(struct mg_sim_device *device, unsigned index,
                            bool is_closed);
int mg_sim_device_fault(struct mg_sim_device *device, enum mg_fw_fault fault);
/** Off for off_ms of true time: power_fail, then power_on with the kept nv. The
 *  meter's time is that much later then; a caller whose own time is not (a run
 *  to an earlier moment) finds the meter silent until it is. With 0, afterwards
 *  the nv holds all that the meter keeps. */
void mg_sim_device_power_cycle(struct mg_sim_device *device, uint64_t off_ms);

/** The non-volatile memory, to keep it across runs. */
const uint8_t *mg_sim_device_nv(const struct mg_sim_device *device,
                                size_t *ret_len);

/** Put back the non-volatile memory of an earlier run.
 *  @return MG_OK; MG_E_INVAL: another length than the meter's; MG_E_STATE: the
 *          meter has been used already */
int mg_sim_device_load_nv(struct mg_sim_device *device, const uint8_t *nv,
                          size_t len);

/** The truth beside what the meter says: what has flowed in each circuit and
 *  phase while its load was connected. Borrowed. */
const struct mg_sim_truth *
mg_sim_device_truth(const struct mg_sim_device *device);

/** As the truth's circuits together: energy that has flowed while the load was
 * connected, mWh, negative for export, all phases: the truth beside what the
 * meter says. */
int64_t mg_sim_device_true_energy_mwh(const struct mg_sim_device *device);

/** Watch the impulse LED: called from mg_sim_device_run after each tick for the
 *  impulses in it, in the order of time, see sim/impulse.h. It powers the
 *  meter.
 *  @param circuit  0..MG_CIRCUITS_MAX - 1
 *  @param lit      at_ns since the meter's creation; NULL: nobody watches */
void mg_sim_device_on_pulse(struct mg_sim_device *device, unsigned circuit,
                            void (*lit)(void *ctx, uint64_t at_ns), void *ctx);

/* Mistakes that a type test must find. Those of firmware are
 * MG_FW_FAULT_CREEP and MG_FW_FAULT_REMAINDER. */
struct mg_sim_defects {
    int32_t phase_error_cdeg; /* of the current path, besides its own */
    bool pulses_at_update;    /* the impulse LED is not paced */
};

/** From the next tick on. */
void mg_sim_device_set_defects(struct mg_sim_device *device,
                               const struct mg_sim_defects *defects);

#endif
