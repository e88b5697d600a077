#include "record/logbook_chain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/encode.h"

static int broken(struct mg_log_chain *c, enum mg_log_fault fault,
                  int64_t number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int broken(struct mg_log_chain *c, enum mg_log_fault fault,
                  int64_t number, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->why, sizeof c->why, format, args); /* may cut */
    va_end(args);
    c->fault = fault;
    c->fault_number = number;
    return MG_E_MISMATCH;
}

void mg_log_chain_init(struct mg_log_chain *c)
{
    *c = (struct mg_log_chain){.last_event = MG_N_LOGBOOK_EVENTS};
}

int mg_log_chain_add_key(struct mg_log_chain *c,
                         const struct mg_public_key *key)
{
    if (c->n_keys >= MG_LOG_KEYS_MAX) {
        return MG_E_NOSPC;
    }
    mg_public_key_fingerprint(key, c->fingerprints[c->n_keys]);
    c->keys[c->n_keys++] = key;
    return MG_OK;
}

void mg_log_hash(const char *text, size_t len, uint8_t ret[32])
{
    mg_sha256(text, len, ret);
}

enum mg_log_fault mg_log_link_check(const struct mg_log_link *link,
                                    char buf[MG_LOG_ENTRY_MAX],
                                    struct mg_log_entry *ret_entry,
                                    uint8_t ret_hash[32])
{
    struct mg_log_entry entry;
    uint8_t hash[32];
    mg_log_hash(link->text, link->len, hash);
    if (link->hash != NULL && memcmp(hash, link->hash, sizeof hash) != 0) {
        return MG_LOG_FAULT_CHANGED;
    }
    if (mg_log_entry_parse(link->text, link->len, buf, &entry) != MG_OK) {
        return MG_LOG_FAULT_TEXT;
    }
    if (link->number != 0 && link->number != entry.number) {
        return MG_LOG_FAULT_NUMBER;
    }
    *ret_entry = entry;
    memcpy(ret_hash, hash, sizeof hash);
    return MG_LOG_INTACT;
}

/* ---- One after the other ---- */

/* The number that a broken entry is known by. */
static int64_t name_of(const struct mg_log_chain *c,
                       const struct mg_log_link *link)
{
    return link->number != 0 ? link->number : c->last_number + 1;
}

static int check_alone(struct mg_log_chain *c, const struct mg_log_link *link,
                       char buf[MG_LOG_ENTRY_MAX], struct mg_log_entry *entry,
                       uint8_t hash[32])
{
    int64_t number = name_of(c, link);
    switch (mg_log_link_check(link, buf, entry, hash)) {
    case MG_LOG_INTACT:
        return MG_OK;
    case MG_LOG_FAULT_CHANGED:
        return broken(c, MG_LOG_FAULT_CHANGED, number,
                      "its text was changed: it does not have the hash that "
                      "is kept with it");
    case MG_LOG_FAULT_NUMBER:
        return broken(c, MG_LOG_FAULT_NUMBER, number,
                      "another number stands in its text: it was moved");
    default:
        return broken(c, MG_LOG_FAULT_TEXT, number,
                      "its text is not that of an entry");
    }
}

static int check_place(struct mg_log_chain *c, const struct mg_log_entry *e)
{
    int64_t due = c->last_number + 1;
    if (e->number > due) {
        return broken(
            c, MG_LOG_FAULT_NUMBER, e->number,
            "%" PRId64 " %s missing before it: %" PRId64 " was expected",
            e->number - due, e->number - due == 1 ? "is" : "are", due);
    }
    if (e->number < due) {
        return broken(c, MG_LOG_FAULT_NUMBER, e->number,
                      "it stands behind entry %" PRId64
                      ": it was moved or is there twice",
                      c->last_number);
    }
    if (memcmp(e->prev, c->last_hash, sizeof e->prev) != 0) {
        return broken(c, MG_LOG_FAULT_PREV, e->number,
                      c->n_entries == 0
                          ? "as the first entry it names one before it"
                          : "it does not follow the entry before it, which "
                            "was replaced");
    }
    return MG_OK;
}

