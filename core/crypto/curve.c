/* The curves of OCMF 1.4, table 22. */
#include "crypto/curve.h"

#include <openssl/obj_mac.h>
#include <string.h>

static const struct {
    const char *name, *algorithm, *group;
    size_t octets;
} curves[MG_N_CURVES] = {
    [MG_CURVE_SECP192K1] = {"secp192k1", "ECDSA-secp192k1-SHA256", "secp192k1",
                            24},
    [MG_CURVE_SECP256K1] = {"secp256k1", "ECDSA-secp256k1-SHA256", "secp256k1",
                            32},
    [MG_CURVE_SECP192R1] = {"secp192r1", "ECDSA-secp192r1-SHA256", "prime192v1",
                            24},
    [MG_CURVE_SECP256R1] = {"secp256r1", "ECDSA-secp256r1-SHA256", "prime256v1",
                            32},
    [MG_CURVE_BRAINPOOL256R1] = {"brainpool256r1",
                                 "ECDSA-brainpool256r1-SHA256",
                                 "brainpoolP256r1", 32},
    [MG_CURVE_SECP384R1] = {"secp384r1", "ECDSA-secp384r1-SHA256", "secp384r1",
                            48},
    [MG_CURVE_BRAINPOOL384R1] = {"brainpool384r1",
                                 "ECDSA-brainpool384r1-SHA256",
                                 "brainpoolP384r1", 48},
};

const char *mg_curve_name(enum mg_curve curve)
{
    return curve < MG_N_CURVES ? curves[curve].name : "unknown";
}

const char *mg_curve_algorithm(enum mg_curve curve)
{
    return curve < MG_N_CURVES ? curves[curve].algorithm : "unknown";
}

size_t mg_curve_octets(enum mg_curve curve)
{
    return curve < MG_N_CURVES ? curves[curve].octets : 0;
}

const char *crypto__curve_group(enum mg_curve curve)
{
    return curves[curve].group;
}

enum mg_curve crypto__curve_of_group(const char *group)
{
    for (int i = 0; i < MG_N_CURVES; i++) {
        if (strcmp(curves[i].group, group) == 0) {
            return (enum mg_curve)i;
        }
    }
    return MG_N_CURVES;
}

static bool is_text(const char *text, size_t len, const char *expected)
{
    return strlen(expected) == len && memcmp(text, expected, len) == 0;
}

int mg_curve_of_algorithm(const char *text, size_t len, enum mg_curve *ret,
                          bool *ret_is_exact)
{
    /* Spellings of real meters. */
    static const struct {
        const char *text;
        enum mg_curve curve;
    } others[] = {
        {"ECDSA-brainpoolP256r1-SHA256", MG_CURVE_BRAINPOOL256R1},
        {"ECDSA-brainpoolP384r1-SHA256", MG_CURVE_BRAINPOOL384R1},
        {"ECDSA-prime192v1-SHA256", MG_CURVE_SECP192R1},
        {"ECDSA-prime256v1-SHA256", MG_CURVE_SECP256R1},
    };
    for (int i = 0; i < MG_N_CURVES; i++) {
        if (is_text(text, len, curves[i].algorithm)) {
            *ret = (enum mg_curve)i;
            *ret_is_exact = true;
            return MG_OK;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (is_text(text, len, others[i].text)) {
            *ret = others[i].curve;
            *ret_is_exact = false;
            return MG_OK;
        }
    }
    return MG_E_NOSUP;
}
