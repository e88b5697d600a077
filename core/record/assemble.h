/* Put a record together from what a meter or a signer gave. */
#ifndef MG_RECORD_ASSEMBLE_H
#define MG_RECORD_ASSEMBLE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/verify.h"

#define MG_RECORD_MAX 65536 /* of a record that the gateway makes or keeps */

/** How the signature section is written. */
enum mg_signature_form {
    MG_SIGNATURE_HEX,        /* {"SA":"...","SD":"..."}, upper case */
    MG_SIGNATURE_BASE64,     /* {"SA":"...","SE":"base64","SD":"..."} */
    MG_SIGNATURE_CHARGEPOINT /* {"SA":"...", "SD":"...", "SE":"base64"} */
};

/** "OCMF|payload|{"SA":...,"SD":...}". The payload is copied as it is.
 *  @return MG_OK and a length (NUL-terminated); MG_E_NOSPC; MG_E_INVAL: a
 *          payload with '|', or a signature longer than MG_SIGNATURE_MAX */
int mg_record_assemble(const char *payload, size_t payload_len,
                       enum mg_curve curve, const uint8_t *signature,
                       size_t signature_len, enum mg_signature_form form,
                       char *ret, size_t cap, size_t *ret_len);

#endif
