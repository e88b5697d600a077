#include "model/ocmf_priv.h"

static const char HEADER[] = "OCMF|";

static const struct ocmf_member PAYLOAD[] = {
    {"FV", OCMF_STRING, offsetof(struct mg_ocmf, fv)},
    {"GI", OCMF_STRING, offsetof(struct mg_ocmf, gi)},
    {"GS", OCMF_STRING, offsetof(struct mg_ocmf, gs)},
    {"GV", OCMF_STRING, offsetof(struct mg_ocmf, gv)},
    {"PG", OCMF_STRING, offsetof(struct mg_ocmf, pg)},
    {"MV", OCMF_STRING, offsetof(struct mg_ocmf, mv)},
    {"MM", OCMF_STRING, offsetof(struct mg_ocmf, mm)},
    {"MS", OCMF_STRING, offsetof(struct mg_ocmf, ms)},
    {"MF", OCMF_STRING, offsetof(struct mg_ocmf, mf)},
    {"IL", OCMF_STRING, offsetof(struct mg_ocmf, il)},
    {"IT", OCMF_STRING, offsetof(struct mg_ocmf, it)},
    {"ID", OCMF_STRING, offsetof(struct mg_ocmf, id)},
    {"TT", OCMF_STRING, offsetof(struct mg_ocmf, tt)},
    {"CF", OCMF_STRING, offsetof(struct mg_ocmf, cf)},
    {"CT", OCMF_STRING, offsetof(struct mg_ocmf, ct)},
    {"CI", OCMF_STRING, offsetof(struct mg_ocmf, ci)},
};

static const struct ocmf_member CABLE[] = {
    {"LN", OCMF_STRING, offsetof(struct mg_ocmf, ln)},
    {"LI", OCMF_NUMBER, offsetof(struct mg_ocmf, li)},
    {"LR", OCMF_NUMBER, offsetof(struct mg_ocmf, lr)},
    {"LU", OCMF_STRING, offsetof(struct mg_ocmf, lu)},
};

static const struct ocmf_member SIGNATURE[] = {
    {"SA", OCMF_STRING, offsetof(struct mg_ocmf, sa)},
    {"SE", OCMF_STRING, offsetof(struct mg_ocmf, se)},
    {"SM", OCMF_STRING, offsetof(struct mg_ocmf, sm)},
    {"SD", OCMF_STRING, offsetof(struct mg_ocmf, sd)},
};

#define N_OF(table) (sizeof(table) / sizeof *(table))

/* What was read but is kept only under conditions that other members tell. */
struct reading {
    struct mg_pull pull;
    struct mg_ocmf *ret;
    struct mg_span vi, vv; /* GI and GV of FV 0.1; vendor members later */
    struct mg_span level;  /* IS of FV 0.1 */
};

static bool read_is(struct reading *r, const struct mg_pull_item *item)
{
    struct mg_ocmf *o = r->ret;
    struct mg_span text = {item->value, item->value_len};
    if (item->kind == MG_PULL_BOOL) {
        o->has_is = true;
        o->is_assigned = item->value[0] == 't';
        return true;
    }
    if (item->kind == MG_PULL_STRING) {
        r->level = text;
        o->has_is = true;
        o->is_assigned =
            !ocmf_is(text, "NONE") && !ocmf_is(text, "false") && text.len > 0;
    }
    o->oddities |= MG_OCMF_ODD_TYPE;
    return mg_pull_skip(&r->pull, item);
}

static bool read_flags(struct reading *r, const struct mg_pull_item *item)
{
    struct mg_ocmf *o = r->ret;
    struct mg_pull_item flag;
    o->has_if = true;
    o->is_if_array = item->kind == MG_PULL_ARRAY;
    o->n_flags = 0;
    if (!o->is_if_array) {
        o->oddities |= MG_OCMF_ODD_TYPE;
        return mg_pull_skip(&r->pull, item);
    }
    for (;;) {
        if (!mg_pull_next(&r->pull, &flag)) {
            return false;
        }
        if (flag.kind == MG_PULL_CLOSE) {
            return true;
        }
        if (flag.kind != MG_PULL_STRING || o->n_flags == MG_OCMF_FLAGS_MAX) {
            o->oddities |= MG_OCMF_ODD_TYPE;
        } else {
            o->flags[o->n_flags++] =
                (struct mg_span){flag.value, flag.value_len};
        }
        if (!mg_pull_skip(&r->pull, &flag)) {
            return false;
        }
    }
}

