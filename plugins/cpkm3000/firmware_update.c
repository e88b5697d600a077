/* Update over CAN and secure boot (guide, "Firmware security"): an image is
 * received into the bank that is not running, and runs only with the right
 * hash, head and signature of the manufacturer. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define MAGIC_LEN 8
#define HEAD_LEN  (MAGIC_LEN + FW_VERSION_LEN)
#define MIN_SIZE  (HEAD_LEN + 1)
#define KEY_LEN   ((size_t)64)

static const uint8_t magic[MAGIC_LEN] = {'M', 'G', 'C', 'P',
                                         'K', 'M', '0', '1'};

/* What is in the meter when it is new (ours). */
static const uint8_t factory_image[] = "MGCPKM01"
                                       "1.0.0\0\0\0\0\0\0\0"
                                       "CPKM3000";

#define FACTORY_SIZE (sizeof factory_image - 1)

static bool hash_of(const struct fw_state *st, const uint8_t *data, size_t len,
                    uint8_t ret[FW_HASH_LEN])
{
    memset(ret, 0, FW_HASH_LEN);
    if (st->env.sha256 == NULL) {
        return false;
    }
    st->env.sha256(data, len, ret);
    return true;
}

void cpkm3000_fw_lrs_factory(const struct fw_state *st, struct fw_lrs *ret)
{
    *ret = (struct fw_lrs){.size = FACTORY_SIZE};
    memcpy(ret->version, factory_image + MAGIC_LEN, FW_VERSION_LEN);
    (void)hash_of(st, factory_image, FACTORY_SIZE, ret->hash);
}

bool cpkm3000_fw_lrs_check(const struct fw_state *st)
{
    const struct fw_lrs *lrs = &st->memory.lrs;
    const uint8_t *image =
        lrs->bank == 0 ? factory_image : cpkm3000_fw_bank(st, lrs->bank);
    size_t len = lrs->bank == 0 ? FACTORY_SIZE : lrs->size;
    uint8_t hash[FW_HASH_LEN];
    if (!hash_of(st, image, len, hash)) {
        return lrs->bank == 0; /* a host without SHA-256: nothing to check by */
    }
    return memcmp(hash, lrs->hash, sizeof hash) == 0;
}

/* The bank that does not run. */
static unsigned spare_bank(const struct fw_state *st)
{
    return st->memory.lrs.bank == 1 ? 2 : 1;
}

/* ---- Receiving ---- */

enum fw_refusal cpkm3000_fw_update_begin(struct fw_state *st,
                                         const uint8_t *data)
{
    struct mg_rd r = mg_rd_init(data, 4);
    uint32_t size = mg_rd_be32(&r);
    if (st->update.is_receiving) {
        return FW_BAD_STATE;
    }
    if (size < MIN_SIZE || size > FW_BANK_SIZE) {
        return FW_BAD_VALUE;
    }
    st->update = (struct fw_update){.is_receiving = true, .size = size};
    memcpy(st->update.hash, data + 4, FW_HASH_LEN);
    return FW_DONE;
}

enum fw_refusal cpkm3000_fw_update_data(struct fw_state *st,
                                        const uint8_t *data, size_t len)
{
    struct fw_update *u = &st->update;
    struct mg_rd r = mg_rd_init(data, 4);
    uint32_t offset = mg_rd_be32(&r);
    size_t n = len - 4;
    if (!u->is_receiving) {
        return FW_BAD_STATE;
    }
    if (offset != u->next || n > u->size - u->next) {
        return FW_BAD_VALUE;
    }
    memcpy(cpkm3000_fw_bank(st, spare_bank(st)) + offset, data + 4, n);
    u->next += (uint32_t)n;
    return FW_DONE;
}

enum fw_refusal cpkm3000_fw_update_abort(struct fw_state *st)
{
    if (!st->update.is_receiving) {
        return FW_BAD_STATE;
    }
    st->update.is_receiving = false;
    return FW_DONE;
}

/* ---- Taking it ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool get_key(const char *hex, uint8_t ret[KEY_LEN])
{
    for (size_t k = 0; k < KEY_LEN; k++) {
        int high = digit(hex[2 * k]);
        int low = high < 0 ? -1 : digit(hex[2 * k + 1]);
        if (low < 0) {
            return false;
        }
        ret[k] = (uint8_t)(high << 4 | low);
    }
    return hex[2 * KEY_LEN] == '\0';
}

static bool is_signed(const struct fw_state *st, const uint8_t *image,
                      const uint8_t *signature)
{
    uint8_t key[KEY_LEN];
    return st->env.verify != NULL && get_key(st->options->update_key, key) &&
           st->env.verify(key, image, st->update.size, signature);
}

/* Printable, at least one character, filled up with NUL. */
static bool is_version(const uint8_t *text)
{
    size_t len = 0;
    while (len < FW_VERSION_LEN && text[len] > ' ' && text[len] < 0x7f) {
        len++;
    }
    for (size_t k = len; k < FW_VERSION_LEN; k++) {
        if (text[k] != 0) {
            return false;
        }
    }
    return len > 0;
}

static enum fw_refusal check(const struct fw_state *st, const uint8_t *image,
                             const uint8_t *signature)
{
    uint8_t hash[FW_HASH_LEN];
    if (!hash_of(st, image, st->update.size, hash) ||
        memcmp(hash, st->update.hash, sizeof hash) != 0) {
        return FW_BAD_HASH;
    }
    if (!is_signed(st, image, signature)) {
        return FW_BAD_SIGNATURE;
    }
    return memcmp(image, magic, sizeof magic) == 0 &&
                   is_version(image + MAGIC_LEN)
               ? FW_DONE
               : FW_BAD_VALUE;
}

/* The saving of the record switches over: before it the old image is the one
 * that runs at the next start, after it the new one. */
enum fw_refusal cpkm3000_fw_update_finish(struct fw_state *st,
                                          const uint8_t *signature)
{
    struct fw_update *u = &st->update;
    if (!u->is_receiving || u->next != u->size) {
        return FW_BAD_STATE;
    }
    unsigned bank = spare_bank(st);
    const uint8_t *image = cpkm3000_fw_bank(st, bank);
    enum fw_refusal refusal = check(st, image, signature);
    struct fw_lrs old = st->memory.lrs;
    u->is_receiving = false;
    st->memory.update_result = FW_REFUSED;
    if (refusal == FW_DONE) {
        st->memory.update_result = FW_INSTALLED;
        st->memory.lrs =
            (struct fw_lrs){.bank = (uint8_t)bank, .size = u->size};
        memcpy(st->memory.lrs.version, image + MAGIC_LEN, FW_VERSION_LEN);
        memcpy(st->memory.lrs.hash, u->hash, FW_HASH_LEN);
    }
    if (!cpkm3000_fw_nv_save(st)) {
        st->memory.lrs = old;
        st->memory.update_result = FW_REFUSED;
        return FW_INTERNAL_ERROR;
    }
    return refusal;
}
