/* Modbus requests (manual 6): functions 01, 03, 05 and 16, one unit. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#define READ_COILS      0x01
#define READ_REGISTERS  0x03
#define WRITE_COIL      0x05
#define WRITE_REGISTERS 0x10

#define BAD_FUNCTION 1
#define BAD_ADDRESS  2
#define BAD_VALUE    3

#define MAX_READ  125
#define MAX_WRITE 123
#define MAX_COILS 2000

#define RELAY_COIL 0x0001 /* manual 6.1 */

static int read_coils(const struct fw_state *st, struct mg_rd *in,
                      struct mg_wr *out)
{
    unsigned first = mg_rd_be16(in);
    unsigned n = mg_rd_be16(in);
    if (in->failed || mg_rd_left(in) != 0 || n < 1 || n > MAX_COILS) {
        return BAD_VALUE;
    }
    if (!kpm31_fw_has_relay(st) || first != RELAY_COIL || n != 1) {
        return BAD_ADDRESS;
    }
    mg_put_u8(out, 1);
    mg_put_u8(out, st->is_relay_open ? 0 : 1);
    return 0;
}

static int write_coil(struct fw_state *st, struct mg_rd *in, struct mg_wr *out)
{
    unsigned address = mg_rd_be16(in);
    unsigned value = mg_rd_be16(in);
    if (in->failed || mg_rd_left(in) != 0) {
        return BAD_VALUE;
    }
    if (!kpm31_fw_has_relay(st) || address != RELAY_COIL) {
        return BAD_ADDRESS;
    }
    if (value != 0xff00 && value != 0x0000) {
        return BAD_VALUE;
    }
    kpm31_fw_relay_switch(st, value != 0);
    mg_put_be16(out, address);
    mg_put_be16(out, value);
    return 0;
}

static int read_registers(const struct fw_state *st, struct mg_rd *in,
                          struct mg_wr *out)
{
    uint16_t words[MAX_READ];
    unsigned first = mg_rd_be16(in);
    unsigned n = mg_rd_be16(in);
    if (in->failed || mg_rd_left(in) != 0 || n < 1 || n > MAX_READ) {
        return BAD_VALUE;
    }
    int refusal = kpm31_fw_read(st, first, n, words);
    if (refusal != 0) {
        return refusal;
    }
    mg_put_u8(out, 2 * n);
    for (unsigned k = 0; k < n; k++) {
        mg_put_be16(out, words[k]);
    }
    return 0;
}

static int write_registers(struct fw_state *st, struct mg_rd *in,
                           struct mg_wr *out)
{
    uint16_t words[MAX_WRITE];
    unsigned first = mg_rd_be16(in);
    unsigned n = mg_rd_be16(in);
    unsigned n_bytes = mg_rd_u8(in);
    if (in->failed || n < 1 || n > MAX_WRITE || n_bytes != 2 * n ||
        mg_rd_left(in) != n_bytes) {
        return BAD_VALUE;
    }
    for (unsigned k = 0; k < n; k++) {
        words[k] = mg_rd_be16(in);
    }
    int refusal = kpm31_fw_write(st, first, n, words);
    if (refusal != 0) {
        return refusal;
    }
    mg_put_be16(out, first);
    mg_put_be16(out, n);
    return 0;
}

static int serve(struct fw_state *st, unsigned function, struct mg_rd *in,
                 struct mg_wr *out)
{
    switch (function) {
    case READ_COILS:
        return read_coils(st, in, out);
    case READ_REGISTERS:
        return read_registers(st, in, out);
    case WRITE_COIL:
        return write_coil(st, in, out);
    case WRITE_REGISTERS:
        return write_registers(st, in, out);
    default:
        return BAD_FUNCTION;
    }
}

size_t kpm31_fw_pdu(void *state, uint8_t unit, const uint8_t *request,
                    size_t len, uint8_t *ret, size_t cap)
{
    struct fw_state *st = state;
    struct mg_rd in = mg_rd_init(request, len);
    struct mg_wr out = mg_wr_init(ret, cap);
    bool is_broadcast = unit == 0;
    if (len == 0 || (!is_broadcast && unit != st->settings.unit)) {
        return 0;
    }
    unsigned function = mg_rd_u8(&in);
    mg_put_u8(&out, function);
    int refusal = serve(st, function, &in, &out);
    if (refusal != 0) {
        out = mg_wr_init(ret, cap);
        mg_put_u8(&out, function | 0x80);
        mg_put_u8(&out, (unsigned)refusal);
    }
    return is_broadcast || out.failed ? 0 : out.len;
}
