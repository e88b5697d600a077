#include "mqtt/retained.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_MAX  255
#define TOPIC_MAX   255
#define PAYLOAD_MAX ((size_t)256 * 1024)
#define NONE        UINT32_MAX

struct entry {
    char *topic;   /* owned; below the prefix */
    char *payload; /* owned */
    size_t len, cap;
    uint32_t next; /* of the dirty list */
    bool is_qos1, is_passing, is_dirty, is_said;
};

struct mg_retained {
    pthread_mutex_t lock;
    char prefix[PREFIX_MAX + 1];
    size_t prefix_len, max_topics;
    struct entry *entries; /* owned; in the order of their first set */
    size_t n, cap;
    uint32_t *buckets; /* owned; open addressing, n_buckets a power of two */
    size_t n_buckets;
    uint32_t first, last; /* the dirty list */
};

struct mg_retained *mg_retained_create(const char *prefix, size_t max_topics)
{
    struct mg_retained *t = calloc(1, sizeof *t);
    if (t == NULL || strlen(prefix) > PREFIX_MAX ||
        pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return NULL;
    }
    t->prefix_len = strlen(prefix);
    memcpy(t->prefix, prefix, t->prefix_len + 1);
    t->max_topics = max_topics;
    t->first = NONE;
    t->last = NONE;
    return t;
}

void mg_retained_destroy(struct mg_retained *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->n; i++) {
        free(table->entries[i].topic);
        free(table->entries[i].payload);
    }
    free(table->entries);
    free(table->buckets);
    (void)pthread_mutex_destroy(&table->lock); /* nobody holds it any more */
    free(table);
}

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (; *s != '\0'; s++) {
        h = (h ^ (uint8_t)*s) * 16777619U;
    }
    return h;
}

/* The bucket that holds the topic, or the free one where it belongs. */
static size_t find_bucket(const struct mg_retained *t, const char *topic)
{
    size_t i = hash(topic) & (t->n_buckets - 1);
    while (t->buckets[i] != NONE &&
           strcmp(t->entries[t->buckets[i]].topic, topic) != 0) {
        i = (i + 1) & (t->n_buckets - 1);
    }
    return i;
}

/* Room for one more entry, at most half of the buckets in use. */
static int grow(struct mg_retained *t)
{
    if (t->n < t->cap) {
        return MG_OK;
    }
    size_t cap = t->cap == 0 ? 64 : t->cap * 2;
    struct entry *entries = realloc(t->entries, cap * sizeof *entries);
    if (entries == NULL) {
        return MG_E_NOMEM;
    }
    t->entries = entries;
    uint32_t *buckets = malloc(cap * 2 * sizeof *buckets);
    if (buckets == NULL) {
        return MG_E_NOMEM;
    }
    free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = cap * 2;
    t->cap = cap;
    memset(buckets, 0xff, t->n_buckets * sizeof *buckets);
    for (size_t i = 0; i < t->n; i++) {
        buckets[find_bucket(t, entries[i].topic)] = (uint32_t)i;
    }
    return MG_OK;
}

static int find_or_add(struct mg_retained *t, const char *topic,
                       uint32_t *ret_index)
{
    if (t->n_buckets != 0) {
        *ret_index = t->buckets[find_bucket(t, topic)];
        if (*ret_index != NONE) {
            return MG_OK;
        }
    }
    if (t->n >= t->max_topics) {
        return MG_E_NOSPC;
    }
    int rc = grow(t);
    if (rc != MG_OK) {
        return rc;
    }
    char *copy = strdup(topic);
    if (copy == NULL) {
        return MG_E_NOMEM;
    }
    *ret_index = (uint32_t)t->n++;
    t->buckets[find_bucket(t, topic)] = *ret_index;
    t->entries[*ret_index] = (struct entry){.topic = copy};
    return MG_OK;
}

static int store(struct entry *e, const char *payload, size_t len)
{
    if (len > e->cap) {
        char *grown = realloc(e->payload, len);
        if (grown == NULL) {
            return MG_E_NOMEM;
        }
        e->payload = grown;
        e->cap = len;
    }
    if (len > 0) {
        memcpy(e->payload, payload, len);
    }
    e->len = len;
    return MG_OK;
}

