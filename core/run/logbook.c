#include "run/logbook.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/logbook_line.h"
#include "run/logbook_capacity.h"
#include "run/session_priv.h"

#define PENDING_MAX   16 /* newest entries, which the disk may not have yet */
#define RETRY_SIGN_MS 10000U
#define DAY_MS        86400000ULL
#define STOP_MAX      64  /* entries signed while stopping */
#define AHEAD_MAX     128 /* entries published that are not on the disk yet */
#define PUBLISHED_KEY "log-published"

struct pending {
    int64_t number; /* 0 = free */
    size_t len;
    uint8_t hash[32];
    char text[MG_LOG_ENTRY_MAX];
};

/* What is done with an entry after it is on its way to the disk. */
enum step { STEP_NONE, STEP_SIGN, STEP_STORE, STEP_PUBLISH, STEP_COUNT };

struct logbook {
    struct mg_gateway *gateway;
    struct mg_logs *logs; /* owned; what is on the disk */
    int64_t last;         /* number of the newest entry */
    uint8_t last_hash[32];
    struct pending pending[PENDING_MAX]; /* by number */

    int64_t published; /* up to here, some perhaps without a signature */
    int64_t done;      /* looked at up to here */
    enum step step;    /* of `current` */
    struct mg_log_line current;
    uint64_t ticket;  /* of the newest that was published */
    unsigned n_ahead; /* so many were since `ticket` was on the disk */
    bool is_signing, is_waiting, is_key_bad, is_stopped, is_pumping;
    char fingerprint[MG_FINGERPRINT_HEX_MAX]; /* of the key in the store */
    struct mg_timer retry, daily;
    struct mg_complaint complaint;
};

/* ---- Adding ---- */

static void keep_pending(struct logbook *lb, const char *text, size_t len)
{
    struct pending *p = &lb->pending[lb->last % PENDING_MAX];
    p->number = lb->last;
    p->len = len;
    memcpy(p->hash, lb->last_hash, sizeof p->hash);
    memcpy(p->text, text, len);
}

static void cannot_add(struct logbook *lb, enum mg_log_event event, int code)
{
    struct mg_gateway *g = lb->gateway;
    g->n_unstored++;
    if (mg_complaint_fail(&lb->complaint, mg_clock_now_ms(g->clock))) {
        mg_event(g, NULL, MG_LOG_ERROR, "log-trouble", NULL,
                 "%s could not be logged: %s", mg_log_event_text(event),
                 mg_code_text(code));
    }
}

static void pump(struct logbook *lb);

void mg_logbook_add(struct mg_gateway *g, const struct meter *m,
                    enum mg_log_event event, const struct mg_log_data *data)
{
    struct logbook *lb = g->logbook;
    if (lb == NULL || lb->is_stopped) {
        return;
    }
    int64_t utc_ms = mg_clock_utc_ms(g->clock);
    struct mg_log_entry e = {.number = lb->last + 1,
                             .utc_ms = utc_ms > 0 ? utc_ms : 0,
                             .clock = (char)mg_clock_sync(g->clock),
                             .event = event,
                             .meter = m != NULL ? m->setup->id : NULL};
    if (data != NULL) {
        e.data = *data;
    }
    memcpy(e.prev, lb->last_hash, sizeof e.prev);
    char text[MG_LOG_ENTRY_MAX];
    size_t len = 0;
    uint8_t hash[32];
    uint64_t ticket;
    int rc = mg_log_entry_build(&e, text, sizeof text, &len);
    if (rc == MG_OK) {
        mg_log_hash(text, len, hash);
        rc = mg_store_add_log(g->store, e.number, text, len, hash, &ticket);
    }
    if (rc != MG_OK) {
        cannot_add(lb, event, rc);
        return;
    }
    lb->complaint = (struct mg_complaint){0};
    lb->last = e.number;
    memcpy(lb->last_hash, hash, sizeof hash);
    keep_pending(lb, text, len);
    pump(lb);
}

