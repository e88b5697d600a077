/* Each reading for itself: members, values of the tables, clock. */
#include "model/ocmf_checks_priv.h"

static void check_missing(const struct mg_ocmf_reading *r, int i,
                          struct mg_findings *f)
{
    /* A pure error event has no value (OCMF 1.4, "Reading"). */
    bool is_event = r->is_energy_bad || r->is_time_bad;
    const char *missing = r->time.text == NULL                   ? "TM"
                          : r->status == '\0'                    ? "ST"
                          : r->rv.text.text == NULL && !is_event ? "RV"
                                                                 : NULL;
    if (missing != NULL) {
        mg_findings_report(f, MG_CHECK_MISSING_VALUE, i, "%s is missing",
                           missing);
    }
}

static void check_forms(const struct mg_ocmf_reading *r, int i,
                        struct mg_findings *f)
{
    if (r->time.text != NULL && !r->has_time) {
        mg_findings_report(f, MG_CHECK_TIME_FORM, i,
                           "TM '%.*s' is not of the form",
                           ocmf_cut(r->time, 40), r->time.text);
    }
    if (r->rv.text.text != NULL && !r->rv.is_exact) {
        mg_findings_report(f, MG_CHECK_ENERGY_FORM, i,
                           "RV '%.*s' is no number of at most 18 digits",
                           ocmf_cut(r->rv.text, 40), r->rv.text.text);
    }
    if (r->is_energy_bad) {
        mg_findings_report(f, MG_CHECK_ENERGY_FLAG, i,
                           "EF says that the energy is not usable");
    }
    if (r->is_time_bad) {
        mg_findings_report(f, MG_CHECK_TIME_FLAG, i,
                           "EF says that the time is not usable");
    }
}

static const char *status_text(char status)
{
    static const char LETTERS[] = "NTDRMXIOSEF";
    static const char *const TEXTS[] = {
        "not present",      "time-out",    "disconnected", "not found",
        "manipulated",      "exchanged",   "incompatible", "out of range",
        "substitute value", "other error", "reading error"};
    const char *at = strchr(LETTERS, status);
    return at == NULL || status == '\0' ? "not of the table"
                                        : TEXTS[at - LETTERS];
}

static void check_values(const struct mg_ocmf_reading *r, int i,
                         struct mg_findings *f)
{
    static const char *const TYPES[] = {"AC", "DC", "", NULL};
    static const char *const ERRORS[] = {"", "E", "t", "Et", NULL};
    if (r->rt.text != NULL && !ocmf_is_one_of(r->rt, TYPES)) {
        mg_findings_report(f, MG_CHECK_UNKNOWN_VALUE, i,
                           "RT: '%.*s' is not in its table",
                           ocmf_cut(r->rt, 40), r->rt.text);
    }
    if (r->ef.text != NULL && !ocmf_is_one_of(r->ef, ERRORS)) {
        mg_findings_report(f, MG_CHECK_UNKNOWN_VALUE, i,
                           "EF: '%.*s' is not in its table",
                           ocmf_cut(r->ef, 40), r->ef.text);
    }
    if (r->tx != '\0' && strchr("BCXELRAPSTr", r->tx) == NULL) {
        mg_findings_report(f, MG_CHECK_UNKNOWN_VALUE, i,
                           "TX is not in its table");
    }
    if (r->tx == 'r') {
        mg_findings_report(f, MG_CHECK_END_SPELLING, i,
                           "TX is r, taken as R: ended from remote");
    }
    if (r->status != '\0' && r->status != 'G') {
        mg_findings_report(f, MG_CHECK_METER_STATUS, i, "ST is %c: %s",
                           r->status, status_text(r->status));
    }
}

static void check_register(const struct mg_ocmf_reading *r, int i,
                           struct mg_findings *f)
{
    struct mg_obis_parts obis;
    if ((r->ri.text == NULL) != (r->ru.text == NULL)) {
        mg_findings_report(f, MG_CHECK_REGISTER_PAIR, i, "%s without %s",
                           r->ri.text == NULL ? "RU" : "RI",
                           r->ri.text == NULL ? "RI" : "RU");
    }
    if (r->ri.text != NULL && ocmf_is_energy(r) &&
        (!mg_obis_parse(r->ri, &obis) || obis.d != 8)) {
        mg_findings_report(f, MG_CHECK_REGISTER_FORM, i,
                           "RI '%.*s' is no code of an energy register",
                           ocmf_cut(r->ri, 40), r->ri.text);
    }
    if (r->rv.is_exact && r->unit == MG_OCMF_KWH && r->rv.decimals < 2) {
        mg_findings_report(f, MG_CHECK_ENERGY_DIGITS, i,
                           "%u decimals in kWh; two are recommended",
                           r->rv.decimals);
    }
}

/* ---- What is said once for all readings ---- */

static int first_with(const struct mg_ocmf *o,
                      bool (*is)(const struct mg_ocmf_reading *r))
{
    for (size_t i = 0; i < o->n_readings; i++) {
        if (is(&o->readings[i])) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_carried(const struct mg_ocmf_reading *r)
{
    return r->is_carried;
}

static bool is_text(const struct mg_ocmf_reading *r)
{
    return r->rv.is_text || r->cl.is_text;
}

static bool is_other_unit(const struct mg_ocmf_reading *r)
{
    return r->unit == MG_OCMF_OTHER;
}

static bool is_doubtful_clock(const struct mg_ocmf_reading *r)
{
    return r->clock == 'U' || r->clock == 'I';
}

static bool is_relative_clock(const struct mg_ocmf_reading *r)
{
    return r->clock == 'R';
}

static void check_all(const struct mg_ocmf *o, struct mg_findings *f)
{
    static const struct {
        enum mg_check check;
        bool (*is)(const struct mg_ocmf_reading *r);
    } KINDS[] = {{MG_CHECK_CARRY_FORWARD, is_carried},
                 {MG_CHECK_NUMBER_AS_TEXT, is_text},
                 {MG_CHECK_OTHER_UNIT, is_other_unit},
                 {MG_CHECK_CLOCK_STATE, is_doubtful_clock},
                 {MG_CHECK_CLOCK_RELATIVE, is_relative_clock}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        int at = first_with(o, KINDS[i].is);
        if (at >= 0) {
            mg_findings_report(f, KINDS[i].check, at, "%s",
                               mg_check_kind(KINDS[i].check)->meaning);
        }
    }
}

static void check_clock_change(const struct mg_ocmf *o, struct mg_findings *f)
{
    for (size_t i = 1; i < o->n_readings; i++) {
        const struct mg_ocmf_reading *r = &o->readings[i];
        if (r->clock != '\0' && r[-1].clock != '\0' &&
            r->clock != r[-1].clock) {
            mg_findings_report(f, MG_CHECK_CLOCK_CHANGED, (int)i,
                               "the clock state goes from %c to %c",
                               r[-1].clock, r->clock);
            return;
        }
    }
}

void ocmf_check_readings(const struct mg_ocmf *o, struct mg_findings *f)
{
    if (o->n_readings == 0) {
        mg_findings_report(f, MG_CHECK_NO_READINGS, -1,
                           "RD is missing or empty");
        return;
    }
    for (size_t i = 0; i < o->n_readings; i++) {
        const struct mg_ocmf_reading *r = &o->readings[i];
        check_missing(r, (int)i, f);
        check_forms(r, (int)i, f);
        check_values(r, (int)i, f);
        check_register(r, (int)i, f);
    }
    check_all(o, f);
    check_clock_change(o, f);
}