static const struct mg_public_key *find_key(const struct mg_log_chain *c,
                                            const char *fingerprint)
{
    for (size_t i = 0; i < c->n_keys; i++) {
        if (strcmp(c->fingerprints[i], fingerprint) == 0) {
            return c->keys[i];
        }
    }
    return NULL;
}

/* Entries are signed in their order: one without a signature is one that waits
 * for the key, and all behind it wait too. */
static int check_signature(struct mg_log_chain *c,
                           const struct mg_log_link *link,
                           const struct mg_log_entry *e)
{
    if (link->signature_len == 0) {
        c->n_unsigned++;
        c->first_unsigned =
            c->first_unsigned == 0 ? e->number : c->first_unsigned;
        return MG_OK;
    }
    if (c->first_unsigned != 0) {
        return broken(c, MG_LOG_FAULT_UNSIGNED, c->first_unsigned,
                      "its signature is missing: entry %" PRId64
                      " behind it has one",
                      e->number);
    }
    c->n_signed++;
    if (c->n_keys == 0) {
        return MG_OK;
    }
    const struct mg_public_key *key = find_key(c, link->fingerprint);
    if (key == NULL) {
        return broken(c, MG_LOG_FAULT_KEY, e->number,
                      "it is signed by another key (%.16s...)",
                      link->fingerprint);
    }
    int rc = mg_verify(key, link->text, link->len, link->signature,
                       link->signature_len);
    return rc == MG_E_MISMATCH || rc == MG_E_PROTO
               ? broken(c, MG_LOG_FAULT_SIGNATURE, e->number,
                        "its signature is wrong")
               : rc;
}

static void look_at_time(struct mg_log_chain *c, const struct mg_log_entry *e)
{
    bool is_explained = e->event == MG_LOGBOOK_CLOCK_CHANGED ||
                        c->last_event == MG_LOGBOOK_CLOCK_CHANGED ||
                        e->event == MG_LOGBOOK_SERVICE_STARTED;
    if (c->n_entries == 0 || e->utc_ms >= c->last_ms) {
        return;
    }
    c->n_back++;
    if (!is_explained && c->first_back == 0) {
        c->first_back = e->number;
    }
}

int mg_log_chain_feed(struct mg_log_chain *c, const struct mg_log_link *link)
{
    char buf[MG_LOG_ENTRY_MAX];
    struct mg_log_entry e = {.number = 0};
    uint8_t hash[32];
    if (c->fault != MG_LOG_INTACT) {
        return MG_E_MISMATCH;
    }
    int rc = check_alone(c, link, buf, &e, hash);
    if (rc == MG_OK) {
        rc = check_place(c, &e);
    }
    if (rc == MG_OK) {
        rc = check_signature(c, link, &e);
    }
    if (rc != MG_OK) {
        return rc;
    }
    look_at_time(c, &e);
    c->n_entries++;
    c->last_number = e.number;
    c->last_ms = e.utc_ms;
    c->last_event = e.event;
    memcpy(c->last_hash, hash, sizeof hash);
    c->has_expected =
        c->has_expected ||
        (c->expected != NULL && memcmp(c->expected, hash, sizeof hash) == 0);
    return MG_OK;
}

int mg_log_chain_end(struct mg_log_chain *c)
{
    if (c->fault != MG_LOG_INTACT) {
        return MG_E_MISMATCH;
    }
    if (c->n_keys > 0 && c->n_entries > 0 && c->n_signed == 0) {
        return broken(c, MG_LOG_FAULT_UNSIGNED, c->first_unsigned,
                      "its signature is missing: no entry has one");
    }
    if (c->expected != NULL && !c->has_expected) {
        char hex[65];
        mg_hex_write(c->expected, 32, false, hex);
        return broken(c, MG_LOG_FAULT_END, c->last_number + 1,
                      "it is missing: no entry has the expected hash "
                      "%.16s..., so the end was cut off",
                      hex);
    }
    return MG_OK;
}
