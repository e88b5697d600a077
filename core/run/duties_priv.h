/* What the files of a station's duties share. */
#ifndef MG_RUN_DUTIES_PRIV_H
#define MG_RUN_DUTIES_PRIV_H

#include "model/overload.h"
#include "model/station_rules.h"
#include "model/welded.h"
#include "run/duties.h"

/* On the disk as "duties/<meter>". */
struct duties_kept {
    uint32_t version, size;
    struct mg_fault_set faults;
    struct mg_overload overload;
    struct mg_welded welded;
    struct mg_power_watch power;
    uint8_t wish;                   /* enum wish: what the relays shall do */
    bool is_tripped, has_suspended; /* by overload */
};

/* What the relays shall do. */
enum wish { WISH_NOTHING, WISH_OPEN, WISH_CLOSE };

struct duties {
    struct meter *meter;
    struct duties_kept kept;
    struct mg_condition balance;
    struct mg_voltage_watch voltage;
    bool was_offline;
    uint64_t wished_ns, saved_ns;
    bool is_switching;
    uint8_t switching; /* enum wish: which is under way */
    bool has_failed;   /* and that was said */
};

/** Monotonic. */
uint64_t mg_duties_now_ns(const struct duties *duties);
void mg_duties_save(struct duties *duties);

/** Switch the relays as soon as that can be done; kept over a restart. */
void mg_relays_wish(struct duties *duties, enum wish what);
/** Go on with what is wished, if it is time to. */
void mg_relays_switch(struct duties *duties);
/** What session and overload want. Where sessions do not switch, only the
 *  overload does. */
enum wish mg_relays_wanted(const struct duties *duties);
/** The procedure that switches has ended. */
void mg_relays_done(struct duties *duties, int code, const char *reason);

#endif
