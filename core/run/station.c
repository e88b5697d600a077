/* The station's key. It may live in a token that takes its time, so it signs
 * in a thread of libuv's pool, one at a time; the loop goes on meanwhile.
 * Records go before entries of the log book. */
#include <stdlib.h>
#include <string.h>

#include "crypto/signer.h"
#include "run/logbook.h"
#include "run/session_priv.h"

#define REOPEN_MS 30000U

struct job;

struct station {
    struct mg_gateway *gateway; /* NULL: closed, a job is still going on */
    struct mg_signer_settings settings;
    uv_mutex_t mutex;         /* one signature at a time */
    struct mg_signer *signer; /* owned; NULL: none yet */
    struct mg_err problem;
    struct mg_timer timer; /* tries to open again */
    struct mg_complaint complaint;
    struct job *running; /* NULL: none */
    /* Owned; those that wait for their turn, oldest first. */
    struct job *waiting[MG_N_STATION_JOBS];
};

struct job {
    uv_work_t work;
    struct job *next;
    struct station *station;
    mg_station_done done; /* NULL: opens the key */
    void *ctx;
    struct mg_signer *signer; /* the one that was opened */
    int code;
    struct mg_err err;
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len;
    size_t len;
    char payload[];
};

static void free_when_idle(struct station *st)
{
    if (st->gateway == NULL && st->running == NULL) {
        mg_signer_close(st->signer);
        uv_mutex_destroy(&st->mutex);
        free(st);
    }
}

static void work(uv_work_t *w)
{
    struct job *j = (struct job *)((char *)w - offsetof(struct job, work));
    if (j->done == NULL) {
        j->signer = mg_signer_open(&j->station->settings, &j->err);
    } else {
        uv_mutex_lock(&j->station->mutex);
        j->code = mg_signer_sign(j->station->signer, j->payload, j->len, j->der,
                                 &j->der_len, &j->err);
        uv_mutex_unlock(&j->station->mutex);
    }
    mg_signer_leave_thread();
}

static void reopen_due(struct mg_timer *timer);
static void start_next(struct station *st);

/* Sessions that are there already; others learn it when they are loaded. */
static void tell_key(struct station *st)
{
    struct mg_gateway *g = st->gateway;
    for (size_t i = 0; i < g->n_meters; i++) {
        struct session *s = g->meters[i].session;
        if (s != NULL && !s->is_signing_meter) {
            mg_session_learn_key(s, mg_signer_public_key(st->signer));
        }
    }
}

static void opened(struct station *st, struct mg_signer *signer,
                   const struct mg_err *err)
{
    struct mg_gateway *g = st->gateway;
    uint64_t now_ms = mg_clock_now_ms(g->clock);
    st->signer = signer;
    if (signer == NULL) {
        st->problem = *err;
        if (mg_complaint_fail(&st->complaint, now_ms)) {
            mg_event(g, NULL, MG_LOG_ERROR, "signing-key-invalid", NULL,
                     "the station cannot sign, its sessions are blocked: %s",
                     err->text);
        }
        mg_logbook_key_failed(g);
        mg_timer_start(g->clock, &st->timer,
                       mg_clock_now_ns(g->clock) + REOPEN_MS * 1000000ULL,
                       reopen_due);
        return;
    }
    uint64_t lasted_ms;
    uint32_t n_failures;
    if (mg_complaint_ok(&st->complaint, now_ms, &lasted_ms, &n_failures)) {
        mg_event(g, NULL, MG_LOG_INFO, "signing-key-valid", NULL,
                 "the station's key is there again");
    }
    tell_key(st);
}

static void answer(struct station *st, struct job *j)
{
    if (j->code == MG_OK) {
        mg_logbook_key_works(st->gateway);
    } else {
        mg_logbook_key_failed(st->gateway);
    }
    j->done(j->ctx, j->code, j->der, j->der_len, j->err.text);
}

