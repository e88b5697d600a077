/* The record: output, signature, public key (manual V1.07, 5.5.10 to 5.5.12).
 */
#include "requests.h"
#include "session.h"

#define OUTPUT        7612
#define SIGNATURE     8188
#define KEY           8124
#define N_KEY         32
#define OUTPUT_MAX    1024 /* 47612..48123 */
#define SIGNATURE_MAX 256  /* 48188..48315 */
#define SIGNING_OK    15
#define BASE64        1

bool wm3m4c__has_record(const struct wm3m4c_signing *signing)
{
    return signing->status == SIGNING_OK && signing->output_len > 0 &&
           signing->output_len <= OUTPUT_MAX && signing->signature_len > 0 &&
           signing->signature_len <= SIGNATURE_MAX;
}

void wm3m4c__read_record(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    s->at = 0;
    wm3m4c__go(s, WM3M4C_OUTPUT, in, out);
}

/* Registers of the next piece of `len` bytes. */
static uint16_t piece(const struct wm3m4c_session_state *s, uint16_t len)
{
    unsigned left = (len - s->at + 1U) / 2U;
    return (uint16_t)(left < WM3M4C_REGISTERS_MAX ? left
                                                  : WM3M4C_REGISTERS_MAX);
}

static void ask_piece(const struct wm3m4c_session_state *s, uint16_t address,
                      uint16_t len, struct mg_step_out *out)
{
    wm3m4c__read(out, 3, (uint16_t)(address + s->at / 2), piece(s, len));
}

/* Hand over what came, without the byte that fills up the last register.
 * @return false: garbled */
static bool take_piece(struct wm3m4c_session_state *s, uint16_t len,
                       enum mg_chunk_kind kind, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    uint16_t n = piece(s, len);
    const uint8_t *data = wm3m4c__answer(in, 3, n);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return false;
    }
    unsigned left = (unsigned)len - s->at;
    out->chunk = data;
    out->chunk_len = left < 2U * n ? left : 2U * n;
    out->chunk_kind = (uint8_t)kind;
    s->at = (uint16_t)(s->at + out->chunk_len);
    return true;
}

static void ask_output(const struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)in;
    ask_piece(s, OUTPUT, s->signing.output_len, out);
}

static void take_output(struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    uint16_t len = s->signing.output_len;
    if (!take_piece(s, len, MG_CHUNK_PAYLOAD, in, out)) {
        return;
    }
    if (s->at < len) {
        wm3m4c__go(s, WM3M4C_OUTPUT, in, out);
        return;
    }
    s->at = 0;
    wm3m4c__go(s, WM3M4C_SIGNATURE, in, out);
}

static void ask_signature(const struct wm3m4c_session_state *s,
                          const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)in;
    ask_piece(s, SIGNATURE, s->signing.signature_len, out);
}

static void take_signature(struct wm3m4c_session_state *s,
                           const struct mg_step_in *in, struct mg_step_out *out)
{
    uint16_t len = s->signing.signature_len;
    enum mg_chunk_kind kind = s->signing.format == BASE64
                                  ? MG_CHUNK_SIGNATURE_BASE64
                                  : MG_CHUNK_SIGNATURE_DER;
    if (take_piece(s, len, kind, in, out)) {
        wm3m4c__go(s, s->at < len ? WM3M4C_SIGNATURE : WM3M4C_KEY, in, out);
    }
}

static void ask_key(const struct wm3m4c_session_state *s,
                    const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, KEY, N_KEY);
}

static void take_key(struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    const uint8_t *data = wm3m4c__answer(in, 3, N_KEY);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return;
    }
    out->chunk = data;
    out->chunk_len = (size_t)2 * N_KEY;
    out->chunk_kind = MG_CHUNK_PUBLIC_KEY;
    if (wm3m4c__has_record(&s->signing)) {
        wm3m4c__go(s, WM3M4C_STILL, in, out);
    } else {
        wm3m4c__done(s, in, out);
    }
}

/* The output is gone with the power (5.5.10): what was read before and after
 * would not belong together. */
static void take_still(struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    struct wm3m4c_signing before = s->signing;
    if (!wm3m4c__take_signing(s, in, out)) {
        return;
    }
    if (s->signing.status == before.status &&
        s->signing.output_len == before.output_len &&
        s->signing.signature_len == before.signature_len) {
        wm3m4c__done(s, in, out);
        return;
    }
    wm3m4c__fail(out, MG_E_STATE, "the output went away while it was read: ");
    wm3m4c__say_signing(out, s->signing.status);
}

const struct wm3m4c_phase_ops wm3m4c__output = {ask_output, take_output};
const struct wm3m4c_phase_ops wm3m4c__signature = {ask_signature,
                                                   take_signature};
const struct wm3m4c_phase_ops wm3m4c__key = {ask_key, take_key};
const struct wm3m4c_phase_ops wm3m4c__still = {wm3m4c__ask_signing, take_still};