/* ---- The next entry to sign and publish ---- */

static void take_pending(struct logbook *lb, const struct pending *p)
{
    struct mg_log_line *c = &lb->current;
    c->number = p->number;
    c->len = p->len;
    c->signature_len = 0;
    c->fingerprint[0] = '\0';
    memcpy(c->text, p->text, p->len);
    memcpy(c->hash, p->hash, sizeof c->hash);
}

static void say_broken(struct logbook *lb, int64_t number, const char *why)
{
    mg_event(lb->gateway, NULL, MG_LOG_ERROR, "log-broken", NULL,
             "the log book was changed by somebody else: entry %" PRId64 " %s",
             number, why);
}

/* @return false: it cannot be one of ours, and is passed over */
static bool take_row(struct logbook *lb, const struct mg_log_row *row)
{
    struct mg_log_line *c = &lb->current;
    struct mg_log_entry entry;
    char buf[MG_LOG_ENTRY_MAX];
    uint8_t hash[32];
    struct mg_log_link link = {.number = row->number,
                               .text = row->text,
                               .len = row->len,
                               .hash = row->hash};
    if (mg_log_link_check(&link, buf, &entry, hash) != MG_LOG_INTACT) {
        return false;
    }
    c->number = row->number;
    c->len = row->len;
    c->signature_len = row->signature_len;
    memcpy(c->text, row->text, row->len);
    memcpy(c->hash, row->hash, sizeof c->hash);
    memcpy(c->signature, row->signature, row->signature_len);
    memcpy(c->fingerprint, row->fingerprint, sizeof c->fingerprint);
    return true;
}

/* @return MG_OK; MG_E_NOTFOUND: none, or not on the disk yet; MG_E_PROTO: one
 *         that is passed over */
static int read_next(struct logbook *lb)
{
    struct mg_log_row row;
    struct mg_err err;
    bool is_again = lb->done < lb->published;
    int rc = is_again ? mg_logs_unsigned(lb->logs, lb->done, &row, &err)
                      : mg_logs_next(lb->logs, lb->done, &row, &err);
    if (is_again &&
        (rc == MG_E_NOTFOUND || (rc == MG_OK && row.number > lb->published))) {
        lb->done = lb->published;
        return MG_E_PROTO;
    }
    if (rc != MG_OK && rc != MG_E_PROTO) {
        return MG_E_NOTFOUND; /* tried again with the next commit */
    }
    if (!is_again && row.number != lb->done + 1) {
        say_broken(lb, lb->done + 1, "is missing");
    }
    if (rc == MG_E_PROTO || !take_row(lb, &row)) {
        say_broken(lb, row.number, "is not as it was written");
        lb->done = row.number;
        return MG_E_PROTO;
    }
    return MG_OK;
}

static int take_next(struct logbook *lb)
{
    const struct pending *p = &lb->pending[(lb->done + 1) % PENDING_MAX];
    if (lb->done >= lb->last) {
        return MG_E_NOTFOUND;
    }
    if (lb->done >= lb->published && p->number == lb->done + 1) {
        take_pending(lb, p);
        return MG_OK;
    }
    return read_next(lb);
}

/* ---- Signed: onto the disk, and out ---- */

/* Whoever verifies the book later finds the key there. */
static int store_key(struct logbook *lb)
{
    const struct mg_public_key *key = mg_station_key(lb->gateway->station);
    char name[MG_STORE_KEY_MAX], hex[2 * MG_KEY_SPKI_MAX + 1];
    uint64_t ticket;
    if (strcmp(lb->fingerprint, lb->current.fingerprint) == 0) {
        return MG_OK;
    }
    mg_public_key_hex(key, hex);
    (void)snprintf(name, sizeof name, "log-key/%s", lb->current.fingerprint);
    int rc = mg_store_put(lb->gateway->store, name, hex, strlen(hex), &ticket);
    if (rc == MG_OK) {
        memcpy(lb->fingerprint, lb->current.fingerprint,
               sizeof lb->fingerprint);
    }
    return rc;
}

