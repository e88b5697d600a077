/* The list, the threads that work it off, the verdicts. */
#include "typetest/campaign.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64

struct campaign {
    const struct mg_typetest_settings *settings;
    const char *planning; /* the test whose rows are being added */
    struct mg_typetest_row *rows;
    struct task *tasks;
    size_t n_rows, n_tasks, rows_cap, tasks_cap;
    bool has_failed;
    /* While it runs, under the lock: */
    pthread_mutex_t lock;
    size_t next, n_done;
    uint64_t metered_ns;
};

struct part {
    const char *name, *summary;
    void (*plan)(struct campaign *c);
};

static const struct part parts[] = {
    {"intrinsic", "error over current and power factor", intrinsic_plan},
    {"difference", "one phase's load against the balanced one",
     difference_plan},
    {"starting", "it starts, and goes on, at Ist", starting_plan},
    {"no-load", "it does not count without current", no_load_plan},
    {"constant", "register against impulses", constant_plan},
    {"repeatability", "spread of ten runs", repeatability_plan},
    {"influence", "change of error by voltage, frequency, temperature, shapes",
     influence_plan},
    {"composite", "composite error in MID's temperature bands", composite_plan},
    {"reactive", "error of reactive energy", reactive_plan},
    {"accuracy", "shown values against the manual", accuracy_plan},
};

#define N_PARTS (sizeof parts / sizeof *parts)

const char *mg_typetest_name(size_t index, const char **ret_summary)
{
    if (index >= N_PARTS) {
        return NULL;
    }
    *ret_summary = parts[index].summary;
    return parts[index].name;
}

/* ---- Planning ---- */

const struct mg_typetest_settings *
campaign_settings(const struct campaign *campaign)
{
    return campaign->settings;
}

static void *grown(void *list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return list;
    }
    size_t more = *cap == 0 ? 64 : *cap * 2;
    void *bigger = reallocarray(list, more, size);
    if (bigger != NULL) {
        *cap = more;
    }
    return bigger;
}

static struct mg_typetest_row *new_row(struct campaign *c)
{
    void *list = grown(c->rows, c->n_rows, &c->rows_cap, sizeof *c->rows);
    if (list == NULL) {
        c->has_failed = true;
        return NULL;
    }
    c->rows = list;
    struct mg_typetest_row *row = &c->rows[c->n_rows++];
    memset(row, 0, sizeof *row);
    row->limit = (struct mg_limit){.source = "", .confidence = ""};
    return row;
}

