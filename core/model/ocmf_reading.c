/* The readings, each with what it inherits from the one before. */
#include "model/ocmf_priv.h"

/* A reading as it is written, before the carry-forward. */
struct written {
    struct mg_span tm, tx, st, ri, ru, rt, ef;
    struct mg_ocmf_number rv, cl;
};

static const struct ocmf_member MEMBERS[] = {
    {"TM", OCMF_STRING, offsetof(struct written, tm)},
    {"TX", OCMF_STRING, offsetof(struct written, tx)},
    {"RV", OCMF_NUMBER, offsetof(struct written, rv)},
    {"RI", OCMF_STRING, offsetof(struct written, ri)},
    {"RU", OCMF_STRING, offsetof(struct written, ru)},
    {"RT", OCMF_STRING, offsetof(struct written, rt)},
    {"CL", OCMF_NUMBER, offsetof(struct written, cl)},
    {"EF", OCMF_STRING, offsetof(struct written, ef)},
    {"ST", OCMF_STRING, offsetof(struct written, st)},
};

static bool read_members(struct mg_pull *p, struct written *w,
                         unsigned *oddities)
{
    struct ocmf_names names = {0};
    struct mg_pull_item item;
    for (;;) {
        if (!mg_pull_next(p, &item)) {
            return false;
        }
        if (item.kind == MG_PULL_CLOSE) {
            return true;
        }
        struct mg_span name = {item.key, item.key_len};
        if (ocmf_name_repeats(&names, name)) {
            *oddities |= MG_OCMF_ODD_DUPLICATE;
        }
        const struct ocmf_member *m =
            ocmf_find(MEMBERS, sizeof MEMBERS / sizeof *MEMBERS, name);
        if (m != NULL && !ocmf_store(m, &item, w)) {
            *oddities |= MG_OCMF_ODD_TYPE;
        }
        if (!mg_pull_skip(p, &item)) {
            return false;
        }
    }
}

static enum mg_ocmf_unit unit_of(struct mg_span ru)
{
    if (ru.text == NULL) {
        return MG_OCMF_NO_UNIT;
    }
    if (ocmf_is(ru, "kWh")) {
        return MG_OCMF_KWH;
    }
    return ocmf_is(ru, "Wh") ? MG_OCMF_WH : MG_OCMF_OTHER;
}

static char letter(struct mg_span span)
{
    if (span.text == NULL || span.len != 1) {
        return '?';
    }
    return span.text[0];
}

static bool has_letter(struct mg_span span, char c)
{
    return span.len > 0 && memchr(span.text, c, span.len) != NULL;
}

/* TX: "" says that there is none, unlike a TX that is left out. */
static void put_tx(struct mg_ocmf_reading *r, struct mg_span tx)
{
    if (tx.text != NULL) {
        r->tx = '\0';
    }
    if (tx.len > 0) {
        r->tx = letter(tx);
    }
}

static void put_span(struct mg_span *to, struct mg_span written)
{
    if (written.text != NULL) {
        *to = written;
    }
}

static void put_written(struct mg_ocmf_reading *r, const struct written *w)
{
    put_span(&r->ri, w->ri);
    put_span(&r->ru, w->ru);
    put_span(&r->rt, w->rt);
    put_span(&r->ef, w->ef);
    if (w->tm.text != NULL) {
        ocmf_time_parse(w->tm, r);
    }
    put_tx(r, w->tx);
    if (w->st.text != NULL) {
        r->status = '\0';
    }
    if (w->st.len > 0) {
        r->status = letter(w->st);
    }
    if (w->rv.text.text != NULL) {
        r->rv = w->rv;
    }
    if (w->cl.text.text != NULL) {
        r->cl = w->cl;
    } else if (r->tx == 'B') {
        r->cl = (struct mg_ocmf_number){0}; /* a begin starts anew */
    }
    r->unit = unit_of(r->ru);
    r->is_energy_bad = has_letter(r->ef, 'E');
    r->is_time_bad = has_letter(r->ef, 't');
}

static bool is_ri_tx_carried(const struct written *w,
                             const struct mg_ocmf_reading *before)
{
    return (w->tx.text == NULL && before->tx != '\0') ||
           (w->ri.text == NULL && before->ri.text != NULL);
}

/* The others that every reading has, unless it inherits them. */
static bool is_carried(const struct written *w,
                       const struct mg_ocmf_reading *before)
{
    return (w->tm.text == NULL && before->time.text != NULL) ||
           (w->st.text == NULL && before->status != '\0') ||
           (w->ru.text == NULL && before->ru.text != NULL) ||
           (w->rv.text.text == NULL && before->rv.is_there);
}

static bool add_reading(struct mg_pull *p, struct mg_ocmf *ret)
{
    struct written w = {0};
    if (ret->n_readings == MG_OCMF_READINGS_MAX) {
        p->wanted = "at most 512 readings";
        return false;
    }
    if (!read_members(p, &w, &ret->oddities)) {
        return false;
    }
    struct mg_ocmf_reading *r = &ret->readings[ret->n_readings];
    memset(r, 0, sizeof *r);
    if (ret->n_readings > 0) {
        *r = r[-1];
        r->is_ri_tx_carried = is_ri_tx_carried(&w, r - 1);
        r->is_carried = r->is_ri_tx_carried || is_carried(&w, r - 1);
    }
    put_written(r, &w);
    ret->n_readings++;
    return true;
}

bool ocmf_read_readings(struct mg_pull *p, struct mg_ocmf *ret)
{
    struct mg_pull_item item;
    ret->n_readings = 0; /* RD twice: the last one counts */
    for (;;) {
        if (!mg_pull_next(p, &item)) {
            return false;
        }
        if (item.kind == MG_PULL_CLOSE) {
            return true;
        }
        if (item.kind == MG_PULL_OBJECT) {
            if (!add_reading(p, ret)) {
                return false;
            }
        } else {
            ret->oddities |= MG_OCMF_ODD_TYPE;
            if (!mg_pull_skip(p, &item)) {
                return false;
            }
        }
    }
}
