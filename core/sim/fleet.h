/* The simulated meters of a configuration, served on real ptys and TCP ports,
 * or in memory for virtual time. One loop, no thread. */
#ifndef MG_SIM_FLEET_H
#define MG_SIM_FLEET_H

#include "base/clock.h"
#include "bus/transport.h"
#include "sim/device.h"

/** Trouble on the wire, by chance from the seed: how many of 10,000 answers. At
 *  most one of them befalls an answer. */
struct mg_sim_faults {
    uint32_t drop;       /* the meter acts, its answer is lost */
    uint32_t late;       /* 1 to 4 s later; others are not held up */
    uint32_t bad_crc;    /* TCP: wrong length in the MBAP header */
    uint32_t half_frame; /* the rest 300 ms later or never; TCP: never means
                          * that the connection is stuck */
    uint32_t wrong_unit; /* another unit's address, checksum right */
    uint32_t noise;      /* 1 to 4 bytes before or after; TCP: as bad_crc */
    uint32_t exception;  /* 06 (busy) instead of acting */
    uint32_t stall;      /* the whole line answers nothing for 3 s */
    bool is_unplugged;   /* nothing gets through, either way */
};

enum mg_sim_framing { MG_SIM_RTU_PTY, MG_SIM_TCP, MG_SIM_RTU_TCP };

struct mg_sim_line_settings {
    enum mg_sim_framing framing;
    struct mg_serial serial; /* RTU: pace of the line */
    bool is_paced;
    uint32_t turnaround_ms;
    char link[128]; /* RTU: symlink to make to the pty; empty = no */
    char host[64];  /* TCP: address to listen on */
    uint16_t port;  /* 0 = any */
    uint64_t seed;
    struct mg_sim_faults faults;
};

struct mg_sim_line;

/** Open the far end of a line.
 *  @param loop  borrowed; NULL with a virtual clock: then use
 *               mg_sim_line_memory
 *  @return owned; NULL with err */
struct mg_sim_line *mg_sim_line_create(uv_loop_t *loop, struct mg_clock *clock,
                                       const struct mg_sim_line_settings *set,
                                       struct mg_err *err);
void mg_sim_line_destroy(struct mg_sim_line *line);

/** Put a meter on the line; owned by it from now on. Answers on its own unit
 *  address as the firmware says. @return MG_OK or MG_E_NOSPC (247) */
int mg_sim_line_add(struct mg_sim_line *line, struct mg_sim_device *device);
struct mg_sim_device *mg_sim_line_device(struct mg_sim_line *line, size_t i);

/** Put the optical port of the newest meter of another line on this one, which
 *  must be destroyed first. @return MG_OK, MG_E_NOSPC or MG_E_NOMEM */
int mg_sim_line_add_optical(struct mg_sim_line *line,
                            const struct mg_sim_line *home);

/** Its meters live up to now: before something is done to one of them. */
void mg_sim_line_live(struct mg_sim_line *line);

/** Where a client reaches it: "/dev/pts/7" (or the link), "127.0.0.1:34567". */
const char *mg_sim_line_address(const struct mg_sim_line *line);

void mg_sim_line_set_faults(struct mg_sim_line *line,
                            const struct mg_sim_faults *faults);

/** The near end in memory, for a client engine on the same virtual clock;
 *  owned by the client. */
struct mg_transport *mg_sim_line_memory(struct mg_sim_line *line);

/** Requests answered so far, and silences shorter than t3.5 before one. */
void mg_sim_line_stats(const struct mg_sim_line *line, uint64_t *ret_answered,
                       uint64_t *ret_gap_violations);

#endif
