#include "update.h"

#include <string.h>

#include "messages.h"
#include "metergate/bytes.h"

#define WHAT          "firmware-update"
#define HEAD_LEN      36
#define HASH_LEN      32
#define SIGNATURE_LEN 64
#define IMAGE_MAX     16384
#define PIECE_MAX     240
#define TIMEOUTS_MAX  5
#define RESTART_MS    3000 /* the unit's way through its boot loader */
#define STATUS_LEN    (2 + 12 + HASH_LEN)

enum phase { BEGIN, DATA, FINISH, STATUS };

/* The core gives the file with the image's hash in front. What is in it is for
 * the unit to judge, which must see attempts as well. */
struct image {
    const uint8_t *hash, *bytes, *signature;
    uint32_t len;
};

static bool get_image(const struct mg_step_in *in, struct image *ret)
{
    size_t extra = HASH_LEN + SIGNATURE_LEN;
    if (in->text == NULL || in->text_len <= extra + HEAD_LEN ||
        in->text_len > extra + IMAGE_MAX) {
        return false;
    }
    ret->hash = (const uint8_t *)in->text;
    ret->bytes = ret->hash + HASH_LEN;
    ret->len = (uint32_t)(in->text_len - extra);
    ret->signature = ret->bytes + ret->len;
    return true;
}

static void ask(const struct cpim1000_update_state *s, const struct image *im,
                struct mg_step_out *out)
{
    struct mg_wr w = mg_wr_init(out->pdu, sizeof out->pdu);
    uint32_t rest = im->len - s->offset;
    out->action = MG_STEP_SEND;
    switch (s->phase) {
    case BEGIN:
        mg_put_u8(&w, CPIM1000_UPDATE_BEGIN);
        mg_put_be32(&w, im->len);
        mg_put_bytes(&w, im->hash, HASH_LEN);
        break;
    case DATA:
        mg_put_u8(&w, CPIM1000_UPDATE_DATA);
        mg_put_be32(&w, s->offset);
        mg_put_bytes(&w, im->bytes + s->offset,
                     rest > PIECE_MAX ? PIECE_MAX : rest);
        break;
    case FINISH:
        mg_put_u8(&w, CPIM1000_UPDATE_FINISH);
        mg_put_bytes(&w, im->signature, SIGNATURE_LEN);
        out->has_effect = true; /* what was sent before is only a copy */
        out->stage = MG_STAGE_DOWNLOADED;
        break;
    default:
        mg_put_u8(&w, CPIM1000_UPDATE_STATUS);
        break;
    }
    out->pdu_len = w.len;
}

static void wait_for_restart(struct cpim1000_update_state *s,
                             struct mg_step_out *out)
{
    s->phase = STATUS;
    out->action = MG_STEP_WAIT;
    out->wait_ms = RESTART_MS;
}

/* @return false: not the answer that was asked for */
static bool answered(struct cpim1000_update_state *s, const struct image *im,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_rd r = mg_rd_init(in->pdu + 1, in->pdu_len - 1);
    uint32_t next;
    switch (s->phase) {
    case BEGIN:
        s->phase = DATA;
        ask(s, im, out);
        return cpim1000__is_answer(in, CPIM1000_UPDATE_BEGIN, 0);
    case DATA:
        next = mg_rd_be32(&r);
        if (r.failed || next <= s->offset || next > im->len) {
            return false;
        }
        s->offset = next;
        s->phase = next == im->len ? FINISH : DATA;
        ask(s, im, out);
        return cpim1000__is_answer(in, CPIM1000_UPDATE_DATA, 4);
    case FINISH:
        wait_for_restart(s, out);
        return cpim1000__is_answer(in, CPIM1000_UPDATE_FINISH, 0);
    default:
        if (!cpim1000__is_answer(in, CPIM1000_UPDATE_STATUS, STATUS_LEN)) {
            return false;
        }
        /* state, result, software version[12], its hash */
        if (in->pdu[2] != 1 || memcmp(in->pdu + 15, im->hash, HASH_LEN) != 0) {
            cpim1000__fail(out, MG_E_MISMATCH, WHAT,
                           ": the unit runs its old firmware");
            return true;
        }
        out->action = MG_STEP_DONE;
        out->stage = MG_STAGE_INSTALLED;
        return true;
    }
}

static void timed_out(struct cpim1000_update_state *s, const struct image *im,
                      struct mg_step_out *out)
{
    if (++s->n_timeouts >= TIMEOUTS_MAX) {
        cpim1000__fail(out, MG_E_TIMEOUT, WHAT, ": the unit does not answer");
    } else if (s->phase >= FINISH) {
        wait_for_restart(s, out); /* it may be on its way */
    } else {
        s->phase = BEGIN; /* whether it came is not known */
        s->offset = 0;
        ask(s, im, out);
    }
}

void cpim1000__update_step(void *state, const struct mg_step_in *in,
                           struct mg_step_out *out)
{
    struct cpim1000_update_state *s = state;
    struct image im;
    if (!get_image(in, &im)) {
        cpim1000__fail(
            out, MG_E_INVAL,
            "the file is too short or too long for an image of a CPIM1000", "");
        return;
    }
    switch (in->event) {
    case MG_STEP_REPLY:
        s->n_timeouts = 0;
        if (!answered(s, &im, in, out)) {
            memset(out, 0, sizeof *out);
            cpim1000__refused(in, WHAT, out);
        }
        break;
    case MG_STEP_TIMEOUT:
        timed_out(s, &im, out);
        break;
    case MG_STEP_EXCEPTION:
        cpim1000__fail(out, MG_E_EXCEPTION, WHAT, ": refused");
        break;
    case MG_STEP_CANCEL:
        cpim1000__fail(out, MG_E_TIMEOUT, WHAT, ": it took too long");
        break;
    case MG_STEP_RESUME:
        s->phase = s->phase >= FINISH ? STATUS : BEGIN;
        s->offset = 0;
        ask(s, &im, out);
        break;
    default:
        ask(s, &im, out);
        break;
    }
}
