/* What Transparenzsoftware refuses. Found by running its version 1.4.1 on
 * published and generated records; version 1.3.0 is the one that is named in
 * the type approval of the ChargePoint Flex stations ("Download the
 * transparency software"): with any other their records get a note. What
 * differs between the two is not known, so 1.3 gets the same rules and a note.
 */
#include "model/ocmf_checks_priv.h"

static void check_form(const struct mg_ocmf *o, struct mg_findings *f)
{
    static const char *const KNOWN[] = {"0.1", "0.2", "0.3", "0.4", "0.5",
                                        "1.0", "1.1", "1.2", "1.3", NULL};
    if (o->fv.text == NULL) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_VERSION, -1,
                           "FV is missing");
    } else if (!ocmf_is_one_of(o->fv, KNOWN)) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_VERSION, -1,
                           "FV %.*s is not known", ocmf_cut(o->fv, 20),
                           o->fv.text);
    }
    if ((o->oddities & MG_OCMF_ODD_PIPE) != 0) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_PIPE, -1, "a '|' in a text");
    }
    if ((o->oddities & MG_OCMF_ODD_DUPLICATE) != 0) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_DUPLICATE, -1,
                           "a name comes twice");
    }
    if (o->has_if && !o->is_if_array) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_FLAGS, -1, "IF is a text");
    }
}

static void check_user(const struct mg_ocmf *o, struct mg_findings *f)
{
    static const char *const ERRORS[] = {"MISMATCH", "INVALID", "OUTDATED",
                                         "UNKNOWN", NULL};
    if (ocmf_is_one_of(o->il, ERRORS)) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_USER, -1, "IL is %.*s",
                           (int)o->il.len, o->il.text);
    }
}

static bool is_law_relevant(const struct mg_ocmf_reading *r)
{
    struct mg_obis_parts obis;
    return mg_obis_parse(r->ri, &obis) && mg_obis_is_law_relevant(&obis);
}

static bool is_known_end(char tx)
{
    return mg_ocmf_is_end(tx) && tx != 'r';
}

static void count_marks(const struct mg_ocmf *o, int first, unsigned *ret_begin,
                        unsigned *ret_end)
{
    for (int i = first; i >= 0; i = ocmf_next_of_register(o, i)) {
        *ret_begin += o->readings[i].tx == 'B';
        *ret_end += is_known_end(o->readings[i].tx);
    }
}

static void check_law(const struct mg_ocmf *o, struct mg_findings *f)
{
    bool has_relevant = false;
    for (int i = 0; (size_t)i < o->n_readings; i++) {
        if (!is_law_relevant(&o->readings[i])) {
            continue;
        }
        has_relevant = true;
        if (!ocmf_is_first_of_register(o, i)) {
            continue;
        }
        unsigned n_begin = 0;
        unsigned n_end = 0;
        count_marks(o, i, &n_begin, &n_end);
        if (n_begin != 1 || n_end != 1) {
            mg_findings_report(f, MG_CHECK_TRANSPARENZ_TRANSACTION, i,
                               "%u begin and %u end of this register", n_begin,
                               n_end);
        }
    }
    if (!has_relevant) {
        mg_findings_report(f, MG_CHECK_TRANSPARENZ_REGISTER, -1,
                           "no reading of a law-relevant register");
    }
}

static void check_carry(const struct mg_ocmf *o, struct mg_findings *f)
{
    for (size_t i = 0; i < o->n_readings; i++) {
        if (o->readings[i].is_ri_tx_carried) {
            mg_findings_report(f, MG_CHECK_TRANSPARENZ_CARRY, (int)i,
                               "RI or TX is left out");
            return;
        }
    }
}

void mg_ocmf_check_profile(const struct mg_ocmf *ocmf,
                           enum mg_ocmf_profile profile,
                           struct mg_findings *ret)
{
    if (profile == MG_PROFILE_NONE) {
        return;
    }
    check_form(ocmf, ret);
    check_user(ocmf, ret);
    check_carry(ocmf, ret);
    check_law(ocmf, ret);
    uint64_t session;
    if (profile != MG_PROFILE_TRANSPARENZ_1_3 &&
        mg_ocmf_session(ocmf, &session)) {
        mg_findings_report(
            ret, MG_CHECK_TRANSPARENZ_ASSESSED, -1, "%s",
            mg_check_kind(MG_CHECK_TRANSPARENZ_ASSESSED)->meaning);
    }
    if (profile == MG_PROFILE_TRANSPARENZ_1_3) {
        mg_findings_report(
            ret, MG_CHECK_TRANSPARENZ_INFERRED, -1, "%s",
            mg_check_kind(MG_CHECK_TRANSPARENZ_INFERRED)->meaning);
    }
}
