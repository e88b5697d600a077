#include "store/settled.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256
#define MAX_CAP   (1U << 20)

static bool grow(struct store_settled *s)
{
    size_t cap = s->cap == 0 ? FIRST_CAP : s->cap * 2;
    if (cap > MAX_CAP) {
        return false;
    }
    struct store_settlement *all = realloc(s->all, cap * sizeof *all);
    if (all == NULL) {
        return false;
    }
    s->all = all;
    s->cap = cap;
    return true;
}

void store__settled_add(struct store_settled *s, int64_t id, bool is_park,
                        int reason, uint64_t now_ns)
{
    if (s->n == s->cap && !grow(s)) {
        return;
    }
    if (s->n == 0) {
        s->since_ns = now_ns;
    }
    s->all[s->n++] = (struct store_settlement){id, reason, is_park};
}

bool store__settled_has(const struct store_settled *s, int64_t id)
{
    for (size_t i = s->n; i > 0; i--) {
        if (s->all[i - 1].id == id) {
            return true;
        }
    }
    return false;
}

void store__settled_done(struct store_settled *s, size_t n, uint64_t now_ns)
{
    if (n == 0) {
        return;
    }
    s->n -= n;
    memmove(s->all, s->all + n, s->n * sizeof *s->all);
    s->since_ns = now_ns;
}
