/* Logging to stderr, and the complaint: say a lasting trouble once.
 *
 * Only run/, cli/, config/, mqtt/ and the simulated CAN bus (of a client that
 * it cuts off) log. A line is "<N>text" where journald reads it (JOURNAL_STREAM
 * is set), else "HH:MM:SS warn  text". Secrets and identification data are
 * never passed here. */
#ifndef MG_BASE_LOG_H
#define MG_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum mg_log_level { MG_LOG_ERROR, MG_LOG_WARN, MG_LOG_INFO, MG_LOG_DEBUG };

void mg_log_set_level(enum mg_log_level level);

/** Thread-safe. One line, no newline in the format. */
void mg_log(enum mg_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** One lasting trouble, e.g. "meter cp1 does not answer". Zero-initialised. */
struct mg_complaint {
    uint64_t since_ms, next_ms, pause_ms;
    uint32_t n_failures;
};

/** Count a failure. @return true when it should be said now: the first time,
 *  then after pauses growing from 1 min to one day. */
bool mg_complaint_fail(struct mg_complaint *c, uint64_t now_ms);

/** The trouble is over. @return true when a failure had been said; then
 *  ret_lasted_ms and ret_n_failures tell what is worth saying. */
bool mg_complaint_ok(struct mg_complaint *c, uint64_t now_ms,
                     uint64_t *ret_lasted_ms, uint32_t *ret_n_failures);

#endif