static void worked(uv_work_t *w, int status)
{
    struct job *j = (struct job *)((char *)w - offsetof(struct job, work));
    struct station *st = j->station;
    (void)status; /* jobs are never canceled */
    st->running = NULL;
    if (st->gateway == NULL) {
        mg_signer_close(j->signer);
        free_when_idle(st);
    } else if (j->done == NULL) {
        opened(st, j->signer, &j->err);
        start_next(st);
    } else {
        answer(st, j);
        start_next(st);
    }
    free(j);
}

static void start_next(struct station *st)
{
    for (size_t i = 0; i < MG_N_STATION_JOBS && st->running == NULL; i++) {
        struct job *j = st->waiting[i];
        if (j == NULL) {
            continue;
        }
        st->waiting[i] = j->next;
        st->running = j;
        /* Refuses only a job without a function. */
        (void)uv_queue_work(st->gateway->loop, &j->work, work, worked);
    }
}

static int add_job(struct station *st, enum mg_station_job what,
                   const char *payload, size_t len, mg_station_done done,
                   void *ctx)
{
    struct job *j = calloc(1, sizeof *j + len);
    if (j == NULL) {
        return MG_E_NOMEM;
    }
    j->station = st;
    j->done = done;
    j->ctx = ctx;
    j->len = len;
    if (len > 0) {
        memcpy(j->payload, payload, len);
    }
    struct job **end = &st->waiting[what];
    while (*end != NULL) { /* one for each meter at most */
        end = &(*end)->next;
    }
    *end = j;
    start_next(st);
    return MG_OK;
}

static void reopen_due(struct mg_timer *timer)
{
    struct station *st =
        (struct station *)((char *)timer - offsetof(struct station, timer));
    if (add_job(st, MG_STATION_RECORD, NULL, 0, NULL, NULL) != MG_OK) {
        mg_timer_start(st->gateway->clock, timer,
                       mg_clock_now_ns(st->gateway->clock) +
                           REOPEN_MS * 1000000ULL,
                       reopen_due);
    }
}

struct station *mg_station_open(struct mg_gateway *g, struct mg_err *err)
{
    struct station *st = calloc(1, sizeof *st);
    if (st == NULL || uv_mutex_init(&st->mutex) != 0) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        free(st);
        return NULL;
    }
    const struct mg_setup_station *setup = &g->setup->station;
    st->gateway = g;
    st->settings =
        (struct mg_signer_settings){.key_file = setup->key_file,
                                    .pkcs11_module = setup->pkcs11_module,
                                    .pkcs11_uri = setup->pkcs11_uri,
                                    .pkcs11_pin_file = setup->pkcs11_pin_file};
    struct mg_err problem = {0};
    /* Before the loop runs it may block. */
    opened(st, mg_signer_open(&st->settings, &problem), &problem);
    return st;
}

void mg_station_close(struct station *st)
{
    if (st != NULL) {
        mg_timer_stop(&st->timer);
        for (size_t i = 0; i < MG_N_STATION_JOBS; i++) {
            for (struct job *j = st->waiting[i], *next; j != NULL; j = next) {
                next = j->next;
                free(j);
            }
        }
        st->gateway = NULL;
        free_when_idle(st);
    }
}

const char *mg_station_problem(const struct station *st)
{
    return st->signer == NULL ? st->problem.text : NULL;
}

const struct mg_public_key *mg_station_key(const struct station *st)
{
    return st->signer == NULL ? NULL : mg_signer_public_key(st->signer);
}

int mg_station_sign(struct station *st, enum mg_station_job what,
                    const char *payload, size_t len, mg_station_done done,
                    void *ctx)
{
    return st->signer == NULL ? MG_E_STATE
                              : add_job(st, what, payload, len, done, ctx);
}

int mg_station_sign_now(struct station *st, const char *payload, size_t len,
                        uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                        struct mg_err *err)
{
    if (st->signer == NULL) {
        return mg_err_set(err, MG_E_STATE, "%s", st->problem.text);
    }
    uv_mutex_lock(&st->mutex);
    int rc = mg_signer_sign(st->signer, payload, len, ret_der, ret_len, err);
    uv_mutex_unlock(&st->mutex);
    return rc;
}
