/* How long the log book lasts: 512 MB are set aside for it, and it is to be
 * kept for more than 8 years (ChargePoint Flex operating manual). */
#ifndef MG_RUN_LOGBOOK_CAPACITY_H
#define MG_RUN_LOGBOOK_CAPACITY_H

#include "store/logbook.h"

#define MG_LOG_CAPACITY_BYTES (512ULL * 1024 * 1024)
#define MG_LOG_KEPT_DAYS      2922 /* 8 years */
#define MG_LOG_DAYS_MAX       36500

struct mg_log_capacity {
    uint64_t n_entries, n_bytes;
    uint64_t window_days;           /* looked at: of the last 90, at least 1 */
    uint64_t bytes_per_day;         /* on average of the window */
    uint64_t total_days, left_days; /* at that rate, up to MG_LOG_DAYS_MAX */
    bool is_short; /* fewer than MG_LOG_KEPT_DAYS in total, or nine tenths are
                    * used up */
};

/** Reads some 20 entries. @return MG_OK or a code with err */
int mg_log_capacity_read(struct mg_logs *logs, int64_t now_ms,
                         struct mg_log_capacity *ret, struct mg_err *err);

#endif
