/* What the loop hears from the store thread: newest ticket, troubles. */
#ifndef MG_STORE_REPORT_H
#define MG_STORE_REPORT_H

#include "base/log.h"
#include "store/store_priv.h"

/* One kind of lasting trouble, on the store thread; zero-initialised. */
struct store_trouble {
    bool is_on;
    uint64_t last_ns; /* of the last failure */
    struct mg_complaint complaint;
    struct store_dropped dropped; /* since it began */
};

/** It failed (again), and these rows went. Told the first time, when the
 *  first readings go, and after growing pauses. */
void store__trouble_add(struct mg_store *store, struct store_trouble *trouble,
                        const struct store_dropped *dropped,
                        const struct mg_err *err);

/** @param is_last  no other trouble lasts: tell that it is over */
void store__trouble_end(struct mg_store *store, struct store_trouble *trouble,
                        bool is_last);

/** Wake the loop for what stands in store->report. */
void store__report_send(struct mg_store *store);

/** Call the events for what was reported. Loop thread. */
void store__report_deliver(struct mg_store *store);

#endif
