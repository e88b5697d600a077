/* The checks of OCMF records by name. Ids are stable: programs look for them.
 *
 * One list for all: what mg_ocmf_check, mg_ocmf_check_pair and
 * mg_ocmf_check_profile find, and what the verification of the signature
 * tolerates. `metergate verify --list-checks` prints it. */
#ifndef MG_MODEL_OCMF_CHECK_H
#define MG_MODEL_OCMF_CHECK_H

#include "model/ocmf.h"

/* X(constant, id, severity, meaning) */
#define MG_CHECKS(X)                                                           \
    /* Signature and key */                                                    \
    X(SIGNATURE_MISSING, "signature-missing", ERROR, "SD is not there")        \
    X(SIGNATURE_DER, "signature-der-zeros", WARNING,                           \
      "integers of the signature have superfluous leading zeros")              \
    X(SIGNATURE_RAW, "signature-raw", WARNING,                                 \
      "the signature is r and s without DER")                                  \
    X(SIGNATURE_ENCODING, "signature-encoding", WARNING,                       \
      "SD is not encoded as SE says, or SE is no value of the table")          \
    X(SIGNATURE_TYPE, "signature-type", WARNING,                               \
      "SM is not application/x-der")                                           \
    X(ALGORITHM_NAME, "algorithm-name", WARNING,                               \
      "SA names a known algorithm in a spelling outside the table")            \
    X(KEY_CURVE, "key-curve", WARNING,                                         \
      "the key is of another curve than SA says")                              \
    X(KEY_RAW, "key-raw", WARNING, "the key is X and Y without SPKI")          \
    X(KEY_SPACED, "key-spaced", NOTE, "the key has blanks or colons in it")    \
    /* Form of the record */                                                   \
    X(DUPLICATE_MEMBER, "duplicate-member", WARNING,                           \
      "a name comes twice; the last one counts")                               \
    X(PIPE_IN_STRING, "pipe-in-string", WARNING,                               \
      "a text has a '|', which the format forbids")                            \
    X(MEMBER_TYPE, "member-type", WARNING,                                     \
      "a member is of another JSON type than the format says")                 \
    X(SECTION_SPACE, "section-space", WARNING,                                 \
      "white space between a '|' and a brace; it counts as signed text")       \
    X(CARRY_FORWARD, "carry-forward", NOTE,                                    \
      "readings leave out what is as in the one before")                       \
    X(MISSING_MEMBER, "missing-member", WARNING,                               \
      "a mandatory member of the payload is missing")                          \
    X(NO_SOURCE, "no-source", ERROR,                                           \
      "nothing names the meter or gateway: no MS, GS, CI")                     \
    X(FORMAT_VERSION, "format-version", WARNING,                               \
      "FV is missing, a number, or no version of the format")                  \
    X(PAGINATION_FORM, "pagination-form", WARNING,                             \
      "PG is not T or F and a number without leading zeros")                   \
    X(PAGINATION_SUFFIX, "pagination-suffix", WARNING,                         \
      "PG goes on after its number")                                           \
    X(UNKNOWN_VALUE, "unknown-value", WARNING,                                 \
      "a value outside the table that the format gives")                       \
    X(FLAGS_FORM, "flags-form", WARNING,                                       \
      "IF is no array, or has more than four flags")                           \
    X(USER_ASSIGNMENT, "user-assignment", WARNING,                             \
      "IL names an error: the user was not assigned for certain")              \
    X(USER_ID_FORM, "user-id-form", WARNING,                                   \
      "ID has not the form that its type IT asks for")                         \
    X(TEXT_LENGTH, "text-length", WARNING,                                     \
      "a text is longer than the format allows")                               \
    /* Readings */                                                             \
    X(NO_READINGS, "no-readings", ERROR, "RD is missing or empty")             \
    X(MISSING_VALUE, "missing-value", ERROR,                                   \
      "a reading has no TM, RV or ST, nor one to inherit")                     \
    X(TIME_FORM, "time-form", ERROR,                                           \
      "TM is not YYYY-MM-DDThh:mm:ss,mmm+hhmm and a clock letter")             \
    X(TIME_ORDER, "time-order", ERROR, "time goes back")                       \
    X(TIME_FLAG, "time-flag", WARNING, "EF t: the time is not usable")         \
    X(CLOCK_STATE, "clock-state", WARNING,                                     \
      "the clock was unsynchronised (U) or informative (I)")                   \
    X(CLOCK_RELATIVE, "clock-relative", NOTE,                                  \
      "only the duration is calibrated (R)")                                   \
    X(CLOCK_CHANGED, "clock-changed", NOTE,                                    \
      "the clock state differs between readings")                              \
    X(ENERGY_FORM, "energy-form", ERROR,                                       \
      "RV is no decimal number of at most 18 digits")                          \
    X(ENERGY_ORDER, "energy-order", ERROR, "energy goes back")                 \
    X(ENERGY_FLAG, "energy-flag", ERROR, "EF E: the energy is not usable")     \
    X(ENERGY_DIGITS, "energy-digits", NOTE,                                    \
      "energy in kWh with fewer than the two decimals that are recommended")   \
    X(NO_ENERGY, "no-energy", ERROR, "no reading is in kWh or Wh")             \
    X(NUMBER_AS_TEXT, "number-as-text", WARNING,                               \
      "a number is written as text")                                           \
    X(OTHER_UNIT, "other-unit", WARNING,                                       \
      "a unit outside the table; such readings are not billed")                \
    X(UNIT_ORDER, "unit-order", ERROR, "the unit changes within one register") \
    X(REGISTER_FORM, "register-form", WARNING,                                 \
      "RI is no OBIS code of an energy register")                              \
    X(REGISTER_PAIR, "register-pair", WARNING,                                 \
      "RI and RU stand or fall together, but one is missing")                  \
    X(METER_STATUS, "meter-status", ERROR,                                     \
      "ST is not G: the meter did not measure as it should")                   \
    /* Transaction */                                                          \
    X(FISCAL, "fiscal", NOTE, "a fiscal record, of no transaction")            \
    X(NO_BEGIN, "no-begin", ERROR, "the transaction's begin is not there")     \
    X(NO_END, "no-end", ERROR, "the transaction's end is not there")           \
    X(SECOND_BEGIN, "second-begin", ERROR, "a begin after the begin")          \
    X(AFTER_END, "after-end", ERROR, "a reading after the end")                \
    X(EXCEPTION, "exception", ERROR,                                           \
      "TX X: values are not usable from here on")                              \
    X(END_SPELLING, "end-spelling", WARNING,                                   \
      "TX r: a remote end in a spelling outside the table")                    \
    /* Cable loss */                                                           \
    X(LOSS_FORM, "loss-form", ERROR, "CL is no decimal number, or negative")   \
    X(LOSS_BEGIN, "loss-begin", ERROR, "CL is not 0 at the begin")             \
    X(LOSS_ORDER, "loss-order", ERROR, "CL goes back")                         \
    X(LOSS_SUM, "loss-sum", ERROR,                                             \
      "RV + CL, the meter's own reading, goes back")                           \
    X(LOSS_HIGH, "loss-high", WARNING,                                         \
      "CL is more than LR can account for, or LR is 0")                        \
    X(LOSS_REGISTER, "loss-register", WARNING,                                 \
      "CL with a register that does not accumulate energy")                    \
    X(LOSS_CABLE, "loss-cable", WARNING, "CL above 0, but no LC")              \
    X(CABLE_FORM, "cable-form", WARNING,                                       \
      "LC without a resistance LR in mOhm or uOhm")                            \
    /* Two records of one transaction */                                       \
    X(PAIR_SOURCE, "pair-source", ERROR,                                       \
      "begin and end are not of one meter and gateway")                        \
    X(PAIR_USER, "pair-user", ERROR,                                           \
      "begin and end are not of one user or charge point")                     \
    X(PAIR_BEGIN, "pair-begin", ERROR, "the first record has no begin")        \
    X(PAIR_END, "pair-end", ERROR, "the second record has no end")             \
    X(PAIR_TIME, "pair-time", ERROR, "the end is before the begin")            \
    X(PAIR_ENERGY, "pair-energy", ERROR,                                       \
      "the end's reading is below the begin's, or not of its register")        \
    X(PAIR_PAGINATION, "pair-pagination", ERROR,                               \
      "the pagination does not ascend")                                        \
    X(PAIR_GAP, "pair-gap", WARNING,                                           \
      "the pagination has a gap between begin and end")                        \
    X(PAIR_LOSS, "pair-loss", ERROR, "CL goes back from begin to end")         \
    X(PAIR_COUNT, "pair-count", ERROR,                                         \
      "a transaction in a container has more or less than one begin and end")  \
    /* The container, OCPP or JSON around a record */                          \
    X(SESSION_DIFFERS, "session-differs", ERROR,                               \
      "PG names another session than what came with the record")               \
    /* What Transparenzsoftware refuses */                                     \
    X(TRANSPARENZ_VERSION, "transparenz-version", ERROR,                       \
      "refused: FV is missing, 1.4, or unknown")                               \
    X(TRANSPARENZ_PIPE, "transparenz-pipe", ERROR, "refused: a '|' in a text") \
    X(TRANSPARENZ_FLAGS, "transparenz-flags", ERROR, "refused: IF is a text")  \
    X(TRANSPARENZ_DUPLICATE, "transparenz-duplicate", ERROR,                   \
      "refused: a name comes twice")                                           \
    X(TRANSPARENZ_CARRY, "transparenz-carry", ERROR,                           \
      "refused as not law-relevant: RI or TX is left out of a reading")        \
    X(TRANSPARENZ_REGISTER, "transparenz-register", ERROR,                     \
      "refused: no reading of a law-relevant register")                        \
    X(TRANSPARENZ_TRANSACTION, "transparenz-transaction", ERROR,               \
      "refused: not exactly one begin and one end it knows")                   \
    X(TRANSPARENZ_USER, "transparenz-user", ERROR,                             \
      "refused: IL is an error level")                                         \
    X(TRANSPARENZ_SIGNATURE, "transparenz-signature", ERROR,                   \
      "refused: raw key, raw signature, or DER with superfluous zeros")        \
    X(TRANSPARENZ_ASSESSED, "transparenz-assessed", NOTE,                      \
      "a ChargePoint record: only 1.3.0 was assessed with its stations")       \
    X(TRANSPARENZ_INFERRED, "transparenz-inferred", NOTE,                      \
      "the rules of 1.4.1, taken for 1.3 also: nothing is known to differ")

