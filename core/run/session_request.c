/* Is a request right? Texts from users are checked before anything is done;
 * what identifies a person is never repeated in a message. */
#include <string.h>

#include "run/session_priv.h"

#define TRANSACTION_CHARS                                                      \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
#define TRANSACTION_LEN_MAX 36

static bool is_one_of(const char *const *list, const char *text)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcmp(list[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static int check_transaction(const struct mg_session_request *r,
                             struct mg_err *err)
{
    size_t len = strlen(r->transaction);
    bool may_be_empty = r->verb != MG_VERB_BEGIN && r->verb != MG_VERB_END;
    if (len == 0 && may_be_empty) {
        return MG_OK;
    }
    if (len == 0 || len > TRANSACTION_LEN_MAX ||
        strspn(r->transaction, TRANSACTION_CHARS) != len) {
        return mg_err_set(err, MG_E_INVAL,
                          "transaction: expected 1 to %d letters, digits or "
                          "any of . _ : -",
                          TRANSACTION_LEN_MAX);
    }
    return MG_OK;
}

static int check_assignment(const struct mg_session_request *r,
                            struct mg_err *err)
{
    if (r->level[0] != '\0' && !is_one_of(MG_OCMF_LEVELS, r->level)) {
        return mg_err_set(err, MG_E_INVAL,
                          "identification_level: not one of OCMF's, such as "
                          "NONE, TRUSTED or VERIFIED");
    }
    if (r->type[0] != '\0' && !is_one_of(MG_OCMF_TYPES, r->type)) {
        return mg_err_set(err, MG_E_INVAL,
                          "identification_type: not one of OCMF's, such as "
                          "NONE, ISO14443 or EMAID");
    }
    for (size_t i = 0; i < r->n_flags; i++) {
        if (i >= 4 || !is_one_of(MG_OCMF_FLAGS, r->flags[i])) {
            return mg_err_set(err, MG_E_INVAL,
                              "identification_flags: expected at most 4 of "
                              "OCMF's, such as RFID_PLAIN");
        }
    }
    int rc =
        mg_ocmf_check_text("identification", r->data, sizeof r->data - 1, err);
    if (rc == MG_OK) {
        rc = mg_ocmf_check_text("tariff_text", r->tariff, 250, err);
    }
    if (rc == MG_OK) {
        rc = mg_ocmf_check_text("evse", r->evse, sizeof r->evse - 1, err);
    }
    return rc;
}

int mg_session_check(const struct mg_session_request *r, struct mg_err *err)
{
    int rc = check_transaction(r, err);
    if (rc == MG_OK) {
        rc = check_assignment(r, err);
    }
    if (rc == MG_OK && r->reason != 0 && strchr("ELRAP", r->reason) == NULL) {
        rc = mg_err_set(err, MG_E_INVAL,
                        "reason: expected E (end), L (local), R (remote), A "
                        "(abort) or P (power loss)");
    }
    return rc;
}
