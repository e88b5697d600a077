#include "mqtt/recent.h"

#include <stdlib.h>
#include <string.h>

struct ring {
    char *name;     /* owned */
    uint64_t *ids;  /* owned; hashes; NULL until the first command */
    uint32_t n_put; /* ever */
};

struct mg_recent {
    size_t n;
    struct ring *rings; /* owned; sorted by name */
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct ring *)a)->name,
                  ((const struct ring *)b)->name);
}

struct mg_recent *mg_recent_create(const char *const *names, size_t n)
{
    struct mg_recent *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->rings = calloc(n + 1, sizeof *r->rings);
    for (; r->rings != NULL && r->n <= n; r->n++) {
        /* The gateway itself is the meter "". */
        r->rings[r->n].name = strdup(r->n < n ? names[r->n] : "");
        if (r->rings[r->n].name == NULL) {
            break;
        }
    }
    if (r->n != n + 1) {
        mg_recent_destroy(r);
        return NULL;
    }
    qsort(r->rings, r->n, sizeof *r->rings, compare);
    return r;
}

void mg_recent_destroy(struct mg_recent *recent)
{
    if (recent == NULL) {
        return;
    }
    for (size_t i = 0; i < recent->n; i++) {
        free(recent->rings[i].name);
        free(recent->rings[i].ids);
    }
    free(recent->rings);
    free(recent);
}

static uint64_t hash(const char *s, size_t len)
{
    uint64_t h = 14695981039346656037U; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (uint8_t)s[i]) * 1099511628211U;
    }
    return h;
}

static struct ring *find(struct mg_recent *r, const char *meter)
{
    size_t lo = 0;
    size_t hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(r->rings[mid].name, meter);
        if (order == 0) {
            return &r->rings[mid];
        }
        if (order < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

bool mg_recent_test_and_add(struct mg_recent *recent, const char *meter,
                            const char *id, size_t len)
{
    struct ring *ring = find(recent, meter);
    if (ring == NULL) {
        return false;
    }
    if (ring->ids == NULL) {
        ring->ids = calloc(MG_RECENT_IDS, sizeof *ring->ids);
        if (ring->ids == NULL) {
            return false; /* the command itself is good */
        }
    }
    uint64_t h = hash(id, len);
    uint32_t n = ring->n_put < MG_RECENT_IDS ? ring->n_put : MG_RECENT_IDS;
    for (uint32_t i = 0; i < n; i++) {
        if (ring->ids[i] == h) {
            return true;
        }
    }
    ring->ids[ring->n_put % MG_RECENT_IDS] = h;
    ring->n_put++;
    return false;
}