static void append(struct mg_retained *t, uint32_t index)
{
    struct entry *e = &t->entries[index];
    e->is_dirty = true;
    e->next = NONE;
    if (t->last == NONE) {
        t->first = index;
    } else {
        t->entries[t->last].next = index;
    }
    t->last = index;
}

static void prepend(struct mg_retained *t, uint32_t index)
{
    struct entry *e = &t->entries[index];
    e->is_dirty = true;
    e->next = t->first;
    if (t->first == NONE) {
        t->last = index;
    }
    t->first = index;
}

static void drop_first(struct mg_retained *t)
{
    struct entry *e = &t->entries[t->first];
    e->is_dirty = false;
    t->first = e->next;
    if (t->first == NONE) {
        t->last = NONE;
    }
}

int mg_retained_set(struct mg_retained *table, const char *topic,
                    const char *payload, size_t len, unsigned flags,
                    bool *ret_is_due)
{
    if (strlen(topic) > TOPIC_MAX || len > PAYLOAD_MAX) {
        return MG_E_RANGE;
    }
    uint32_t index;
    (void)pthread_mutex_lock(&table->lock); /* fails on misuse only */
    int rc = find_or_add(table, topic, &index);
    if (rc == MG_OK) {
        rc = store(&table->entries[index], payload, len);
    }
    if (rc == MG_OK) {
        table->entries[index].is_qos1 = (flags & MG_TOPIC_QOS1) != 0;
        table->entries[index].is_passing = (flags & MG_TOPIC_PASSING) != 0;
        *ret_is_due = table->first == NONE;
        if (!table->entries[index].is_dirty) {
            append(table, index);
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
    return rc;
}

static bool copy_out(const struct mg_retained *t, const struct entry *e,
                     struct mg_retained_item *item)
{
    if (e->len > item->cap) {
        char *grown = realloc(item->payload, e->len);
        if (grown == NULL) {
            return false;
        }
        item->payload = grown;
        item->cap = e->len;
    }
    if (e->len > 0) {
        memcpy(item->payload, e->payload, e->len);
    }
    item->len = e->len;
    item->qos = e->is_qos1 ? 1 : 0;
    item->is_passing = e->is_passing;
    memcpy(item->topic, t->prefix, t->prefix_len);
    memcpy(item->topic + t->prefix_len, e->topic, strlen(e->topic) + 1);
    return true;
}

bool mg_retained_take(struct mg_retained *table, int max_qos,
                      struct mg_retained_item *item)
{
    bool is_taken = false;
    (void)pthread_mutex_lock(&table->lock);
    if (table->first != NONE) {
        const struct entry *e = &table->entries[table->first];
        if ((!e->is_qos1 || max_qos > 0) && copy_out(table, e, item)) {
            item->index = table->first;
            drop_first(table);
            is_taken = true;
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
    return is_taken;
}

void mg_retained_again(struct mg_retained *table, size_t index)
{
    (void)pthread_mutex_lock(&table->lock);
    if (index < table->n && !table->entries[index].is_dirty) {
        prepend(table, (uint32_t)index);
    }
    (void)pthread_mutex_unlock(&table->lock);
}

void mg_retained_again_all(struct mg_retained *table)
{
    (void)pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->n; i++) {
        const struct entry *e = &table->entries[i];
        if (!e->is_dirty && !e->is_passing) {
            append(table, (uint32_t)i);
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
}

bool mg_retained_is_dirty(struct mg_retained *table)
{
    (void)pthread_mutex_lock(&table->lock);
    bool is_dirty = table->first != NONE;
    (void)pthread_mutex_unlock(&table->lock);
    return is_dirty;
}

bool mg_retained_complain(struct mg_retained *table, size_t index)
{
    bool is_first = false;
    (void)pthread_mutex_lock(&table->lock);
    if (index < table->n && !table->entries[index].is_said) {
        table->entries[index].is_said = true;
        is_first = true;
    }
    (void)pthread_mutex_unlock(&table->lock);
    return is_first;
}