enum mg_check {
#define X(constant, id, severity, meaning) MG_CHECK_##constant,
    MG_CHECKS(X)
#undef X
        MG_N_CHECKS
};

struct mg_check_kind {
    const char *id;
    enum mg_severity severity;
    const char *meaning;
};

const struct mg_check_kind *mg_check_kind(enum mg_check check);

/** "note", "warning", "error". */
const char *mg_severity_text(enum mg_severity severity);

/** mg_findings_add with the id and severity of the list. */
void mg_findings_report(struct mg_findings *f, enum mg_check check, int reading,
                        const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Take out all findings of one check. */
void mg_findings_remove(struct mg_findings *f, enum mg_check check);

bool mg_findings_has(const struct mg_findings *f, enum mg_severity at_least);

/** Whether this is a transaction's end: E, or L, R, A, P with the reason; r as
 *  meters of the WM3M4 series write it (WM3M4 manual, register 47076). */
bool mg_ocmf_is_end(char tx);

/** What one reading is worth: in kWh or Wh, ST G, no EF E, and not of an
 *  exception. */
bool mg_ocmf_is_usable(const struct mg_ocmf_reading *reading);

/** The billed register of a record: the first energy register that has a begin
 *  or an end. Its first and last reading of the transaction.
 *  @return false: none; outputs untouched. Either may be NULL */
bool mg_ocmf_transaction(const struct mg_ocmf *ocmf,
                         const struct mg_ocmf_reading **ret_begin,
                         const struct mg_ocmf_reading **ret_end);

/** Parts of an OBIS code "A-B:C.D.E*F"; C, D, E, F by their hexadecimal or
 *  decimal text, as OCMF mixes them. */
struct mg_obis_parts {
    unsigned a, c, d, f;
    bool has_f;
};

/** @return whether RI has the form at all, also "1-b:1.8.0" with a letter */
bool mg_obis_parse(struct mg_span text, struct mg_obis_parts *ret);

/** Registers that Transparenzsoftware 1.4.1 takes as law-relevant: A 1, D 8, C
 *  01, 98, 9E, B0..C7, F none, 0, 200, 255 or FF. */
bool mg_obis_is_law_relevant(const struct mg_obis_parts *obis);

#endif