static int store_signature(struct logbook *lb)
{
    const struct mg_log_line *c = &lb->current;
    uint64_t ticket;
    int rc = store_key(lb);
    return rc == MG_OK
               ? mg_store_sign_log(lb->gateway->store, c->number, c->signature,
                                   c->signature_len, c->fingerprint, &ticket)
               : rc;
}

static const char *algorithm_of(const struct logbook *lb)
{
    const struct station *st = lb->gateway->station;
    const struct mg_public_key *key = st != NULL ? mg_station_key(st) : NULL;
    return key != NULL && lb->current.signature_len > 0
               ? mg_curve_algorithm(mg_public_key_curve(key))
               : "";
}

static int publish(struct logbook *lb)
{
    char buf[MG_LOG_LINE_MAX];
    struct mg_log_link link = mg_log_line_link(&lb->current);
    struct mg_store_row row = {.class_ = MG_ROW_EVENT,
                               .topic = "log",
                               .payload = buf,
                               .created_ms =
                                   mg_clock_utc_ms(lb->gateway->clock)};
    int rc =
        mg_log_line_write(&link, algorithm_of(lb), buf, sizeof buf, &row.len);
    return rc == MG_OK ? mg_store_append(lb->gateway->store, &row, &lb->ticket)
                       : rc;
}

static int count(struct logbook *lb)
{
    char text[24];
    uint64_t ticket;
    int64_t number = lb->current.number;
    if (number <= lb->published) {
        return MG_OK;
    }
    int n = snprintf(text, sizeof text, "%" PRId64, number);
    int rc = mg_store_put(lb->gateway->store, PUBLISHED_KEY, text, (size_t)n,
                          &ticket);
    if (rc == MG_OK) {
        lb->published = number;
    }
    return rc;
}

/* All steps in one turn of the loop are one transaction; a full queue is tried
 * again with the next commit, from where it stopped.
 * @return whether the entry is through */
static bool finish(struct logbook *lb)
{
    int rc = MG_OK;
    if (lb->step == STEP_STORE) {
        rc = store_signature(lb);
        lb->step = rc == MG_OK ? STEP_PUBLISH : lb->step;
    }
    if (lb->step == STEP_PUBLISH) {
        rc = publish(lb);
        lb->step = rc == MG_OK ? STEP_COUNT : lb->step;
    }
    if (lb->step == STEP_COUNT) {
        rc = count(lb);
        lb->step = rc == MG_OK ? STEP_NONE : lb->step;
    }
    if (lb->step != STEP_NONE) {
        return false;
    }
    lb->done = lb->current.number;
    lb->n_ahead++;
    return true;
}

/* ---- Signing ---- */

static void retry_due(struct mg_timer *timer)
{
    struct logbook *lb =
        (struct logbook *)((char *)timer - offsetof(struct logbook, retry));
    lb->is_waiting = false;
    pump(lb);
}

static void take_signature(struct logbook *lb, const uint8_t *der, size_t len)
{
    struct mg_log_line *c = &lb->current;
    memcpy(c->signature, der, len);
    c->signature_len = len;
    mg_public_key_fingerprint(mg_station_key(lb->gateway->station),
                              c->fingerprint);
    lb->step = STEP_STORE;
}

static void signed_by_station(void *ctx, int code, const uint8_t *der,
                              size_t der_len, const char *why)
{
    struct logbook *lb = ctx;
    (void)why; /* the station has said it */
    if (lb->is_stopped) {
        return;
    }
    lb->is_signing = false;
    if (code == MG_OK) {
        take_signature(lb, der, der_len);
    } else {
        struct mg_clock *clock = lb->gateway->clock;
        lb->is_waiting = true;
        mg_timer_start(clock, &lb->retry,
                       mg_clock_now_ns(clock) + RETRY_SIGN_MS * 1000000ULL,
                       retry_due);
    }
    pump(lb);
}

