/* Modbus frames as a client builds and checks them: RTU and MBAP (TCP).
 *
 * Pure functions over bytes. Function codes 1-6, 15, 16, 22 and 23. Sources:
 * Modbus application protocol V1.1b3, Modbus over serial line V1.02, Modbus
 * messaging on TCP/IP V1.0b. */
#ifndef MG_WIRE_MODBUS_ADU_H
#define MG_WIRE_MODBUS_ADU_H

#include "metergate/plugin.h"

#define MG_RTU_MAX  256 /* unit, PDU, checksum */
#define MG_MBAP_MAX 260 /* header of 7 with the unit, PDU */

enum mg_adu_verdict {
    MG_ADU_OK,        /* the answer to this request */
    MG_ADU_EXCEPTION, /* its refusal */
    MG_ADU_BAD        /* neither */
};

/** Is it a whole request of a known function, with counts and lengths that
 *  agree and are within the limits of the protocol? */
bool mg_adu_is_request(const uint8_t *pdu, size_t len);

/** Does the function write anything? 23 does. */
bool mg_adu_is_write(uint8_t function);

/** @param request  one that mg_adu_is_request
 *  @return length of the PDU that answers it */
size_t mg_adu_reply_len(const uint8_t *request);

/** Compare an answer with its request: function, length, byte count, and for
 *  writes the address and value or count that must come back. */
enum mg_adu_verdict mg_adu_check(const uint8_t *request, const uint8_t *reply,
                                 size_t len);

/** @param len  at most MG_PDU_MAX @return length of the frame */
size_t mg_rtu_build(uint8_t ret[MG_RTU_MAX], uint8_t unit, const uint8_t *pdu,
                    size_t len);
size_t mg_mbap_build(uint8_t ret[MG_MBAP_MAX], uint16_t transaction,
                     uint8_t unit, const uint8_t *pdu, size_t len);

struct mg_mbap_frame {
    uint16_t transaction;
    uint8_t unit;
    const uint8_t *pdu; /* borrowed from the data */
    size_t pdu_len;     /* at least 2 */
    size_t len;         /* of the whole frame */
};

/** Cut the first frame off a stream.
 *  @return MG_OK; MG_E_BUSY: not all of it is there yet; MG_E_PROTO: this is
 *  no Modbus TCP (protocol not 0, or a length not within 3..254) */
int mg_mbap_cut(const uint8_t *data, size_t len, struct mg_mbap_frame *ret);

/* What is looked for in the bytes of a serial line. */
struct mg_rtu_query {
    const uint8_t *frame; /* the request as sent */
    size_t frame_len;
    bool has_echo; /* the line is known to repeat what is sent */
};

struct mg_rtu_hit {
    size_t offset, len; /* of the frame */
    bool is_exception;
};

/** Look at every offset for the answer: unit, function, expected length and
 *  checksum must be right. Copies of the request (echo) are skipped; where
 *  the answer may look the same as the request, only if has_echo is set.
 *  @param from     in and out: offsets below it are ruled out for good
 *  @param is_echo  set to true when a copy was skipped */
bool mg_rtu_find(const struct mg_rtu_query *query, const uint8_t *data,
                 size_t len, size_t *from, bool *is_echo,
                 struct mg_rtu_hit *ret);

/** Does any answer, whoever's, begin here, with a right checksum?
 *  @return its length, 0 = no */
size_t mg_rtu_answer_len(const uint8_t *data, size_t len);

#endif
