#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_PAUSE_MS 60000U
#define LAST_PAUSE_MS  86400000U

/* The only mutable file-scope data of the program. */
static atomic_int log_level = MG_LOG_INFO;

void mg_log_set_level(enum mg_log_level level)
{
    atomic_store(&log_level, (int)level);
}

static int put_prefix(char *line, size_t cap, enum mg_log_level level)
{
    static const char *const names[] = {"error", "warn ", "info ", "debug"};
    static const int priorities[] = {3, 4, 6, 7};
    if (getenv("JOURNAL_STREAM") != NULL) {
        return snprintf(line, cap, "<%d>", priorities[level]);
    }
    struct timespec now;
    struct tm local;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    if (localtime_r(&now.tv_sec, &local) == NULL) {
        return snprintf(line, cap, "%s ", names[level]);
    }
    return snprintf(line, cap, "%02d:%02d:%02d %s ", local.tm_hour,
                    local.tm_min, local.tm_sec, names[level]);
}

void mg_log(enum mg_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&log_level)) {
        return;
    }
    char line[1024];
    int n = put_prefix(line, sizeof line, level);
    va_list args;
    va_start(args, format);
    int m = vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    if (m < 0) {
        return;
    }
    /* One call per line, so that threads do not mix; stderr is unbuffered and
     * there is nowhere to report its failure. */
    (void)fprintf(stderr, "%s\n", line);
}

bool mg_complaint_fail(struct mg_complaint *c, uint64_t now_ms)
{
    if (c->n_failures++ == 0) {
        c->since_ms = now_ms;
        c->pause_ms = FIRST_PAUSE_MS;
        c->next_ms = now_ms + c->pause_ms;
        return true;
    }
    if (now_ms < c->next_ms) {
        return false;
    }
    c->pause_ms =
        c->pause_ms > LAST_PAUSE_MS / 4 ? LAST_PAUSE_MS : c->pause_ms * 4;
    c->next_ms = now_ms + c->pause_ms;
    return true;
}

bool mg_complaint_ok(struct mg_complaint *c, uint64_t now_ms,
                     uint64_t *ret_lasted_ms, uint32_t *ret_n_failures)
{
    if (c->n_failures == 0) {
        return false;
    }
    *ret_lasted_ms = now_ms - c->since_ms;
    *ret_n_failures = c->n_failures;
    *c = (struct mg_complaint){0};
    return true;
}