/* @return whether it can go on now */
static bool begin(struct logbook *lb)
{
    struct station *st = lb->gateway->station;
    struct mg_log_line *c = &lb->current;
    if (!lb->gateway->setup->station.is_enabled || c->signature_len > 0) {
        lb->step = STEP_PUBLISH;
        return true;
    }
    lb->step = STEP_SIGN;
    lb->is_signing =
        st != NULL && mg_station_sign(st, MG_STATION_LOG, c->text, c->len,
                                      signed_by_station, lb) == MG_OK;
    return false;
}

/* One after the other, as far as it goes now. Of many that have waited a few go
 * with each commit, so that they do not keep others from the disk. */
static void pump(struct logbook *lb)
{
    if (lb->is_pumping || lb->is_stopped) {
        return; /* what is logged meanwhile comes in its turn */
    }
    lb->is_pumping = true;
    for (;;) {
        if (lb->is_signing || lb->is_waiting || lb->n_ahead >= AHEAD_MAX) {
            break;
        }
        if (lb->step == STEP_NONE) {
            int rc = take_next(lb);
            if (rc == MG_E_PROTO) {
                continue;
            }
            if (rc != MG_OK) {
                break;
            }
            lb->step = STEP_SIGN;
        }
        if ((lb->step == STEP_SIGN && !begin(lb)) || !finish(lb)) {
            break;
        }
    }
    lb->is_pumping = false;
}

void mg_logbook_durable(struct mg_gateway *g)
{
    struct logbook *lb = g->logbook;
    if (lb == NULL) {
        return;
    }
    if (g->durable_ticket >= lb->ticket) {
        lb->n_ahead = 0;
    }
    pump(lb);
}

void mg_logbook_key_failed(struct mg_gateway *g)
{
    struct logbook *lb = g->logbook;
    if (lb != NULL && !lb->is_key_bad) {
        lb->is_key_bad = true;
        mg_logbook_add(g, NULL, MG_LOGBOOK_SIGNING_KEY_INVALID, NULL);
    }
}

void mg_logbook_key_works(struct mg_gateway *g)
{
    struct logbook *lb = g->logbook;
    if (lb != NULL) {
        lb->is_key_bad = false;
        pump(lb);
    }
}

/* ---- Capacity ---- */

static void check_capacity(struct logbook *lb)
{
    struct mg_gateway *g = lb->gateway;
    struct mg_log_capacity c;
    struct mg_err err;
    if (mg_log_capacity_read(lb->logs, mg_clock_utc_ms(g->clock), &c, &err) !=
            MG_OK ||
        !c.is_short) {
        return;
    }
    char members[96];
    (void)snprintf(members, sizeof members,
                   "\"log_bytes\":%" PRIu64 ",\"days_total\":%" PRIu64
                   ",\"days_left\":%" PRIu64,
                   c.n_bytes, c.total_days, c.left_days);
    mg_event(g, NULL, MG_LOG_WARN, "log-capacity", members,
             "the log book has %" PRIu64 " of %llu MiB and takes %" PRIu64
             " kB a day: it lasts %" PRIu64 " years in total, not 8, or is "
             "nearly full",
             c.n_bytes >> 20, MG_LOG_CAPACITY_BYTES >> 20,
             c.bytes_per_day / 1000, c.total_days / 365);
}

static void day_due(struct mg_timer *timer)
{
    struct logbook *lb =
        (struct logbook *)((char *)timer - offsetof(struct logbook, daily));
    struct mg_clock *clock = lb->gateway->clock;
    check_capacity(lb);
    mg_timer_start(clock, timer, mg_clock_now_ns(clock) + DAY_MS * 1000000,
                   day_due);
}

/* ---- Start and stop ---- */

static int64_t read_published(struct logbook *lb)
{
    char text[24];
    struct mg_err err;
    int64_t n = 0;
    if (mg_logs_value(lb->logs, PUBLISHED_KEY, text, sizeof text, &err) ==
        MG_OK) {
        n = strtoll(text, NULL, 10);
    }
    return n > 0 && n <= lb->last ? n : 0;
}

