/* Modbus requests (manual 5.1): functions 03, 04, 06 and 16, at most 120
 * registers each, over two ports. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#define READ_HOLDING    0x03
#define READ_INPUT      0x04
#define WRITE_REGISTER  0x06
#define WRITE_REGISTERS 0x10

#define OPTICAL_UNIT 33 /* manual 6.7: fixed */

static const uint32_t bauds[] = {1200,  2400,  4800,  9600,
                                 19200, 38400, 57600, 115200};

uint32_t wm3m4c_fw_baud(unsigned code)
{
    return code < sizeof bauds / sizeof *bauds ? bauds[code] : 0;
}

int wm3m4c_fw_baud_code(int64_t baud)
{
    for (size_t k = 0; k < sizeof bauds / sizeof *bauds; k++) {
        if (bauds[k] == baud) {
            return (int)k;
        }
    }
    return -1;
}

/* ---- The register file ---- */

static bool is_there(const struct fw_state *st, const struct fw_area *a,
                     unsigned address)
{
    if (address < a->first || address > a->last) {
        return false;
    }
    if ((a->access & FW_AREA_CRYPTO) != 0 && st->options->crypto == 0) {
        return false;
    }
    if ((a->access & FW_AREA_TEST) != 0 && !st->is_test_mode) {
        return false;
    }
    return (a->access & FW_AREA_END_MODE) == 0 ||
           st->options->firmware_version >= 205; /* manual 5.5.19 */
}

static const struct fw_area *find_in(const struct fw_state *st,
                                     const struct fw_area *areas, size_t n,
                                     unsigned address)
{
    for (size_t k = 0; k < n; k++) {
        if (is_there(st, &areas[k], address)) {
            return &areas[k];
        }
    }
    return NULL;
}

static const struct fw_area *find_area(const struct fw_state *st,
                                       unsigned address)
{
    const struct fw_area *a =
        find_in(st, wm3m4c_fw_charge_areas, wm3m4c_fw_n_charge_areas, address);
    if (a == NULL) {
        a = find_in(st, wm3m4c_fw_setting_areas, wm3m4c_fw_n_setting_areas,
                    address);
    }
    return a != NULL ? a
                     : find_in(st, wm3m4c_fw_own_areas, wm3m4c_fw_n_own_areas,
                               address);
}

static bool is_shown(const struct fw_state *st, unsigned function,
                     unsigned address, uint16_t *ret)
{
    for (size_t k = 0; k < st->shown.n; k++) {
        if (st->shown.at[k].function == function &&
            st->shown.at[k].address == address) {
            *ret = st->shown.at[k].word;
            return true;
        }
    }
    return false;
}

static bool read_word(const struct fw_state *st, unsigned function,
                      unsigned address, uint16_t *ret)
{
    if (is_shown(st, function, address, ret)) {
        return true;
    }
    if (function == READ_INPUT) {
        return wm3m4c_fw_input_word(st, address, ret);
    }
    const struct fw_area *a = find_area(st, address);
    if (a == NULL) {
        return false;
    }
    *ret = a->word(st, address - a->first);
    return true;
}

int wm3m4c_fw_read(const struct fw_state *st, unsigned function, unsigned first,
                   unsigned n, uint16_t *ret_words)
{
    for (unsigned k = 0; k < n; k++) {
        if (!read_word(st, function, first + k, &ret_words[k])) {
            return FW_BAD_ADDRESS;
        }
    }
    return 0;
}

/* Manual 5.6: all settings need level 2. */
static int check_word(const struct fw_state *st, unsigned address,
                      uint16_t word)
{
    const struct fw_area *a = find_area(st, address);
    if (a == NULL || a->check == NULL) {
        return FW_BAD_ADDRESS;
    }
    if ((a->access & FW_AREA_SETTING) != 0 && wm3m4c_fw_access(st) < 2) {
        return FW_BAD_STATE;
    }
    return a->check(st, address - a->first, word);
}

int wm3m4c_fw_write(struct fw_state *st, unsigned first, unsigned n,
                    const uint16_t *words)
{
    for (unsigned k = 0; k < n; k++) {
        int refusal = check_word(st, first + k, words[k]);
        if (refusal != 0) {
            return refusal;
        }
    }
    for (unsigned k = 0; k < n; k++) {
        const struct fw_area *a = find_area(st, first + k);
        if (a != NULL) {
            a->apply(st, first + k - a->first, words[k]);
        }
    }
    return 0;
}

