#include "requests.h"

#include <string.h>

#include "metergate/bytes.h"

#define FC_INPUT           4
#define FC_WRITE_ONE       6
#define FC_WRITE_REGISTERS 16

void wm3m4c__say(struct mg_step_out *out, const char *text)
{
    size_t at = strlen(out->reason);
    size_t room = sizeof out->reason - 1 - at;
    size_t len = strlen(text);
    memcpy(out->reason + at, text, len < room ? len : room);
}

void wm3m4c__say_number(struct mg_step_out *out, int64_t number)
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
    wm3m4c__say(out, text + at);
}

void wm3m4c__fail(struct mg_step_out *out, int code, const char *text)
{
    out->action = MG_STEP_FAIL;
    out->has_effect = false;
    out->pdu_len = 0;
    out->n_values = 0;
    out->chunk_len = 0;
    out->code = code;
    memset(out->reason, 0, sizeof out->reason);
    wm3m4c__say(out, text);
}

void wm3m4c__say_register(struct mg_step_out *out,
                          const struct mg_step_out *request)
{
    bool is_input = request->pdu[0] == FC_INPUT;
    int64_t address = request->pdu[1] << 8 | request->pdu[2];
    wm3m4c__say(out, "register ");
    wm3m4c__say_number(out, address + (is_input ? 30000 : 40000));
}

void wm3m4c__say_refused(struct mg_step_out *out, uint8_t exception,
                         const struct mg_step_out *request)
{
    static const char *const MEANINGS[] = {
        "",
        " (no such function)",
        " (no such register)",
        " (value refused)",
        " (failure in the meter)",
        "",
        " (meter busy)",
    };
    wm3m4c__say(out, "exception ");
    wm3m4c__say_number(out, exception);
    if (exception < sizeof MEANINGS / sizeof *MEANINGS) {
        wm3m4c__say(out, MEANINGS[exception]);
    }
    wm3m4c__say(out, " when ");
    wm3m4c__say_register(out, request);
    wm3m4c__say(out,
                request->pdu[0] <= FC_INPUT ? " was read" : " was written");
}

static void sent(struct mg_step_out *out, const struct mg_wr *w)
{
    out->action = MG_STEP_SEND;
    out->pdu_len = w->len;
}

void wm3m4c__read(struct mg_step_out *out, uint8_t function, uint16_t address,
                  uint16_t count)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    mg_put_u8(&w, function);
    mg_put_be16(&w, address);
    mg_put_be16(&w, count);
    sent(out, &w);
}

void wm3m4c__write(struct mg_step_out *out, uint16_t address,
                   const uint16_t *values, uint16_t count)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    mg_put_u8(&w, count == 1 ? FC_WRITE_ONE : FC_WRITE_REGISTERS);
    mg_put_be16(&w, address);
    if (count != 1) {
        mg_put_be16(&w, count);
        mg_put_u8(&w, 2U * count);
    }
    for (uint16_t i = 0; i < count; i++) {
        mg_put_be16(&w, values[i]);
    }
    sent(out, &w);
    out->has_effect = true;
}

void wm3m4c__write_bytes(struct mg_step_out *out, uint16_t address,
                         const uint8_t *bytes, size_t len)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    unsigned count = (unsigned)(len + 1) / 2;
    mg_put_u8(&w, FC_WRITE_REGISTERS);
    mg_put_be16(&w, address);
    mg_put_be16(&w, count);
    mg_put_u8(&w, 2 * count);
    mg_put_bytes(&w, bytes, len);
    if (len % 2 != 0) {
        mg_put_u8(&w, 0);
    }
    sent(out, &w);
    out->has_effect = true;
}

const uint8_t *wm3m4c__answer(const struct mg_step_in *in, uint8_t function,
                              uint16_t count)
{
    size_t n_bytes = 2U * (size_t)count;
    bool is_right = in->pdu != NULL && in->pdu_len == 2 + n_bytes &&
                    in->pdu[0] == function && in->pdu[1] == n_bytes;
    return is_right ? in->pdu + 2 : NULL;
}

/* Both functions are answered with the first five bytes of the request: the
 * address, and the value or the count. */
bool wm3m4c__is_written(const struct mg_step_in *in,
                        const struct mg_step_out *request)
{
    return in->pdu != NULL && in->pdu_len == 5 && request->pdu_len >= 5 &&
           memcmp(in->pdu, request->pdu, 5) == 0;
}

void wm3m4c__value(struct mg_step_out *out, mg_channel channel, int64_t value,
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
