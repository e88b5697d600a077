/* Handing a dataset over to the store. */
#include <string.h>

#include "store/dataset.h"
#include "store/store_priv.h"

const char *mg_dataset_kind_text(enum mg_dataset_kind kind)
{
    static const char *const texts[MG_N_DATASET_KINDS] = {
        [MG_DATASET_TRANSACTION] = "transaction",
        [MG_DATASET_BEGIN] = "begin",
        [MG_DATASET_INTERMEDIATE] = "intermediate",
        [MG_DATASET_TARIFF] = "tariff",
        [MG_DATASET_SUSPEND] = "suspend",
        [MG_DATASET_RESUME] = "resume",
        [MG_DATASET_EXCEPTION] = "exception",
        [MG_DATASET_FISCAL] = "fiscal",
        [MG_DATASET_REISSUE] = "reissue",
        [MG_DATASET_UNKNOWN] = "unknown",
    };
    return kind < MG_N_DATASET_KINDS ? texts[kind] : "unknown";
}

static bool ends(const char *text, size_t cap)
{
    return memchr(text, '\0', cap) != NULL;
}

static bool are_texts_right(const struct mg_dataset *d)
{
    return ends(d->meter, sizeof d->meter) && d->meter[0] != '\0' &&
           ends(d->model, sizeof d->model) &&
           ends(d->serial, sizeof d->serial) &&
           ends(d->transaction, sizeof d->transaction) &&
           ends(d->key_hex, sizeof d->key_hex) &&
           ends(d->fingerprint, sizeof d->fingerprint) &&
           ends(d->verdict, sizeof d->verdict) && ends(d->why, sizeof d->why) &&
           ends(d->mark, sizeof d->mark);
}

static bool is_record_right(const struct mg_dataset *d)
{
    if (d->record_len > MG_DATASET_RECORD_MAX ||
        d->original_len > MG_DATASET_RECORD_MAX ||
        (d->record_len > 0 && d->record == NULL) ||
        (d->original_len > 0 && d->original == NULL)) {
        return false;
    }
    return d->state == MG_DATASET_VOID ||
           (d->state == MG_DATASET_DONE) == (d->record_len > 0);
}

int mg_store_add_dataset(struct mg_store *store,
                         const struct mg_dataset *dataset, uint64_t *ret_ticket)
{
    struct mg_dataset d = *dataset;
    if (d.kind >= MG_N_DATASET_KINDS || d.state > MG_DATASET_VOID ||
        (d.context != '\0' && d.context != 'T' && d.context != 'F') ||
        !are_texts_right(&d) || !is_record_right(&d)) {
        return MG_E_INVAL;
    }
    const char *record = d.record, *original = d.original;
    d.record = d.original = NULL; /* they follow the struct */
    struct store_item *item = store__item_create(
        (const char *)&d, sizeof d, NULL, d.record_len + d.original_len);
    if (item != NULL) {
        char *to = item->bytes + sizeof d;
        item->kind = STORE_ITEM_DATASET;
        if (d.record_len > 0) {
            memcpy(to, record, d.record_len);
        }
        if (d.original_len > 0) {
            memcpy(to + d.record_len, original, d.original_len);
        }
    }
    return store__hand_over(store, item, ret_ticket);
}
