#include "model/ocmf_priv.h"

bool ocmf_name_repeats(struct ocmf_names *names, struct mg_span name)
{
    const char *t = name.text;
    if (name.len == 2 && t[0] >= 'A' && t[0] <= 'Z' && t[1] >= 'A' &&
        t[1] <= 'Z') {
        uint32_t *set = &names->letters[t[0] - 'A'];
        uint32_t bit = (uint32_t)1 << (t[1] - 'A');
        bool is_there = (*set & bit) != 0;
        *set |= bit;
        return is_there;
    }
    for (size_t i = 0; i < names->n; i++) {
        if (ocmf_is_same(names->others[i], name)) {
            return true;
        }
    }
    if (names->n < OCMF_NAMES_MAX) {
        names->others[names->n++] = name;
    }
    return false;
}

const struct ocmf_member *ocmf_find(const struct ocmf_member *table, size_t n,
                                    struct mg_span name)
{
    if (name.len != 2) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (table[i].name[0] == name.text[0] &&
            table[i].name[1] == name.text[1]) {
            return &table[i];
        }
    }
    return NULL;
}

bool ocmf_store(const struct ocmf_member *member,
                const struct mg_pull_item *item, void *to)
{
    bool is_scalar = item->kind == MG_PULL_STRING ||
                     item->kind == MG_PULL_NUMBER || item->kind == MG_PULL_BOOL;
    struct mg_span span = {item->value, item->value_len};
    void *at = (char *)to + member->offset;
    if (!is_scalar || member->type == OCMF_OTHER) {
        return false;
    }
    if (member->type == OCMF_STRING) {
        *(struct mg_span *)at = span;
        return item->kind == MG_PULL_STRING;
    }
    ocmf_number_parse(span, item->kind == MG_PULL_STRING,
                      (struct mg_ocmf_number *)at);
    /* A number as text is named on its own: see "number-as-text". */
    return item->kind != MG_PULL_BOOL;
}

size_t mg_ocmf_text(struct mg_span span, char *buf, size_t cap)
{
    size_t len = 0;
    if (span.text == NULL ||
        mg_pull_unescape(span.text, span.len, buf, cap, &len) != MG_OK) {
        len = 0;
        if (cap > 0) {
            buf[0] = '\0';
        }
    }
    return len;
}
