/* The crypto chip of a simulated meter. */
#include "crypto/deterministic.h"
#include "crypto/verify.h"
#include "sim/device_priv.h"

/* What it does for the firmware beside signing. */
static bool verify(const uint8_t public_key[64], const uint8_t *message,
                   size_t len, const uint8_t signature[64])
{
    struct mg_public_key *key = NULL;
    struct mg_err err;
    unsigned lenient;
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len;
    bool is_good =
        mg_public_key_parse((const char *)public_key, 64, MG_CURVE_SECP256R1,
                            &key, &lenient, &err) == MG_OK &&
        mg_signature_normalise(signature, 64, MG_CURVE_SECP256R1, der, &der_len,
                               &lenient) == MG_OK &&
        mg_verify(key, message, len, der, der_len) == MG_OK;
    mg_public_key_destroy(key);
    return is_good;
}

static void sha256(const uint8_t *data, size_t len, uint8_t ret[32])
{
    mg_sha256(data, len, ret);
}

int device_give_chip(struct mg_sim_device *d, const struct mg_plugin *plugin)
{
    const struct mg_firmware *fw = plugin->firmware;
    d->env.verify = verify;
    d->env.sha256 = sha256;
    if ((plugin->capabilities & (MG_CAP_SIGNS | MG_CAP_TELEGRAM)) == 0 ||
        fw->sign_request == NULL || fw->sign_result == NULL) {
        return MG_OK;
    }
    d->key = mg_sim_key_create(d->env.seed, d->env.serial);
    if (d->key == NULL) {
        return MG_E_NOMEM;
    }
    d->env.public_key = mg_sim_key_public(d->key);
    return MG_OK;
}

void device_serve_chip(struct mg_sim_device *d)
{
    const uint8_t *message;
    uint8_t signature[64];
    if (d->key == NULL) {
        return;
    }
    size_t len = d->firmware->sign_request(d->state, &message);
    if (len > 0 && mg_sim_key_sign(d->key, message, len, signature) == MG_OK) {
        d->firmware->sign_result(d->state, signature);
    }
}
