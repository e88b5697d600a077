#include "model/ocmf_checks_priv.h"

/* Both absent is the same as both equal: then GS and CI must tell. */
static void check_source(const struct mg_ocmf *a, const struct mg_ocmf *b,
                         struct mg_findings *f)
{
    const struct {
        const char *name;
        struct mg_span a, b;
        enum mg_check check;
    } members[] = {{"MS", a->ms, b->ms, MG_CHECK_PAIR_SOURCE},
                   {"GS", a->gs, b->gs, MG_CHECK_PAIR_SOURCE},
                   {"GI", a->gi, b->gi, MG_CHECK_PAIR_SOURCE},
                   {"CT", a->ct, b->ct, MG_CHECK_PAIR_USER},
                   {"CI", a->ci, b->ci, MG_CHECK_PAIR_USER},
                   {"IT", a->it, b->it, MG_CHECK_PAIR_USER},
                   {"ID", a->id, b->id, MG_CHECK_PAIR_USER}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!ocmf_is_same(members[i].a, members[i].b)) {
            mg_findings_report(f, members[i].check, -1,
                               "%s differs between begin and end",
                               members[i].name);
        }
    }
}

static void check_pagination(const struct mg_ocmf *a, const struct mg_ocmf *b,
                             struct mg_findings *f)
{
    if (a->context == '\0' || b->context == '\0') {
        return; /* "pagination-form" is said of each */
    }
    if (a->context != b->context || b->pagination <= a->pagination) {
        mg_findings_report(f, MG_CHECK_PAIR_PAGINATION, -1,
                           "%c%llu after %c%llu", b->context,
                           (unsigned long long)b->pagination, a->context,
                           (unsigned long long)a->pagination);
    } else if (b->pagination - a->pagination > 1) {
        mg_findings_report(
            f, MG_CHECK_PAIR_GAP, -1, "%llu records between T%llu and T%llu",
            (unsigned long long)(b->pagination - a->pagination - 1),
            (unsigned long long)a->pagination,
            (unsigned long long)b->pagination);
    }
}

static void check_values(const struct mg_ocmf_reading *a,
                         const struct mg_ocmf_reading *b, struct mg_findings *f)
{
    if (a->has_time && b->has_time && b->utc_ms < a->utc_ms) {
        mg_findings_report(f, MG_CHECK_PAIR_TIME, -1,
                           "the end is %lld ms before the begin",
                           (long long)(a->utc_ms - b->utc_ms));
    }
    if (a->unit != b->unit || !ocmf_is_same(a->ri, b->ri)) {
        mg_findings_report(f, MG_CHECK_PAIR_ENERGY, -1,
                           "RI or RU differs between begin and end");
    } else if (ocmf_compare(&a->rv, &b->rv) < 0) {
        mg_findings_report(f, MG_CHECK_PAIR_ENERGY, -1, "RV %.*s after %.*s",
                           ocmf_cut(b->rv.text, 24), b->rv.text.text,
                           ocmf_cut(a->rv.text, 24), a->rv.text.text);
    }
    if (ocmf_compare(&a->cl, &b->cl) < 0) {
        mg_findings_report(f, MG_CHECK_PAIR_LOSS, -1, "CL %.*s after %.*s",
                           ocmf_cut(b->cl.text, 24), b->cl.text.text,
                           ocmf_cut(a->cl.text, 24), a->cl.text.text);
    }
}

void mg_ocmf_check_pair(const struct mg_ocmf *begin, const struct mg_ocmf *end,
                        struct mg_findings *ret)
{
    const struct mg_ocmf_reading *first = NULL;
    const struct mg_ocmf_reading *last = NULL;
    const struct mg_ocmf_reading *unused = NULL;
    (void)mg_ocmf_transaction(begin, &first, &unused);
    (void)mg_ocmf_transaction(end, &unused, &last);
    check_source(begin, end, ret);
    check_pagination(begin, end, ret);
    if (first == NULL) {
        mg_findings_report(ret, MG_CHECK_PAIR_BEGIN, -1,
                           "the first record has no begin");
    }
    if (last == NULL) {
        mg_findings_report(ret, MG_CHECK_PAIR_END, -1,
                           "the second record has no end");
    }
    if (first != NULL && last != NULL) {
        check_values(first, last, ret);
    }
}
