/* Names of the curves in libcrypto; private to core/crypto. */
#ifndef MG_CRYPTO_CURVE_H
#define MG_CRYPTO_CURVE_H

#include "crypto/key.h"

const char *crypto__curve_group(enum mg_curve curve);
/** @return MG_N_CURVES: none of OCMF's */
enum mg_curve crypto__curve_of_group(const char *group);

#endif