/* The members of an object that are all in one table. */
static bool read_table(struct reading *r, const struct ocmf_member *table,
                       size_t n)
{
    struct ocmf_names names = {0};
    struct mg_pull_item item;
    for (;;) {
        if (!mg_pull_next(&r->pull, &item)) {
            return false;
        }
        if (item.kind == MG_PULL_CLOSE) {
            return true;
        }
        struct mg_span name = {item.key, item.key_len};
        if (ocmf_name_repeats(&names, name)) {
            r->ret->oddities |= MG_OCMF_ODD_DUPLICATE;
        }
        const struct ocmf_member *m = ocmf_find(table, n, name);
        if (m != NULL && !ocmf_store(m, &item, r->ret)) {
            r->ret->oddities |= MG_OCMF_ODD_TYPE;
        }
        if (!mg_pull_skip(&r->pull, &item)) {
            return false;
        }
    }
}

static bool read_cable(struct reading *r, const struct mg_pull_item *item)
{
    if (item->kind != MG_PULL_OBJECT) {
        r->ret->oddities |= MG_OCMF_ODD_TYPE;
        return mg_pull_skip(&r->pull, item);
    }
    r->ret->has_lc = true;
    return read_table(r, CABLE, N_OF(CABLE));
}

static bool read_rd(struct reading *r, const struct mg_pull_item *item)
{
    if (item->kind != MG_PULL_ARRAY) {
        r->ret->oddities |= MG_OCMF_ODD_TYPE;
        return mg_pull_skip(&r->pull, item);
    }
    return ocmf_read_readings(&r->pull, r->ret);
}

static void keep_old_name(struct reading *r, const struct mg_pull_item *item,
                          struct mg_span name)
{
    struct mg_span text = {item->value, item->value_len};
    if (item->kind == MG_PULL_STRING && ocmf_is(name, "VI")) {
        r->vi = text;
    }
    if (item->kind == MG_PULL_STRING && ocmf_is(name, "VV")) {
        r->vv = text;
    }
}

static bool read_payload_member(struct reading *r,
                                const struct mg_pull_item *item)
{
    struct mg_span name = {item->key, item->key_len};
    if (ocmf_is(name, "RD")) {
        return read_rd(r, item);
    }
    if (ocmf_is(name, "IS")) {
        return read_is(r, item);
    }
    if (ocmf_is(name, "IF")) {
        return read_flags(r, item);
    }
    if (ocmf_is(name, "LC")) {
        return read_cable(r, item);
    }
    const struct ocmf_member *m = ocmf_find(PAYLOAD, N_OF(PAYLOAD), name);
    if (m == NULL) {
        keep_old_name(r, item, name);
    } else if (!ocmf_store(m, item, r->ret)) {
        r->ret->oddities |= MG_OCMF_ODD_TYPE;
    }
    return mg_pull_skip(&r->pull, item);
}

static bool read_payload(struct reading *r)
{
    struct ocmf_names names = {0};
    struct mg_pull_item item;
    for (;;) {
        if (!mg_pull_next(&r->pull, &item)) {
            return false;
        }
        if (item.kind == MG_PULL_CLOSE) {
            return true;
        }
        struct mg_span name = {item.key, item.key_len};
        if (ocmf_name_repeats(&names, name)) {
            r->ret->oddities |= MG_OCMF_ODD_DUPLICATE;
        }
        if (!read_payload_member(r, &item)) {
            return false;
        }
    }
}

/* FV 0.1 calls GI and GV by other names, and gives the level in IS. */
static void settle_old_names(struct reading *r)
{
    struct mg_ocmf *o = r->ret;
    if (o->fv.len < 2 || memcmp(o->fv.text, "0.", 2) != 0) {
        return;
    }
    o->gi = o->gi.text == NULL ? r->vi : o->gi;
    o->gv = o->gv.text == NULL ? r->vv : o->gv;
    o->il = o->il.text == NULL ? r->level : o->il;
}

