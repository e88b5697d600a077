/* OCMF records: reading them without changing a byte.
 *
 * "OCMF|<payload>|<signature>"; what is signed is the payload exactly as it is
 * written (OCMF 1.4.1, chapter "Structure"). Everything below points into the
 * text of the record; nothing is allocated. */
#ifndef MG_MODEL_OCMF_H
#define MG_MODEL_OCMF_H

#include "base/err.h"

#define MG_OCMF_TEXT_MAX     (1U << 20) /* of a record */
#define MG_OCMF_READINGS_MAX 512
#define MG_OCMF_FLAGS_MAX    8

/** A piece of the record; text NULL: the member is not there. For strings the
 *  part between the quotes, escapes untouched (mg_ocmf_text resolves them). */
struct mg_span {
    const char *text;
    size_t len;
};

/** A decimal number as it was written: value = mantissa * 10^-decimals. */
struct mg_ocmf_number {
    bool is_there; /* a member that can be read as a number */
    bool is_text;  /* it was written as a string */
    bool is_exact; /* false: more digits than 18; mantissa is not valid */
    int64_t mantissa;
    uint8_t decimals; /* valid digits after the point, 0..18 */
    struct mg_span text;
};

enum mg_ocmf_unit { MG_OCMF_NO_UNIT, MG_OCMF_KWH, MG_OCMF_WH, MG_OCMF_OTHER };

/** A reading with what it inherits from the one before (carry-forward). */
struct mg_ocmf_reading {
    struct mg_span time; /* TM whole */
    bool has_time;       /* and it is well-formed: */
    int64_t utc_ms;
    int16_t offset_min;
    char clock;  /* 'U', 'I', 'S', 'R'; 0 */
    char tx;     /* 0: absent, fiscal */
    char status; /* ST; 0 */
    struct mg_span ri, ru, rt, ef;
    enum mg_ocmf_unit unit;
    struct mg_ocmf_number rv, cl;
    bool is_energy_bad, is_time_bad; /* EF has E, t */
    bool is_carried;       /* some members come from the reading before */
    bool is_ri_tx_carried; /* RI or TX does */
};

/** Members as spans in the order of the specification. */
struct mg_ocmf {
    struct mg_span payload, signature; /* sections, as written */
    struct mg_span fv, gi, gs, gv, pg, mv, mm, ms, mf, il, it, id, tt, cf, ct,
        ci;
    bool has_is, is_assigned; /* IS */
    bool has_if, is_if_array; /* IF is there; and an array */
    size_t n_flags;
    struct mg_span flags[MG_OCMF_FLAGS_MAX]; /* IF */
    struct mg_span ln, lu;                   /* LC */
    bool has_lc;
    struct mg_ocmf_number li, lr;
    char context;                  /* of PG: 'T', 'F'; 0 */
    uint64_t pagination;           /* of PG */
    struct mg_span pg_suffix;      /* after the number: "-<session id>" */
    struct mg_span sa, se, sm, sd; /* signature section */
    size_t n_readings;
    struct mg_ocmf_reading readings[MG_OCMF_READINGS_MAX];
    unsigned oddities; /* enum mg_ocmf_oddity bits */
};

/** Found while reading; each is tolerated and named in the checks. */
enum mg_ocmf_oddity {
    MG_OCMF_ODD_DUPLICATE = 1 << 0, /* a name twice: the last one counts */
    MG_OCMF_ODD_PIPE = 1 << 1,      /* `|` in a string */
    MG_OCMF_ODD_TYPE = 1 << 2,      /* a member of another type */
    MG_OCMF_ODD_SPACE = 1 << 3      /* white space around a section, not within
                                     * its braces */
};

/** Read a record.
 *  @param ret  about 100 KB: not for the stack; points into `text`
 *  @return MG_OK; MG_E_PROTO with err (byte offset, what was expected): no OCMF
 *          record. A missing mandatory member is no reason to refuse: see the
 *          checks. */
int mg_ocmf_parse(const char *text, size_t len, struct mg_ocmf *ret,
                  struct mg_err *err);

/** Resolve the escapes of a string; NUL-terminated.
 *  @return length; 0 and "" when it does not fit or is absent */
size_t mg_ocmf_text(struct mg_span span, char *buf, size_t cap);

/** The session that PG names behind its number, as ChargePoint's stations do:
 *  "T15-4193206880799101095". @return false: none, or more than 64 bits */
bool mg_ocmf_session(const struct mg_ocmf *ocmf, uint64_t *ret);

/** Offset between two numbers of one unit: ret_mantissa * 10^-ret_decimals =
 *  b - a, exactly. @return MG_OK or MG_E_RANGE */
int mg_ocmf_difference(const struct mg_ocmf_number *a,
                       const struct mg_ocmf_number *b, int64_t *ret_mantissa,
                       uint8_t *ret_decimals);

/** Values of IL, IF and IT; NULL at the end (OCMF 1.4, tables 11 to 17). */
extern const char *const MG_OCMF_LEVELS[], *const MG_OCMF_FLAGS[],
                                               *const MG_OCMF_TYPES[];

/* ---- Checks beyond the signature ---- */

enum mg_severity {
    MG_SEVERITY_NOTE,    /* worth knowing */
    MG_SEVERITY_WARNING, /* a deviation that changes nothing for the bill */
    MG_SEVERITY_ERROR    /* not to be billed, or not by the specification */
};

struct mg_finding {
    const char *id; /* static: "time-order", "no-end", ... */
    enum mg_severity severity;
    int reading; /* index, or -1 */
    char text[120];
};

#define MG_FINDINGS_MAX 64

struct mg_findings {
    size_t n;
    bool is_cut; /* there were more */
    struct mg_finding all[MG_FINDINGS_MAX];
};

void mg_findings_add(struct mg_findings *f, const char *id,
                     enum mg_severity severity, int reading, const char *format,
                     ...) __attribute__((format(printf, 5, 6)));

/** Is this one record a whole transaction that may be billed? Begin first, end
 *  last, nothing after; times and energies do not go back; clock state; error
 *  flags; status; units; OBIS; mandatory members; values of the tables; loss
 *  arithmetic (LC, CL: 0 at the begin, monotone, unit, RV + CL not falling,
 *  plausible). Pure. */
void mg_ocmf_check(const struct mg_ocmf *ocmf, struct mg_findings *ret);

/** Begin and end in two records: one source, one transaction, order,
 *  pagination ascending without a gap. */
void mg_ocmf_check_pair(const struct mg_ocmf *begin, const struct mg_ocmf *end,
                        struct mg_findings *ret);

enum mg_ocmf_profile {
    MG_PROFILE_NONE,
    MG_PROFILE_TRANSPARENZ_1_3,
    MG_PROFILE_TRANSPARENZ_1_4
};

/** What that program would refuse of this record, besides a bad signature. */
void mg_ocmf_check_profile(const struct mg_ocmf *ocmf,
                           enum mg_ocmf_profile profile,
                           struct mg_findings *ret);

/** Whether the record is a whole transaction with usable energy: begin and end,
 *  none of the errors of mg_ocmf_check. The time error flag alone is a warning:
 *  the energy of such a record is valid, its times are not (WM3M4C description
 *  V1.07, 5.5.17).
 *  @param ret_why  why not, "" when it is */
bool mg_ocmf_is_billable(const struct mg_ocmf *ocmf, char ret_why[120]);

#endif
