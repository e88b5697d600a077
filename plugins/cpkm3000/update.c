#include "update.h"

#include <string.h>

#include "messages.h"
#include "metergate/bytes.h"

#define HEAD_LEN      20 /* MGCPKM01, LRS version */
#define HASH_LEN      32
#define SIGNATURE_LEN 64
#define IMAGE_MAX     16384
#define CHUNK         240
#define TIMEOUTS_MAX  5
#define RESTART_MS    3000 /* the meter's way through its boot loader */

enum phase { BEGIN, DATA, FINISH, RESTARTING, STATUS };

static uint32_t image_len(const struct mg_step_in *in)
{
    return (uint32_t)(in->text_len - SIGNATURE_LEN - HASH_LEN);
}

/* The core gives the file with its hash in front. */
static const uint8_t *image_of(const struct mg_step_in *in)
{
    return (const uint8_t *)in->text + HASH_LEN;
}

static void send(struct mg_step_out *out, const struct mg_wr *w)
{
    out->action = MG_STEP_SEND;
    out->pdu_len = w->len;
}

static void begin(const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    if (in->text == NULL ||
        in->text_len <= HASH_LEN + HEAD_LEN + SIGNATURE_LEN ||
        image_len(in) > IMAGE_MAX || memcmp(image_of(in), "MGCPKM01", 8) != 0) {
        cpkm3000__fail(out, MG_E_INVAL, "the file is no image of a CPKM3000",
                       "");
        return;
    }
    mg_put_u8(&w, CPKM3000_UPDATE_BEGIN);
    mg_put_be32(&w, image_len(in));
    mg_put_bytes(&w, (const uint8_t *)in->text, HASH_LEN);
    send(out, &w);
}

static void data(const struct cpkm3000_update_state *s,
                 const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    uint32_t n = image_len(in) - s->offset;
    mg_put_u8(&w, CPKM3000_UPDATE_DATA);
    mg_put_be32(&w, s->offset);
    mg_put_bytes(&w, image_of(in) + s->offset, n > CHUNK ? CHUNK : n);
    send(out, &w);
}

static void finish(const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    mg_put_u8(&w, CPKM3000_UPDATE_FINISH);
    mg_put_bytes(&w, image_of(in) + image_len(in), SIGNATURE_LEN);
    send(out, &w);
    out->has_effect = true; /* what was sent before is only a copy */
    out->stage = MG_STAGE_DOWNLOADED;
}

static void ask_status(struct mg_step_out *out)
{
    out->action = MG_STEP_SEND;
    out->pdu[0] = CPKM3000_UPDATE_STATUS;
    out->pdu_len = 1;
}

static void send_phase(struct cpkm3000_update_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    switch (s->phase) {
    case BEGIN:
        begin(in, out);
        break;
    case DATA:
        data(s, in, out);
        break;
    case FINISH:
        finish(in, out);
        break;
    case RESTARTING:
        out->action = MG_STEP_WAIT;
        out->wait_ms = RESTART_MS;
        s->phase = STATUS;
        break;
    default:
        ask_status(out);
        break;
    }
}

static void took_data(struct cpkm3000_update_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_rd r = mg_rd_init(in->pdu + 1, in->pdu_len - 1);
    uint32_t next = mg_rd_be32(&r);
    if (next <= s->offset || next > image_len(in)) {
        cpkm3000__fail(out, MG_E_PROTO, "firmware-update",
                       ": the meter goes on at a wrong offset");
        return;
    }
    s->offset = next;
    s->phase = next == image_len(in) ? FINISH : DATA;
    send_phase(s, in, out);
}

static void took_status(const struct mg_step_in *in, struct mg_step_out *out)
{
    /* state, result, LRS version[12], LRS hash */
    if (in->pdu[2] != 1 || memcmp(in->pdu + 15, in->text, HASH_LEN) != 0) {
        cpkm3000__fail(out, MG_E_MISMATCH, "firmware-update",
                       ": the meter runs its old firmware");
        return;
    }
    out->action = MG_STEP_DONE;
    out->stage = MG_STAGE_INSTALLED;
}

static void replied(struct cpkm3000_update_state *s,
                    const struct mg_step_in *in, struct mg_step_out *out)
{
    if (s->phase == BEGIN &&
        cpkm3000__is_answer(in, CPKM3000_UPDATE_BEGIN, 0)) {
        s->phase = DATA;
        send_phase(s, in, out);
    } else if (s->phase == DATA &&
               cpkm3000__is_answer(in, CPKM3000_UPDATE_DATA, 4)) {
        took_data(s, in, out);
    } else if (s->phase == FINISH &&
               cpkm3000__is_answer(in, CPKM3000_UPDATE_FINISH, 0)) {
        s->phase = RESTARTING;
        send_phase(s, in, out);
    } else if (s->phase == STATUS &&
               cpkm3000__is_answer(in, CPKM3000_UPDATE_STATUS,
                                   2 + 12 + HASH_LEN)) {
        took_status(in, out);
    } else {
        cpkm3000__refused(in, "firmware-update", out);
    }
}

void cpkm3000__update_step(void *state, const struct mg_step_in *in,
                           struct mg_step_out *out)
{
    struct cpkm3000_update_state *s = state;
    switch (in->event) {
    case MG_STEP_REPLY:
        s->n_timeouts = 0;
        replied(s, in, out);
        break;
    case MG_STEP_TIMEOUT:
        if (++s->n_timeouts >= TIMEOUTS_MAX) {
            cpkm3000__fail(out, MG_E_TIMEOUT, "firmware-update",
                           ": the meter does not answer");
        } else if (s->phase == DATA || s->phase == BEGIN) {
            /* Whether it came is not known: from the start. */
            s->phase = BEGIN;
            s->offset = 0;
            send_phase(s, in, out);
        } else {
            s->phase = RESTARTING; /* it may be on its way */
            send_phase(s, in, out);
        }
        break;
    case MG_STEP_EXCEPTION:
        cpkm3000__fail(out, MG_E_EXCEPTION, "firmware-update", ": refused");
        break;
    case MG_STEP_CANCEL:
        cpkm3000__fail(out, MG_E_TIMEOUT, "firmware-update",
                       ": it took too long");
        break;
    case MG_STEP_RESUME:
        s->phase = s->phase >= FINISH ? STATUS : BEGIN;
        s->offset = 0;
        send_phase(s, in, out);
        break;
    default:
        send_phase(s, in, out);
        break;
    }
}
