/* Requests, answers and sentences of the commands. */
#include <string.h>

#include "flow.h"
#include "metergate/bytes.h"

#define FC_WRITE_COIL      5
#define FC_WRITE_REGISTERS 16

static void sent(struct mg_step_out *out, const struct mg_wr *w)
{
    out->action = MG_STEP_SEND;
    out->pdu_len = w->len;
}

void kpm31__read(struct mg_step_out *out, uint8_t function, uint16_t address,
                 uint16_t count)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    mg_put_u8(&w, function);
    mg_put_be16(&w, address);
    mg_put_be16(&w, count);
    sent(out, &w);
}

/* KPM31 manual V2.0, 6.1.2: FF00H closes, 0000H opens. */
void kpm31__write_coil(struct mg_step_out *out, uint16_t address, bool is_on)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    mg_put_u8(&w, FC_WRITE_COIL);
    mg_put_be16(&w, address);
    mg_put_be16(&w, is_on ? 0xff00 : 0x0000);
    sent(out, &w);
    out->has_effect = true;
}

void kpm31__write_registers(struct mg_step_out *out, uint16_t address,
                            const uint16_t *values, uint16_t count)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    mg_put_u8(&w, FC_WRITE_REGISTERS);
    mg_put_be16(&w, address);
    mg_put_be16(&w, count);
    mg_put_u8(&w, 2U * count);
    for (uint16_t i = 0; i < count; i++) {
        mg_put_be16(&w, values[i]);
    }
    sent(out, &w);
    out->has_effect = true;
}

const uint8_t *kpm31__answer(const struct mg_step_in *in, uint8_t function,
                             size_t n_bytes)
{
    bool is_right = in->pdu != NULL && in->pdu_len == 2 + n_bytes &&
                    in->pdu[0] == function && in->pdu[1] == n_bytes;
    return is_right ? in->pdu + 2 : NULL;
}

void kpm31__value(struct mg_step_out *out, mg_channel channel, int64_t value,
                  int64_t resolution)
{
    if (out->n_values < MG_STEP_VALUES_MAX) {
        out->values[out->n_values++] =
            (struct mg_value){.channel = channel,
                              .quality = MG_QUALITY_GOOD,
                              .value = value,
                              .resolution = resolution};
    }
}

void kpm31__say(struct mg_step_out *out, const char *text)
{
    size_t at = strlen(out->reason);
    size_t room = sizeof out->reason - 1 - at;
    size_t len = strlen(text);
    memcpy(out->reason + at, text, len < room ? len : room);
}

void kpm31__say_number(struct mg_step_out *out, int64_t number)
{
    char text[24] = {0};
    size_t at = sizeof text - 1;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        text[--at] = '-';
    }
    kpm31__say(out, text + at);
}

void kpm31__fail(struct mg_step_out *out, int code, const char *text)
{
    out->action = MG_STEP_FAIL;
    out->has_effect = false;
    out->pdu_len = 0;
    out->code = code;
    out->reason[0] = '\0';
    kpm31__say(out, text);
}
