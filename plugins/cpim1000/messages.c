#include "messages.h"

#include "metergate/bytes.h"

#define IDENTITY_LEN     125
#define IDENTITY_VERSION 1
#define N_SIDES          2

/* ---- Who it is ---- */

/* Printable, then NULs to the end. */
static bool is_text(const char *text, size_t n)
{
    size_t len = 0;
    while (len < n && text[len] >= ' ' && text[len] < 0x7f) {
        len++;
    }
    for (size_t i = len; i < n; i++) {
        if (text[i] != '\0') {
            return false;
        }
    }
    return len > 0;
}

static void copy(struct mg_rd *r, void *ret, size_t n)
{
    uint8_t *bytes = ret;
    for (size_t i = 0; i < n; i++) {
        bytes[i] = mg_rd_u8(r);
    }
}

size_t cpim1000__identify(uint8_t ret[MG_PDU_MAX])
{
    ret[0] = CPIM1000_IDENTIFY;
    return 1;
}

int cpim1000__identity(const uint8_t *message, size_t len,
                       struct mg_identity *ret)
{
    if (len == 0 || message[0] != CPIM1000_IDENTIFY + CPIM1000_ANSWER) {
        return MG_E_NOSUP;
    }
    struct mg_identity id = {0};
    struct mg_rd r = mg_rd_init(message + 1, len - 1);
    uint8_t version = mg_rd_u8(&r);
    (void)mg_rd_u8(&r); /* node: as its address */
    uint8_t side = mg_rd_u8(&r);
    copy(&r, id.serial, sizeof id.serial - 1);
    copy(&r, id.part_number, sizeof id.part_number - 1);
    uint8_t n_phases = mg_rd_u8(&r);
    copy(&r, id.version, sizeof id.version - 1);
    copy(&r, id.software_hash, sizeof id.software_hash);
    copy(&r, id.lrs_version, sizeof id.lrs_version - 1);
    copy(&r, id.lrs_hash, sizeof id.lrs_hash);
    if (r.failed || len != IDENTITY_LEN || version != IDENTITY_VERSION ||
        side >= N_SIDES || (n_phases != 1 && n_phases != 3) ||
        !is_text(id.serial, sizeof id.serial - 1) ||
        !is_text(id.part_number, sizeof id.part_number - 1) ||
        !is_text(id.version, sizeof id.version - 1) ||
        !is_text(id.lrs_version, sizeof id.lrs_version - 1)) {
        return MG_E_PROTO;
    }
    id.has_software_hash = true;
    id.circuit = side;
    *ret = id;
    return MG_OK;
}

/* ---- For the procedures ---- */

bool cpim1000__is_answer(const struct mg_step_in *in,
                         enum cpim1000_service service, size_t n_bytes)
{
    return in->pdu_len == 1 + n_bytes &&
           in->pdu[0] == (uint8_t)service + CPIM1000_ANSWER;
}

static size_t append(char *ret, size_t len, size_t cap, const char *text)
{
    for (size_t i = 0; text[i] != '\0' && len < cap - 1; i++) {
        ret[len++] = text[i];
    }
    ret[len] = '\0';
    return len;
}

void cpim1000__fail(struct mg_step_out *out, int code, const char *text,
                    const char *more)
{
    out->action = MG_STEP_FAIL;
    out->code = code;
    size_t len = append(out->reason, 0, sizeof out->reason, text);
    (void)append(out->reason, len, sizeof out->reason, more);
}

void cpim1000__refused(const struct mg_step_in *in, const char *what,
                       struct mg_step_out *out)
{
    static const char *const why[] = {
        ", refused: for no known reason",
        ", refused: unknown service",
        ", refused: wrong length",
        ", refused: not in this state",
        ", refused: not this value",
        ", refused: wrong signature",
        ", refused: wrong hash or head",
        ", refused: a fault at the start keeps the relays open",
        ", refused: the seal is in place"};
    if (in->pdu_len != 3 || in->pdu[0] != CPIM1000_REFUSAL) {
        cpim1000__fail(out, MG_E_PROTO, what, ": the answer makes no sense");
        return;
    }
    uint8_t code = in->pdu[2] < sizeof why / sizeof *why ? in->pdu[2] : 0;
    cpim1000__fail(out, MG_E_EXCEPTION, what, why[code]);
}
