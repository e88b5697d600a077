#include "wire/modbus_adu.h"

#include <string.h>

#include "metergate/bytes.h"
#include "wire/crc16.h"

enum function {
    READ_COILS = 1,
    READ_DISCRETE_INPUTS = 2,
    READ_HOLDING_REGISTERS = 3,
    READ_INPUT_REGISTERS = 4,
    WRITE_COIL = 5,
    WRITE_REGISTER = 6,
    WRITE_COILS = 15,
    WRITE_REGISTERS = 16,
    MASK_WRITE_REGISTER = 22,
    READ_WRITE_REGISTERS = 23
};

#define EXCEPTION     0x80U
#define EXCEPTION_LEN 5U /* as an RTU frame */

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool is_count(const uint8_t *p, unsigned max)
{
    return be16(p) >= 1 && be16(p) <= max;
}

/* V1.1b3, 6.11 and 6.12: address, count, byte count, values. */
static bool is_write_many(const uint8_t *pdu, size_t len)
{
    bool is_bits = pdu[0] == WRITE_COILS;
    if (len < 6 || !is_count(pdu + 3, is_bits ? 1968 : 123)) {
        return false;
    }
    unsigned n = be16(pdu + 3);
    unsigned n_bytes = is_bits ? (n + 7) / 8 : n * 2;
    return pdu[5] == n_bytes && len == 6 + (size_t)n_bytes;
}

/* V1.1b3, 6.17: the read part, then the write part. */
static bool is_read_write(const uint8_t *pdu, size_t len)
{
    return len >= 10 && is_count(pdu + 3, 125) && is_count(pdu + 7, 121) &&
           pdu[9] == be16(pdu + 7) * 2 && len == 10 + (size_t)pdu[9];
}

bool mg_adu_is_request(const uint8_t *pdu, size_t len)
{
    if (len < 5 || len > MG_PDU_MAX) {
        return false;
    }
    switch (pdu[0]) {
    case READ_COILS:
    case READ_DISCRETE_INPUTS:
        return len == 5 && is_count(pdu + 3, 2000);
    case READ_HOLDING_REGISTERS:
    case READ_INPUT_REGISTERS:
        return len == 5 && is_count(pdu + 3, 125);
    case WRITE_COIL:
    case WRITE_REGISTER:
        return len == 5;
    case WRITE_COILS:
    case WRITE_REGISTERS:
        return is_write_many(pdu, len);
    case MASK_WRITE_REGISTER:
        return len == 7;
    case READ_WRITE_REGISTERS:
        return is_read_write(pdu, len);
    default:
        return false;
    }
}

bool mg_adu_is_write(uint8_t function)
{
    return function > READ_INPUT_REGISTERS;
}

static bool is_read(uint8_t function)
{
    return function <= READ_INPUT_REGISTERS || function == READ_WRITE_REGISTERS;
}

size_t mg_adu_reply_len(const uint8_t *request)
{
    switch (request[0]) {
    case READ_COILS:
    case READ_DISCRETE_INPUTS:
        return 2 + (be16(request + 3) + 7) / 8;
    case READ_HOLDING_REGISTERS:
    case READ_INPUT_REGISTERS:
    case READ_WRITE_REGISTERS:
        return 2 + (size_t)be16(request + 3) * 2;
    case MASK_WRITE_REGISTER:
        return 7;
    default:
        return 5;
    }
}

enum mg_adu_verdict mg_adu_check(const uint8_t *request, const uint8_t *reply,
                                 size_t len)
{
    if (len == 2 && reply[0] == (request[0] | EXCEPTION) && reply[1] != 0) {
        return MG_ADU_EXCEPTION;
    }
    size_t want = mg_adu_reply_len(request);
    if (len != want || reply[0] != request[0]) {
        return MG_ADU_BAD;
    }
    bool is_right = is_read(reply[0]) ? reply[1] == want - 2
                                      : memcmp(reply, request, want) == 0;
    return is_right ? MG_ADU_OK : MG_ADU_BAD;
}

size_t mg_rtu_build(uint8_t ret[MG_RTU_MAX], uint8_t unit, const uint8_t *pdu,
                    size_t len)
{
    struct mg_wr w = mg_wr_init(ret, MG_RTU_MAX);
    mg_put_u8(&w, unit);
    mg_put_bytes(&w, pdu, len);
    unsigned crc = mg_crc16(ret, w.len);
    mg_put_u8(&w, crc & 0xff);
    mg_put_u8(&w, crc >> 8);
    return w.len;
}

