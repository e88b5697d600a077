/* Writing OCMF payloads: the dataset that a signing meter completes, and the
 * whole payload that a station signs. Pure. */
#ifndef MG_MODEL_OCMF_BUILD_H
#define MG_MODEL_OCMF_BUILD_H

#include "base/err.h"

/** How a station writes its payload. */
enum mg_ocmf_form {
    MG_OCMF_FORM_DEFAULT,
    /** As the example of the Flex Series guide, "Verify signed charging data
     *  records", byte for byte: FV, GI, PG, GV, MV, MM, MS, MF, IS, ID, CI, LC,
     *  TT, RD; a blank after the commas that follow MV, but none before RD; CI
     *  a number; CL without superfluous zeros. */
    MG_OCMF_FORM_CHARGEPOINT
};

/** Texts are UTF-8 and NUL-terminated; NULL or "" as each says. */
struct mg_ocmf_head {
    enum mg_ocmf_form form;   /* of mg_ocmf_payload */
    const char *version;      /* FV, "1.0" */
    const char *gi, *gs, *gv; /* gateway; gv "" = left out */
    bool is_assigned;         /* IS */
    const char *level;        /* IL; "" = left out */
    size_t n_flags;           /* IF, at most 4 */
    const char *flags[4];
    const char *type;   /* IT; "" = "NONE" */
    const char *data;   /* ID */
    const char *tariff; /* TT; NULL = left out */
    const char *ct, *ci;
    /* Station signing only. */
    const char *mv, *mm, *ms, *mf;
    bool has_loss;
    uint32_t loss_uohm; /* LR, LU "uOhm" */
    uint8_t connector;  /* CI of CHARGEPOINT: 1 right, 2 left */
};

struct mg_ocmf_entry {
    int64_t utc_ms;
    int16_t offset_min;
    char clock;  /* U I S R */
    char tx;     /* 0 = fiscal, left out */
    char status; /* ST: 'G' */
    bool is_energy_bad, is_time_bad;
    int64_t meter_mwh; /* what the meter showed */
    int64_t loss_mwh;  /* cumulated loss, at most meter_mwh */
};

/** Can this text go into a dataset? UTF-8, no control character, at most
 *  max_len bytes. `|`, quotes and backslashes are allowed: they are escaped.
 *  @return MG_OK or MG_E_INVAL with err, which never shows the text itself */
int mg_ocmf_check_text(const char *what, const char *text, size_t max_len,
                       struct mg_err *err);

/** The dataset of a session for a meter that fills in PG, MV, MM, MS, MF and RD
 *  (WM3M4C description V1.07, 5.5.13): members in the manual's order, no white
 *  space, `|` as \u007C.
 *  @return MG_OK and a length (NUL-terminated); MG_E_NOSPC */
int mg_ocmf_dataset(const struct mg_ocmf_head *head, char *ret, size_t cap,
                    size_t *ret_len);

/** The payload that a station signs, in one of its forms.
 *
 *  RV and CL have `decimals` decimals of a kWh. Both are cut, not rounded, so
 *  that RV + CL is exactly what the meter showed at that resolution. In the
 *  form CHARGEPOINT the zeros at the end of CL are left out, down to one
 *  decimal: "0.0", "0.0009".
 *  @param pg        "T7"; CHARGEPOINT: "T7-<session id>"
 *  @param decimals  2..4
 *  @return as mg_ocmf_dataset; MG_E_RANGE: a time, an energy below 0, a loss
 *          above the energy, a connector other than 1 and 2 */
int mg_ocmf_payload(const struct mg_ocmf_head *head, const char *pg,
                    const struct mg_ocmf_entry *entries, size_t n,
                    unsigned decimals, char *ret, size_t cap, size_t *ret_len);

/** Decimals of a kWh that a register of this step carries: 4 for 0.1 Wh and
 *  finer, 3 for 1 Wh, else 2. */
unsigned mg_ocmf_decimals(int64_t resolution_mwh);

#endif
