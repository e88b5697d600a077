/* Update over CAN: an image is received into the bank that is not running, and
 * only while the seal is removed. */
#include "firmware_priv.h"

#include <string.h>

#include "metergate/bytes.h"

#define MIN_SIZE 37 /* a head and one byte */

static unsigned spare_bank(const struct fw_state *st)
{
    return st->memory.software.bank == 1 ? 2 : 1;
}

/* Also in the middle of one: whoever seals the unit ends it. */
static enum fw_refusal check_open(const struct fw_state *st)
{
    return st->inputs[FW_IN_SEAL] ? FW_SEAL_INTACT : FW_DONE;
}

enum fw_refusal cpim1000_fw_update_begin(struct fw_state *st,
                                         const uint8_t *data)
{
    struct mg_rd r = mg_rd_init(data, 4);
    uint32_t size = mg_rd_be32(&r);
    if (check_open(st) != FW_DONE) {
        return check_open(st);
    }
    if (st->update.is_receiving || st->slots.is_bad) {
        return FW_BAD_STATE;
    }
    if (size < MIN_SIZE || size > FW_BANK_SIZE) {
        return FW_BAD_VALUE;
    }
    st->update = (struct fw_update){.is_receiving = true, .size = size};
    memcpy(st->update.hash, data + 4, FW_HASH_LEN);
    return FW_DONE;
}

enum fw_refusal cpim1000_fw_update_data(struct fw_state *st,
                                        const uint8_t *data, size_t len)
{
    struct fw_update *u = &st->update;
    struct mg_rd r = mg_rd_init(data, 4);
    uint32_t offset = mg_rd_be32(&r);
    size_t n = len - 4;
    if (check_open(st) != FW_DONE) {
        return check_open(st);
    }
    if (!u->is_receiving) {
        return FW_BAD_STATE;
    }
    if (offset != u->next || n > u->size - u->next) {
        return FW_BAD_VALUE;
    }
    memcpy(cpim1000_fw_bank(st, spare_bank(st)) + offset, data + 4, n);
    u->next += (uint32_t)n;
    return FW_DONE;
}

enum fw_refusal cpim1000_fw_update_abort(struct fw_state *st)
{
    if (!st->update.is_receiving) {
        return FW_BAD_STATE;
    }
    st->update.is_receiving = false;
    return FW_DONE;
}

/* The saving of the record switches over: before it the old image is the one
 * that runs at the next start, after it the new one. */
enum fw_refusal cpim1000_fw_update_finish(struct fw_state *st,
                                          const uint8_t *signature)
{
    struct fw_update *u = &st->update;
    struct fw_memory *m = &st->memory;
    if (check_open(st) != FW_DONE) {
        return check_open(st);
    }
    if (!u->is_receiving || u->next != u->size) {
        return FW_BAD_STATE;
    }
    struct fw_software old = m->software;
    struct fw_software found = {.bank = (uint8_t)spare_bank(st),
                                .size = u->size};
    memcpy(found.hash, u->hash, FW_HASH_LEN);
    memcpy(found.signature, signature, FW_SIGNATURE_LEN);
    enum fw_refusal refusal = cpim1000_fw_software_check(st, &found);
    u->is_receiving = false;
    m->update_result = refusal == FW_DONE ? FW_INSTALLED : FW_REFUSED;
    m->software = refusal == FW_DONE ? found : old;
    if (!cpim1000_fw_nv_save(st)) {
        m->software = old;
        m->update_result = FW_REFUSED;
        return FW_BAD_STATE;
    }
    return refusal;
}
