/* A store in a folder of its own, with a loop to run it: for the tests of the
 * store. Waiting is for what the store tells, with a watchdog. */
#ifndef MG_TEST_STORE_BED_H
#define MG_TEST_STORE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/store.h"

struct bed {
    char dir[64], path[96];
    uv_loop_t loop;
    uv_timer_t watchdog;
    struct mg_store *store; /* NULL: closed */
    uint64_t max_bytes, reserve_bytes;
    uint32_t commit_ms;
    uint64_t durable; /* the newest ticket heard */
    unsigned n_durable_calls;
    unsigned n_troubles, n_overs;
    uint64_t lost_rows, lost_readings; /* of the last trouble */
    struct mg_err trouble;
};

/** A new folder and loop, no store. */
void bed_init(struct bed *bed);
/** Close what is open and remove the folder. */
void bed_fini(struct bed *bed);

/** The store must open. */
void bed_open(struct bed *bed);
/** The store must not open. */
void bed_open_fails(struct bed *bed, struct mg_err *err);
void bed_close(struct bed *bed);

/** Append a row that must be taken. @return its ticket */
uint64_t bed_append(struct bed *bed, enum mg_row_class class_,
                    const char *topic, const char *payload);
uint64_t bed_put(struct bed *bed, const char *key, const char *value);

/** Run the loop until this ticket is durable. */
void bed_wait_durable(struct bed *bed, uint64_t ticket);
/** Run the loop until a counter of the bed is at least this. */
void bed_wait_count(struct bed *bed, const unsigned *counter, unsigned value);
/** Run the loop until the stats say so. */
void bed_wait_stats(struct bed *bed,
                    bool (*is_met)(const struct mg_store_stats *stats));

/** One value of an SQL query on a second connection, as text. */
void bed_sql(struct bed *bed, const char *sql, char *ret, size_t cap);
/** Run SQL on the closed file. */
void bed_change(struct bed *bed, const char *sql);

/** Size of path plus this suffix; 0 when it is not there. */
long long bed_size(const struct bed *bed, const char *suffix);

#endif