/* ---- Requests ---- */

static int read_registers(const struct fw_state *st, unsigned function,
                          struct mg_rd *in, struct mg_wr *out)
{
    uint16_t words[FW_MAX_WORDS];
    unsigned first = mg_rd_be16(in);
    unsigned n = mg_rd_be16(in);
    if (in->failed || mg_rd_left(in) != 0 || n < 1 || n > FW_MAX_WORDS) {
        return FW_BAD_VALUE;
    }
    int refusal = wm3m4c_fw_read(st, function, first, n, words);
    if (refusal != 0) {
        return refusal;
    }
    mg_put_u8(out, 2 * n);
    for (unsigned k = 0; k < n; k++) {
        mg_put_be16(out, words[k]);
    }
    return 0;
}

static int write_register(struct fw_state *st, struct mg_rd *in,
                          struct mg_wr *out)
{
    unsigned address = mg_rd_be16(in);
    uint16_t word = mg_rd_be16(in);
    if (in->failed || mg_rd_left(in) != 0) {
        return FW_BAD_VALUE;
    }
    int refusal = wm3m4c_fw_write(st, address, 1, &word);
    if (refusal != 0) {
        return refusal;
    }
    mg_put_be16(out, address);
    mg_put_be16(out, word);
    return 0;
}

static int write_registers(struct fw_state *st, struct mg_rd *in,
                           struct mg_wr *out)
{
    uint16_t words[FW_MAX_WORDS];
    unsigned first = mg_rd_be16(in);
    unsigned n = mg_rd_be16(in);
    unsigned n_bytes = mg_rd_u8(in);
    if (in->failed || n < 1 || n > FW_MAX_WORDS || n_bytes != 2 * n ||
        mg_rd_left(in) != n_bytes) {
        return FW_BAD_VALUE;
    }
    for (unsigned k = 0; k < n; k++) {
        words[k] = mg_rd_be16(in);
    }
    int refusal = wm3m4c_fw_write(st, first, n, words);
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
    case READ_HOLDING:
    case READ_INPUT:
        return read_registers(st, function, in, out);
    case WRITE_REGISTER:
        return write_register(st, in, out);
    case WRITE_REGISTERS:
        return write_registers(st, in, out);
    default:
        return FW_BAD_FUNCTION;
    }
}

static size_t answer(struct fw_state *st, const uint8_t *request, size_t len,
                     uint8_t *ret, size_t cap)
{
    struct mg_rd in = mg_rd_init(request, len);
    struct mg_wr out = mg_wr_init(ret, cap);
    unsigned function = mg_rd_u8(&in);
    mg_put_u8(&out, function);
    int refusal = serve(st, function, &in, &out);
    if (refusal != 0) {
        out = mg_wr_init(ret, cap);
        mg_put_u8(&out, function | 0x80);
        mg_put_u8(&out, (unsigned)refusal);
    }
    return out.failed ? 0 : out.len;
}

static size_t port_pdu(struct fw_state *st, unsigned own_unit, uint8_t unit,
                       const uint8_t *request, size_t len, uint8_t *ret,
                       size_t cap)
{
    if (len == 0 || (unit != 0 && unit != own_unit)) {
        return 0;
    }
    size_t n = answer(st, request, len, ret, cap);
    return unit == 0 ? 0 : n; /* a broadcast is obeyed in silence */
}

size_t wm3m4c_fw_pdu(void *state, uint8_t unit, const uint8_t *request,
                     size_t len, uint8_t *ret, size_t cap)
{
    struct fw_state *st = state;
    return port_pdu(st, st->settings.unit, unit, request, len, ret, cap);
}

size_t wm3m4c_fw_optical_pdu(void *state, uint8_t unit, const uint8_t *request,
                             size_t len, uint8_t *ret, size_t cap)
{
    struct fw_state *st = state;
    st->is_optical = true;
    size_t n = port_pdu(st, OPTICAL_UNIT, unit, request, len, ret, cap);
    st->is_optical = false;
    return n;
}
