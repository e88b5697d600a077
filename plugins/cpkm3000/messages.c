#include "messages.h"

#include <string.h>

#include "metergate/bytes.h"

#define IDENTITY_LEN     189
#define IDENTITY_VERSION 1
#define TELEGRAM_LEN     174
#define TELEGRAM_BODY    110
#define TELEGRAM_VERSION 1
#define MWH_PER_UNIT     100 /* 0.1 Wh */

static const uint8_t MAGIC[4] = {'C', 'P', 'K', 'M'};

/* A text filled up with NULs. @return false: something else is in it */
static bool take_text(struct mg_rd *r, size_t n, char *ret)
{
    bool has_ended = false;
    bool is_good = true;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = mg_rd_u8(r);
        is_good = is_good && (c == 0 || (!has_ended && c >= ' ' && c < 0x7f));
        has_ended = has_ended || c == 0;
        ret[i] = (char)c;
    }
    ret[n] = '\0';
    return is_good;
}

static void take(struct mg_rd *r, uint8_t *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = mg_rd_u8(r);
    }
}

size_t cpkm3000__identify(uint8_t ret[MG_PDU_MAX])
{
    ret[0] = CPKM3000_IDENTIFY;
    return 1;
}

int cpkm3000__identity(const uint8_t *message, size_t len,
                       struct mg_identity *ret)
{
    if (len == 0 || message[0] != CPKM3000_IDENTIFY + CPKM3000_ANSWER) {
        return MG_E_NOSUP;
    }
    if (len != IDENTITY_LEN || message[1] != IDENTITY_VERSION) {
        return MG_E_PROTO;
    }
    struct mg_identity id = {0};
    struct mg_rd r = mg_rd_init(message + 3, len - 3);
    bool is_good = take_text(&r, 16, id.serial);
    is_good = take_text(&r, 16, id.part_number) && is_good;
    uint8_t n_phases = mg_rd_u8(&r);
    is_good = take_text(&r, 12, id.version) && is_good;
    is_good = take_text(&r, 12, id.lrs_version) && is_good;
    take(&r, id.lrs_hash, sizeof id.lrs_hash);
    take(&r, id.public_key, sizeof id.public_key);
    uint8_t is_sealed = mg_rd_u8(&r);
    take(&r, id.seal, sizeof id.seal);
    if (!is_good || r.failed || id.serial[0] == '\0' || is_sealed > 1 ||
        (n_phases != 1 && n_phases != 3)) {
        return MG_E_PROTO;
    }
    id.is_sealed = is_sealed == 1;
    *ret = id;
    return MG_OK;
}

size_t cpkm3000__ask_telegram(const uint8_t challenge[MG_CHALLENGE_LEN],
                              uint8_t ret[MG_PDU_MAX])
{
    ret[0] = CPKM3000_TELEGRAM;
    memcpy(ret + 1, challenge, MG_CHALLENGE_LEN);
    return 1 + MG_CHALLENGE_LEN;
}

/* Beyond this, mWh do not fit any more: no meter comes that far. */
static bool take_energy(struct mg_rd *r, int64_t *ret_mwh)
{
    uint64_t units = mg_rd_be64(r);
    *ret_mwh = (int64_t)(units % (INT64_MAX / MWH_PER_UNIT)) * MWH_PER_UNIT;
    return units < INT64_MAX / MWH_PER_UNIT;
}

int cpkm3000__telegram(const uint8_t *message, size_t len,
                       struct mg_telegram *ret)
{
    if (len < sizeof MAGIC || memcmp(message, MAGIC, sizeof MAGIC) != 0) {
        return MG_E_NOSUP;
    }
    if (len != TELEGRAM_LEN || message[4] != TELEGRAM_VERSION) {
        return MG_E_PROTO;
    }
    struct mg_telegram t = {.resolution_mwh = MWH_PER_UNIT};
    struct mg_rd r = mg_rd_init(message + 5, len - 5);
    t.node = mg_rd_u8(&r);
    bool is_good = take_text(&r, 16, t.serial);
    t.boot = mg_rd_be32(&r);
    t.counter = mg_rd_be64(&r);
    t.uptime_ms = mg_rd_be64(&r);
    is_good = take_energy(&r, &t.import_mwh) && is_good;
    is_good = take_energy(&r, &t.export_mwh) && is_good;
    t.status = mg_rd_be32(&r);
    take(&r, t.lrs_hash, sizeof t.lrs_hash);
    take(&r, t.challenge, sizeof t.challenge);
    take(&r, t.signature, sizeof t.signature);
    if (!is_good || r.failed || t.serial[0] == '\0') {
        return MG_E_PROTO;
    }
    t.body = message;
    t.body_len = TELEGRAM_BODY;
    *ret = t;
    return MG_OK;
}

/* ---- For the procedures ---- */

bool cpkm3000__is_answer(const struct mg_step_in *in,
                         enum cpkm3000_service service, size_t n_bytes)
{
    return in->pdu_len == 1 + n_bytes &&
           in->pdu[0] == (uint8_t)service + CPKM3000_ANSWER;
}

void cpkm3000__fail(struct mg_step_out *out, int code, const char *text,
                    const char *more)
{
    size_t n = 0;
    out->action = MG_STEP_FAIL;
    out->code = code;
    for (; text[n] != '\0' && n < sizeof out->reason - 1; n++) {
        out->reason[n] = text[n];
    }
    for (size_t i = 0; more[i] != '\0' && n < sizeof out->reason - 1; i++) {
        out->reason[n++] = more[i];
    }
    out->reason[n] = '\0';
}

void cpkm3000__refused(const struct mg_step_in *in, const char *what,
                       struct mg_step_out *out)
{
    static const char *const WHY[] = {
        "for no known reason", "unknown service",
        "wrong length",        "not in this state",
        "not this value",      "wrong signature",
        "wrong hash or head",  "an internal error holds the relays open"};
    if (in->pdu_len != 3 || in->pdu[0] != CPKM3000_REFUSAL) {
        cpkm3000__fail(out, MG_E_PROTO, what, ": the answer makes no sense");
        return;
    }
    uint8_t code = in->pdu[2] < sizeof WHY / sizeof *WHY ? in->pdu[2] : 0;
    cpkm3000__fail(out, MG_E_EXCEPTION, what, " refused: ");
    char why[sizeof out->reason];
    memcpy(why, out->reason, sizeof why);
    cpkm3000__fail(out, MG_E_EXCEPTION, why, WHY[code]);
}