size_t campaign_row(struct campaign *c, const char *test,
                    enum mg_typetest_unit unit, const struct mg_limit *limit,
                    const char *format, ...)
{
    struct mg_typetest_row *row = new_row(c);
    if (row == NULL) {
        return 0;
    }
    row->test = test;
    row->unit = (uint8_t)unit;
    row_fail(row, "not measured");
    if (limit != NULL) {
        row->limit = *limit;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(row->condition, sizeof row->condition, format, args);
    va_end(args);
    return c->n_rows - 1;
}

void campaign_skip(struct campaign *c, const char *test, const char *condition,
                   const char *why)
{
    struct mg_typetest_row *row = new_row(c);
    if (row != NULL) {
        row->test = test;
        row->verdict = MG_SKIP;
        (void)snprintf(row->condition, sizeof row->condition, "%s", condition);
        (void)snprintf(row->note, sizeof row->note, "%s", why);
    }
}

void campaign_task(struct campaign *c, const struct task *task)
{
    void *list = grown(c->tasks, c->n_tasks, &c->tasks_cap, sizeof *c->tasks);
    if (list == NULL) {
        c->has_failed = true;
        return;
    }
    c->tasks = list;
    c->tasks[c->n_tasks++] = *task;
}

/* ---- For tasks ---- */

void row_judge(struct mg_typetest_row *row, int64_t error)
{
    int64_t size = error < 0 ? -error : error;
    row->has_error = true;
    row->error = error;
    row->note[0] = '\0';
    row->verdict = size <= row->limit.limit ? MG_PASS : MG_FAIL;
}

void row_fail(struct mg_typetest_row *row, const char *why)
{
    row->verdict = MG_FAIL;
    (void)snprintf(row->note, sizeof row->note, "%s", why);
}

void row_give(struct mg_typetest_row *row, int rc, int64_t error)
{
    if (rc == MG_OK) {
        row_judge(row, error);
    } else {
        row_fail(row, rc == MG_E_TIMEOUT ? "too few impulses, or none"
                                         : "out of memory");
    }
}

int64_t mg_typetest_share(const struct mg_typetest_row *row)
{
    bool is_count =
        row->unit == MG_TYPETEST_IMPULSES || row->unit == MG_TYPETEST_TAU;
    int64_t size = row->error < 0 ? -row->error : row->error;
    if (!row->has_error || is_count || row->limit.limit <= 0) {
        return -1;
    }
    return (size * 100 + row->limit.limit - 1) / row->limit.limit;
}

void current_text(int64_t current_ma, char ret[44])
{
    (void)snprintf(ret, 44, "%lld.%03lld A", (long long)(current_ma / 1000),
                   (long long)(current_ma % 1000));
}

void point_text(const struct campaign *c, const struct bench_point *point,
                char ret[40])
{
    static const char *const cosines[MG_N_FACTORS] = {
        "PF 1", "PF 0.5 ind", "PF 0.8 cap", "PF 0.25 ind", "PF 0.5 cap"};
    static const char *const sines[MG_N_FACTORS] = {
        "sin 1", "sin 0.5 ind", "sin 0.8 cap", "sin 0.25 ind", "sin 0.5 cap"};
    static const char *const phases[] = {"L1 only, ", "L2 only, ", "L3 only, "};
    unsigned first;
    const char *load =
        point->load == MG_LOAD_SINGLE ? phases[point->phase % 3] : "balanced, ";
    (void)snprintf(ret, 40, "%.10s%.12s%.8s",
                   bench_phases(c->settings, &first) == 1 ? "" : load,
                   (point->is_reactive ? sines : cosines)[point->factor],
                   point->is_export ? ", export" : "");
}

bool rating_has(const struct mg_rating *rating, uint32_t mg_class)
{
    return (rating->classes & mg_class) != 0;
}

uint32_t rating_active_class(const struct mg_rating *rating)
{
    return rating_has(rating, MG_CLASS_B)   ? MG_CLASS_B
           : rating_has(rating, MG_CLASS_1) ? MG_CLASS_1
                                            : MG_CLASS_05S;
}

/* ---- Running ---- */

static const struct task *take(struct campaign *c)
{
    pthread_mutex_lock(&c->lock);
    const struct task *task =
        c->next < c->n_tasks ? &c->tasks[c->next++] : NULL;
    pthread_mutex_unlock(&c->lock);
    return task;
}

static void put_back(struct campaign *c, uint64_t metered_ns)
{
    const struct mg_typetest_settings *s = c->settings;
    pthread_mutex_lock(&c->lock);
    c->n_done++;
    c->metered_ns += metered_ns;
    if (s->progress != NULL) {
        s->progress(s->ctx, c->n_done, c->n_tasks);
    }
    pthread_mutex_unlock(&c->lock);
}

/* Each task has its rows and its meter for itself. */
static void *work(void *ctx)
{
    struct campaign *c = ctx;
    const struct task *task;
    while ((task = take(c)) != NULL) {
        uint64_t metered_ns = 0;
        task->run(task, c->settings, &c->rows[task->first_row], &metered_ns);
        put_back(c, metered_ns);
    }
    return NULL;
}

/* A thread that cannot be had is done without. */
static void work_off(struct campaign *c)
{
    pthread_t threads[THREADS_MAX];
    size_t n = 0;
    while (n + 1 < c->settings->n_threads && n < THREADS_MAX &&
           pthread_create(&threads[n], NULL, work, c) == 0) {
        n++;
    }
    (void)work(c);
    while (n-- > 0) {
        (void)pthread_join(threads[n], NULL);
    }
}

static void plan(struct campaign *c)
{
    const char *only = c->settings->only;
    for (size_t k = 0; k < N_PARTS; k++) {
        if (only == NULL || strcmp(only, parts[k].name) == 0) {
            parts[k].plan(c);
        }
    }
}

static bool is_known(const char *name)
{
    for (size_t k = 0; k < N_PARTS; k++) {
        if (strcmp(name, parts[k].name) == 0) {
            return true;
        }
    }
    return false;
}

static int check(const struct mg_typetest_settings *s, struct mg_err *err)
{
    if (s->plugin->firmware == NULL || s->plugin->rating == NULL) {
        return mg_err_set(err, MG_E_NOSUP,
                          "model %s has no simulated meter or no rating: there "
                          "is nothing to test",
                          s->plugin->model);
    }
    if (s->only != NULL && !is_known(s->only)) {
        return mg_err_set(err, MG_E_NOTFOUND, "there is no test '%.40s'",
                          s->only);
    }
    return MG_OK;
}

static void count(struct mg_typetest_result *r)
{
    for (size_t k = 0; k < r->n_rows; k++) {
        size_t *const counts[] = {&r->n_passed, &r->n_failed, &r->n_skipped};
        ++*counts[r->rows[k].verdict];
    }
}

int mg_typetest_run(const struct mg_typetest_settings *settings,
                    struct mg_typetest_result *ret, struct mg_err *err)
{
    struct campaign c = {.settings = settings,
                         .lock = PTHREAD_MUTEX_INITIALIZER};
    int rc = check(settings, err);
    if (rc != MG_OK) {
        return rc;
    }
    plan(&c);
    if (c.has_failed) {
        rc = mg_err_set(err, MG_E_NOMEM, "out of memory for the results");
        free(c.rows);
    } else {
        work_off(&c);
        *ret = (struct mg_typetest_result){.rows = c.rows,
                                           .n_rows = c.n_rows,
                                           .metered_s = c.metered_ns / BENCH_S};
        count(ret);
    }
    free(c.tasks);
    (void)pthread_mutex_destroy(&c.lock);
    return rc;
}

void mg_typetest_result_free(struct mg_typetest_result *result)
{
    free(result->rows);
    *result = (struct mg_typetest_result){0};
}