/* Digits from `at` on. @return where they end; 0: none, or beyond 64 bits */
static size_t read_digits(struct mg_span text, size_t at, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = at;
    for (; i < text.len && text.text[i] >= '0' && text.text[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text.text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return 0;
        }
        value = value * 10 + digit;
    }
    if (i == at) {
        return 0;
    }
    *ret = value;
    return i;
}

/* PG: "T17"; ChargePoint writes "T15-4193206880799101095". */
static void settle_pagination(struct mg_ocmf *o)
{
    const char *t = o->pg.text;
    if (o->pg.len < 2 || (t[0] != 'T' && t[0] != 'F')) {
        return;
    }
    size_t end = read_digits(o->pg, 1, &o->pagination);
    if (end == 0) {
        return;
    }
    o->context = t[0];
    if (end < o->pg.len) {
        o->pg_suffix = (struct mg_span){t + end, o->pg.len - end};
    }
}

bool mg_ocmf_session(const struct mg_ocmf *ocmf, uint64_t *ret)
{
    struct mg_span suffix = ocmf->pg_suffix;
    uint64_t session;
    if (suffix.len < 2 || suffix.text[0] != '-' ||
        read_digits(suffix, 1, &session) != suffix.len) {
        return false;
    }
    *ret = session;
    return true;
}

static void settle(struct mg_ocmf *o)
{
    if (memchr(o->payload.text, '|', o->payload.len) != NULL ||
        memchr(o->signature.text, '|', o->signature.len) != NULL) {
        o->oddities |= MG_OCMF_ODD_PIPE; /* not part of JSON but in strings */
    }
    settle_pagination(o);
}

static int refuse(const struct reading *r, const char *text, struct mg_err *err)
{
    return mg_err_set(err, MG_E_PROTO, "byte %zu: %s was expected",
                      (size_t)(r->pull.at - text), r->pull.wanted);
}

/* Opens the object of a section; white space before it belongs to the section.
 */
static bool open_section(struct reading *r)
{
    struct mg_pull_item item;
    const char *begin = r->pull.at;
    mg_pull_space(&r->pull);
    if (r->pull.at != begin) {
        r->ret->oddities |= MG_OCMF_ODD_SPACE;
    }
    if (r->pull.at == r->pull.end || *r->pull.at != '{') {
        r->pull.wanted = "'{'";
        return false;
    }
    return mg_pull_next(&r->pull, &item);
}

static bool read_sections(struct reading *r)
{
    struct mg_pull *p = &r->pull;
    struct mg_ocmf *o = r->ret;
    const char *begin = p->at;
    if (!open_section(r) || !read_payload(r)) {
        return false;
    }
    const char *closed = p->at;
    mg_pull_space(p);
    if (p->at == p->end || *p->at != '|') {
        p->wanted = "'|' and the signature";
        return false;
    }
    o->oddities |= p->at == closed ? 0 : MG_OCMF_ODD_SPACE;
    o->payload = (struct mg_span){begin, (size_t)(p->at - begin)};
    begin = ++p->at;
    if (!open_section(r) || !read_table(r, SIGNATURE, N_OF(SIGNATURE))) {
        return false;
    }
    o->signature = (struct mg_span){begin, (size_t)(p->at - begin)};
    mg_pull_space(p); /* the end of a line, of a file */
    p->wanted = "the end of the record";
    return p->at == p->end;
}

int mg_ocmf_parse(const char *text, size_t len, struct mg_ocmf *ret,
                  struct mg_err *err)
{
    struct reading r = {.pull = mg_pull_init(text, len), .ret = ret};
    /* The readings are cleared as they come: most records have two. */
    memset(ret, 0, offsetof(struct mg_ocmf, readings));
    ret->oddities = 0;
    if (len > MG_OCMF_TEXT_MAX) {
        return mg_err_set(err, MG_E_PROTO, "longer than %u bytes",
                          MG_OCMF_TEXT_MAX);
    }
    if (len < sizeof HEADER - 1 ||
        memcmp(text, HEADER, sizeof HEADER - 1) != 0) {
        return mg_err_set(err, MG_E_PROTO, "byte 0: \"OCMF|\" was expected");
    }
    r.pull.at += sizeof HEADER - 1;
    if (!read_sections(&r)) {
        return refuse(&r, text, err);
    }
    settle_old_names(&r);
    settle(ret);
    return MG_OK;
}