/* The end by the rows and by the count must be the same. Where it is not, the
 * book goes on behind both: what was taken out stays a gap. */
static int find_end(struct logbook *lb, struct mg_err *err)
{
    struct mg_log_books books = {0};
    struct mg_log_row row = {0};
    int rc = mg_logs_newest(lb->logs, &row, err);
    if (rc != MG_OK && rc != MG_E_NOTFOUND && rc != MG_E_PROTO) {
        return rc;
    }
    rc = mg_logs_books(lb->logs, &books, err);
    if (rc != MG_OK && rc != MG_E_PROTO) {
        return rc;
    }
    bool is_row = row.number > books.last_number;
    lb->last = is_row ? row.number : books.last_number;
    memcpy(lb->last_hash, is_row ? row.hash : books.last_hash,
           sizeof lb->last_hash);
    if (row.number != books.last_number ||
        memcmp(row.hash, books.last_hash, sizeof row.hash) != 0) {
        say_broken(lb, lb->last, "was the last, and is not there as written");
    }
    return MG_OK;
}

int mg_logbook_load(struct mg_gateway *g, struct mg_err *err)
{
    struct logbook *lb = calloc(1, sizeof *lb);
    if (lb == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    lb->gateway = g;
    g->logbook = lb;
    lb->logs = mg_logs_open(mg_store_path(g->store), err);
    int rc = lb->logs == NULL ? err->code : find_end(lb, err);
    if (rc != MG_OK) {
        mg_err_prefix(err, "the log book");
        return rc;
    }
    lb->published = read_published(lb);
    lb->done = g->setup->station.is_enabled ? 0 : lb->published;
    mg_logbook_add(g, NULL, MG_LOGBOOK_SERVICE_STARTED, NULL);
    day_due(&lb->daily);
    return MG_OK;
}

/* @return whether it was signed, here and now */
static bool sign_now(struct logbook *lb)
{
    struct mg_err err;
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len = 0;
    struct station *st = lb->gateway->station;
    if (st == NULL || mg_station_sign_now(st, lb->current.text, lb->current.len,
                                          der, &len, &err) != MG_OK) {
        return false;
    }
    take_signature(lb, der, len);
    return true;
}

/* Nothing comes back from the station's thread any more. */
static void finish_now(struct logbook *lb)
{
    for (int i = 0; i < STOP_MAX; i++) {
        int rc = lb->step == STEP_NONE ? take_next(lb) : MG_OK;
        if (rc == MG_E_PROTO) {
            continue;
        }
        if (rc != MG_OK) {
            return;
        }
        bool is_unsigned = lb->step == STEP_NONE || lb->step == STEP_SIGN;
        if (is_unsigned && lb->gateway->setup->station.is_enabled &&
            lb->current.signature_len == 0) {
            if (!sign_now(lb)) {
                return;
            }
        } else if (is_unsigned) {
            lb->step = STEP_PUBLISH;
        }
        if (!finish(lb)) {
            return;
        }
    }
}

void mg_logbook_stop(struct mg_gateway *g)
{
    struct logbook *lb = g->logbook;
    if (lb == NULL || lb->is_stopped) {
        return;
    }
    mg_timer_stop(&lb->retry);
    mg_timer_stop(&lb->daily);
    lb->is_pumping = true;
    mg_logbook_add(g, NULL, MG_LOGBOOK_SERVICE_STOPPED, NULL);
    lb->is_stopped = true;
    finish_now(lb);
}

void mg_logbook_free(struct mg_gateway *g)
{
    struct logbook *lb = g->logbook;
    if (lb != NULL) {
        mg_timer_stop(&lb->retry);
        mg_timer_stop(&lb->daily);
        mg_logs_close(lb->logs);
        free(lb);
        g->logbook = NULL;
    }
}
