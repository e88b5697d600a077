#include <stdio.h>

#include "model/ocmf_checks_priv.h"

#define WHY_MAX 120

/* The findings say more than one line can: the first error is the reason. */
static bool find_error(const struct mg_ocmf *o, char ret_why[WHY_MAX])
{
    struct mg_findings f;
    f.n = 0;
    f.is_cut = false;
    mg_ocmf_check(o, &f);
    for (size_t i = 0; i < f.n; i++) {
        if (f.all[i].severity == MG_SEVERITY_ERROR) {
            (void)snprintf(ret_why, WHY_MAX, "%s: %.80s", f.all[i].id,
                           f.all[i].text);
            return true;
        }
    }
    if (f.is_cut) {
        (void)snprintf(ret_why, WHY_MAX, "more than %d findings",
                       MG_FINDINGS_MAX);
    }
    return f.is_cut;
}

bool mg_ocmf_is_billable(const struct mg_ocmf *ocmf, char ret_why[120])
{
    const struct mg_ocmf_reading *begin = NULL;
    const struct mg_ocmf_reading *end = NULL;
    ret_why[0] = '\0';
    if (find_error(ocmf, ret_why)) {
        return false;
    }
    if (ocmf->context == 'F' || !mg_ocmf_transaction(ocmf, &begin, &end) ||
        begin == NULL || end == NULL) {
        (void)snprintf(ret_why, WHY_MAX,
                       "fiscal: not the record of a transaction");
        return false;
    }
    return true;
}
