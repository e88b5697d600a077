/* The members of the payload. Readings: ocmf_check_readings.c */
#include "model/ocmf_check.h"
#include "model/ocmf_checks_priv.h"

const char *const MG_OCMF_LEVELS[] = {
    "NONE",     "HEARSAY", "TRUSTED",  "VERIFIED", "CERTIFIED", "SECURE",
    "MISMATCH", "INVALID", "OUTDATED", "UNKNOWN",  NULL};
const char *const MG_OCMF_FLAGS[] = {
    "RFID_NONE",     "RFID_PLAIN",     "RFID_RELATED",
    "RFID_PSK",      "OCPP_NONE",      "OCPP_RS",
    "OCPP_AUTH",     "OCPP_RS_TLS",    "OCPP_AUTH_TLS",
    "OCPP_CACHE",    "OCPP_WHITELIST", "OCPP_CERTIFIED",
    "ISO15118_NONE", "ISO15118_PNC",   "PLMN_NONE",
    "PLMN_RING",     "PLMN_SMS",       NULL};
const char *const MG_OCMF_TYPES[] = {
    "NONE",    "DENIED",       "UNDEFINED", "ISO14443", "ISO15693",
    "EMAID",   "EVCCID",       "EVCOID",    "ISO7812",  "CARD_TXN_NR",
    "CENTRAL", "CENTRAL_1",    "CENTRAL_2", "LOCAL",    "LOCAL_1",
    "LOCAL_2", "PHONE_NUMBER", "KEY_CODE",  NULL};
static const char *const POINTS[] = {"EVSEID", "CBIDC", NULL};
static const char *const VERSIONS[] = {"0.1", "0.2", "0.3", "0.4", "0.5", "1.0",
                                       "1.1", "1.2", "1.3", "1.4", NULL};

bool ocmf_is_one_of(struct mg_span span, const char *const *values)
{
    for (; *values != NULL; values++) {
        if (ocmf_is(span, *values)) {
            return true;
        }
    }
    return false;
}

static void check_oddities(const struct mg_ocmf *o, struct mg_findings *f)
{
    static const struct {
        enum mg_ocmf_oddity bit;
        enum mg_check check;
    } ODDITIES[] = {{MG_OCMF_ODD_DUPLICATE, MG_CHECK_DUPLICATE_MEMBER},
                    {MG_OCMF_ODD_PIPE, MG_CHECK_PIPE_IN_STRING},
                    {MG_OCMF_ODD_TYPE, MG_CHECK_MEMBER_TYPE},
                    {MG_OCMF_ODD_SPACE, MG_CHECK_SECTION_SPACE}};
    for (size_t i = 0; i < sizeof ODDITIES / sizeof *ODDITIES; i++) {
        if ((o->oddities & ODDITIES[i].bit) != 0) {
            mg_findings_report(f, ODDITIES[i].check, -1, "%s",
                               mg_check_kind(ODDITIES[i].check)->meaning);
        }
    }
}

static void check_missing(const struct mg_ocmf *o, struct mg_findings *f)
{
    const struct {
        const char *name;
        bool is_there;
    } members[] = {{"PG", o->pg.len > 0},
                   {"MS", o->ms.len > 0},
                   {"IS", o->has_is},
                   {"IT", o->it.len > 0 || o->context == 'F'}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!members[i].is_there) {
            mg_findings_report(f, MG_CHECK_MISSING_MEMBER, -1,
                               "%s is mandatory", members[i].name);
        }
    }
    if (o->ms.len == 0 && o->gs.len == 0 && o->ci.len == 0) {
        mg_findings_report(f, MG_CHECK_NO_SOURCE, -1,
                           "neither MS nor GS nor CI: of which meter?");
    }
}

static void check_version(const struct mg_ocmf *o, struct mg_findings *f)
{
    if (o->fv.text == NULL) {
        mg_findings_report(f, MG_CHECK_FORMAT_VERSION, -1, "FV is missing");
    } else if (!ocmf_is_one_of(o->fv, VERSIONS)) {
        mg_findings_report(f, MG_CHECK_FORMAT_VERSION, -1,
                           "FV %.*s is no version of OCMF", ocmf_cut(o->fv, 20),
                           o->fv.text);
    } else if (o->fv.text[-1] != '"') {
        mg_findings_report(f, MG_CHECK_FORMAT_VERSION, -1,
                           "FV is a number instead of a text");
    }
}

