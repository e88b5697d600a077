/* Images and the secure boot (guide, "Data Protection"): what runs is what was
 * signed. An image is MGCPIM01, LRS version[12], software version[12], length
 * of the legally relevant part u32, that part, the rest. */
#include "firmware_priv.h"

#include <string.h>

#include "metergate/bytes.h"

#define MAGIC_LEN 8
#define HEAD_LEN  (MAGIC_LEN + 2 * FW_VERSION_LEN + 4)
#define KEY_LEN   ((size_t)64)

/* What is in the unit when it is new (ours). */
static const uint8_t factory_image[] = "MGCPIM01"
                                       "1.0.0\0\0\0\0\0\0\0"
                                       "2.3.1\0\0\0\0\0\0\0"
                                       "\0\0\0\x0c"
                                       "CPIM1000 LRS"
                                       "CPIM1000";

#define FACTORY_SIZE ((uint32_t)sizeof factory_image - 1)

static void hash_of(const struct fw_state *st, const uint8_t *data, size_t len,
                    uint8_t ret[FW_HASH_LEN])
{
    memset(ret, 0, FW_HASH_LEN);
    if (st->env.sha256 != NULL) {
        st->env.sha256(data, len, ret);
    }
}

/* ---- The head ---- */

/* Printable, at least one character, filled up with NUL. */
static bool is_version(const uint8_t *text)
{
    bool has_ended = false;
    for (size_t k = 0; k < FW_VERSION_LEN; k++) {
        bool is_printable = text[k] > ' ' && text[k] < 0x7f;
        has_ended = has_ended || text[k] == 0;
        if (has_ended ? text[k] != 0 : !is_printable) {
            return false;
        }
    }
    return text[0] != 0;
}

static bool get_head(const struct fw_state *st, const uint8_t *image,
                     uint32_t size, struct fw_software *ret)
{
    const uint8_t *lrs_version = image + MAGIC_LEN;
    const uint8_t *version = lrs_version + FW_VERSION_LEN;
    if (size <= HEAD_LEN || memcmp(image, factory_image, MAGIC_LEN) != 0 ||
        !is_version(lrs_version) || !is_version(version)) {
        return false;
    }
    struct mg_rd r = mg_rd_init(version + FW_VERSION_LEN, 4);
    uint32_t lrs_len = mg_rd_be32(&r);
    if (lrs_len == 0 || lrs_len > size - HEAD_LEN) {
        return false;
    }
    memcpy(ret->lrs_version, lrs_version, FW_VERSION_LEN);
    memcpy(ret->version, version, FW_VERSION_LEN);
    hash_of(st, image + HEAD_LEN, lrs_len, ret->lrs_hash);
    return true;
}

void cpim1000_fw_software_factory(const struct fw_state *st,
                                  struct fw_software *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->size = FACTORY_SIZE;
    (void)get_head(st, factory_image, FACTORY_SIZE, ret);
    hash_of(st, factory_image, FACTORY_SIZE, ret->hash);
}

/* ---- The signature ---- */

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    for (unsigned k = 0; k < 32; k++) {
        if (digits[k] == c) {
            return k % 16;
        }
    }
    return 16;
}

static bool get_key(const char *hex, uint8_t ret[KEY_LEN])
{
    memset(ret, 0, KEY_LEN);
    for (size_t k = 0; k < 2 * KEY_LEN; k++) {
        unsigned d = digit(hex[k]); /* none for the NUL: it ends there */
        if (d == 16) {
            return false;
        }
        ret[k / 2] = (uint8_t)((unsigned)ret[k / 2] << 4 | d);
    }
    return hex[2 * KEY_LEN] == '\0';
}

static bool is_signed(const struct fw_state *st, const uint8_t *image,
                      const struct fw_software *what)
{
    uint8_t key[KEY_LEN];
    return st->env.verify != NULL && get_key(st->options->update_key, key) &&
           st->env.verify(key, image, what->size, what->signature);
}

/* ---- */

enum fw_refusal cpim1000_fw_software_check(const struct fw_state *st,
                                           struct fw_software *what)
{
    const uint8_t *image = cpim1000_fw_bank(st, what->bank);
    uint8_t hash[FW_HASH_LEN];
    if (st->env.sha256 == NULL) {
        return FW_BAD_HASH;
    }
    hash_of(st, image, what->size, hash);
    if (memcmp(hash, what->hash, sizeof hash) != 0) {
        return FW_BAD_HASH;
    }
    if (!is_signed(st, image, what)) {
        return FW_BAD_SIGNATURE;
    }
    return get_head(st, image, what->size, what) ? FW_DONE : FW_BAD_VALUE;
}

bool cpim1000_fw_software_boots(const struct fw_state *st)
{
    struct fw_software what = st->memory.software;
    if ((st->env.nv[FW_BROKEN_AT] & FW_GOOD_IMAGE) == 0) {
        return false;
    }
    return what.bank == 0 || cpim1000_fw_software_check(st, &what) == FW_DONE;
}