size_t mg_mbap_build(uint8_t ret[MG_MBAP_MAX], uint16_t transaction,
                     uint8_t unit, const uint8_t *pdu, size_t len)
{
    struct mg_wr w = mg_wr_init(ret, MG_MBAP_MAX);
    mg_put_be16(&w, transaction);
    mg_put_be16(&w, 0);
    mg_put_be16(&w, (unsigned)len + 1);
    mg_put_u8(&w, unit);
    mg_put_bytes(&w, pdu, len);
    return w.len;
}

int mg_mbap_cut(const uint8_t *data, size_t len, struct mg_mbap_frame *ret)
{
    if (len >= 4 && be16(data + 2) != 0) {
        return MG_E_PROTO;
    }
    if (len < 6) {
        return MG_E_BUSY;
    }
    size_t left = be16(data + 4);
    if (left < 3 || left > MG_PDU_MAX + 1) {
        return MG_E_PROTO;
    }
    if (len < 6 + left) {
        return MG_E_BUSY;
    }
    *ret = (struct mg_mbap_frame){.transaction = (uint16_t)be16(data),
                                  .unit = data[6],
                                  .pdu = data + 7,
                                  .pdu_len = left - 1,
                                  .len = 6 + left};
    return MG_OK;
}

/* Length that a frame beginning here would have as the answer; 0: it is none.
 * Nothing is asked of bytes that are not there yet. */
static size_t answer_len(const struct mg_rtu_query *q, const uint8_t *data,
                         size_t left)
{
    const uint8_t *request = q->frame + 1;
    size_t want = mg_adu_reply_len(request);
    if (data[0] != q->frame[0]) {
        return 0;
    }
    if (left >= 2 && data[1] == (request[0] | EXCEPTION)) {
        return EXCEPTION_LEN;
    }
    if (left >= 2 && data[1] != request[0]) {
        return 0;
    }
    if (left >= 3 && is_read(request[0]) && data[2] != want - 2) {
        return 0;
    }
    return want + 3;
}

static bool is_copy(const struct mg_rtu_query *q, const uint8_t *data,
                    size_t left)
{
    bool is_alike = mg_adu_reply_len(q->frame + 1) + 3 == q->frame_len;
    return left >= q->frame_len && (q->has_echo || !is_alike) &&
           memcmp(data, q->frame, q->frame_len) == 0;
}

bool mg_rtu_find(const struct mg_rtu_query *q, const uint8_t *data, size_t len,
                 size_t *from, bool *is_echo, struct mg_rtu_hit *ret)
{
    size_t first_open = SIZE_MAX; /* may be the answer with more bytes */
    for (size_t i = *from; i < len; i++) {
        size_t left = len - i;
        if (!*is_echo && is_copy(q, data + i, left)) {
            *is_echo = true;
            first_open = SIZE_MAX; /* no answer begins before the echo */
            i += q->frame_len - 1;
            continue;
        }
        size_t n = answer_len(q, data + i, left);
        if (n > left) {
            first_open = first_open < i ? first_open : i;
        } else if (n > 0 && mg_crc16(data + i, n) == 0) {
            enum mg_adu_verdict verdict =
                mg_adu_check(q->frame + 1, data + i + 1, n - 3);
            if (verdict != MG_ADU_BAD) {
                *ret = (struct mg_rtu_hit){i, n, verdict == MG_ADU_EXCEPTION};
                return true;
            }
        }
    }
    *from = first_open < len ? first_open : len;
    return false;
}

size_t mg_rtu_answer_len(const uint8_t *data, size_t len)
{
    if (len < EXCEPTION_LEN) {
        return 0;
    }
    size_t n = 0;
    if ((data[1] & EXCEPTION) != 0) {
        n = EXCEPTION_LEN;
    } else if (data[1] == MASK_WRITE_REGISTER) {
        n = 10;
    } else if (is_read(data[1]) && data[1] != 0) {
        n = (size_t)data[2] + 5;
    } else if (data[1] <= WRITE_REGISTERS) {
        n = 8;
    }
    return n > 0 && n <= len && mg_crc16(data, n) == 0 ? n : 0;
}