static void check_pagination(const struct mg_ocmf *o, struct mg_findings *f)
{
    if (o->pg.len == 0) {
        return;
    }
    bool has_zero = o->pg.len > 2 && o->pg.text[1] == '0' &&
                    o->pg.text[2] >= '0' && o->pg.text[2] <= '9';
    if (o->context == '\0' || has_zero) {
        mg_findings_report(f, MG_CHECK_PAGINATION_FORM, -1,
                           "PG is '%.*s', not T or F and a number",
                           ocmf_cut(o->pg, 30), o->pg.text);
    }
    if (o->pg_suffix.len > 0) {
        mg_findings_report(f, MG_CHECK_PAGINATION_SUFFIX, -1,
                           "PG goes on with '%.*s'", ocmf_cut(o->pg_suffix, 40),
                           o->pg_suffix.text);
    }
}

static void check_value(const char *name, struct mg_span value,
                        const char *const *values, struct mg_findings *f)
{
    if (value.text != NULL && !ocmf_is_one_of(value, values)) {
        mg_findings_report(f, MG_CHECK_UNKNOWN_VALUE, -1,
                           "%s: '%.*s' is not in its table", name,
                           ocmf_cut(value, 40), value.text);
    }
}

static void check_user(const struct mg_ocmf *o, struct mg_findings *f)
{
    static const char *const ERRORS[] = {"MISMATCH", "INVALID", "OUTDATED",
                                         "UNKNOWN", NULL};
    check_value("IL", o->il, MG_OCMF_LEVELS, f);
    check_value("IT", o->it, MG_OCMF_TYPES, f);
    check_value("CT", o->ct, POINTS, f);
    for (size_t i = 0; i < o->n_flags; i++) {
        check_value("IF", o->flags[i], MG_OCMF_FLAGS, f);
    }
    if (o->has_if && !o->is_if_array) {
        mg_findings_report(f, MG_CHECK_FLAGS_FORM, -1, "IF is no array");
    } else if (o->n_flags > 4) {
        mg_findings_report(f, MG_CHECK_FLAGS_FORM, -1,
                           "IF has %zu flags, more than 4", o->n_flags);
    }
    if (ocmf_is_one_of(o->il, ERRORS)) {
        mg_findings_report(f, MG_CHECK_USER_ASSIGNMENT, -1, "IL is %.*s",
                           (int)o->il.len, o->il.text);
    }
}

static bool is_hex(struct mg_span span)
{
    for (size_t i = 0; i < span.len; i++) {
        if (span.text[i] == '\0' ||
            strchr("0123456789abcdefABCDEF", span.text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* The text itself is about a person: it is not repeated. */
static void check_user_id(const struct mg_ocmf *o, struct mg_findings *f)
{
    static const struct {
        const char *type;
        size_t a, b; /* characters */
        bool is_hex;
    } FORMS[] = {{"ISO14443", 8, 14, true},
                 {"ISO15693", 16, 16, true},
                 {"EMAID", 14, 15, false},
                 {"EVCCID", 6, 12, true}};
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        if (!ocmf_is(o->it, FORMS[i].type)) {
            continue;
        }
        bool is_right = (o->id.len == FORMS[i].a || o->id.len == FORMS[i].b) &&
                        (!FORMS[i].is_hex || is_hex(o->id));
        if (!is_right) {
            mg_findings_report(f, MG_CHECK_USER_ID_FORM, -1,
                               "ID is no %s of %zu or %zu %s", FORMS[i].type,
                               FORMS[i].a, FORMS[i].b,
                               FORMS[i].is_hex ? "hex digits" : "characters");
        }
    }
}

/* Characters, not bytes. */
static size_t length_of(struct mg_span span)
{
    char text[2048];
    size_t n = 0;
    size_t len = mg_ocmf_text(span, text, sizeof text);
    for (size_t i = 0; i < len; i++) {
        n += ((uint8_t)text[i] & 0xc0) != 0x80;
    }
    return len == 0 ? span.len : n;
}

static void check_lengths(const struct mg_ocmf *o, struct mg_findings *f)
{
    const struct {
        const char *name;
        struct mg_span text;
        size_t max;
    } texts[] = {{"TT", o->tt, 250}, {"CF", o->cf, 25}, {"LN", o->ln, 20}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = length_of(texts[i].text);
        if (len > texts[i].max) {
            mg_findings_report(f, MG_CHECK_TEXT_LENGTH, -1,
                               "%s has %zu characters, more than %zu",
                               texts[i].name, len, texts[i].max);
        }
    }
}

void mg_ocmf_check(const struct mg_ocmf *ocmf, struct mg_findings *ret)
{
    check_oddities(ocmf, ret);
    check_version(ocmf, ret);
    check_missing(ocmf, ret);
    check_pagination(ocmf, ret);
    check_user(ocmf, ret);
    check_user_id(ocmf, ret);
    check_lengths(ocmf, ret);
    ocmf_check_readings(ocmf, ret);
    ocmf_check_registers(ocmf, ret);
    ocmf_check_cable(ocmf, ret);
}
