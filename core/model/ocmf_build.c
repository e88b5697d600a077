#include "model/ocmf_build.h"

#include <stdio.h>
#include <string.h>

#include "metergate/fixed.h"
#include "model/json.h"
#include "model/utf8.h"

#define MWH_DECIMALS 6   /* of a kWh */
#define TEXT_MAX     512 /* bytes of one text */

int mg_ocmf_check_text(const char *what, const char *text, size_t max_len,
                       struct mg_err *err)
{
    size_t len = strlen(text);
    if (len > max_len) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: %zu bytes are too long; expected at most %zu",
                          what, len, max_len);
    }
    for (size_t i = 0; i < len;) {
        size_t n = mg_utf8_len(text + i, len - i);
        if (n == 0) {
            return mg_err_set(err, MG_E_INVAL, "%s: byte %zu is not UTF-8",
                              what, i + 1);
        }
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return mg_err_set(err, MG_E_INVAL,
                              "%s: byte %zu is a control character", what,
                              i + 1);
        }
        i += n;
    }
    return MG_OK;
}

/* As a JSON string; `|` separates the sections of a record and must not occur
 * within one (OCMF 1.4, "Structure"), so it is escaped. */
static void put_text(struct mg_json *j, const char *key, const char *text)
{
    char quoted[6 * TEXT_MAX + 2];
    size_t len = strlen(text), n = 0;
    if (len > TEXT_MAX) {
        j->failed = true;
        return;
    }
    quoted[n++] = '"';
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '|') {
            memcpy(quoted + n, "\\u007C", 6);
            n += 6;
            continue;
        }
        if (text[i] == '"' || text[i] == '\\') {
            quoted[n++] = '\\';
        }
        quoted[n++] = text[i];
    }
    quoted[n++] = '"';
    mg_json_key(j, key);
    mg_json_raw(j, quoted, n);
}

/* After the comma that comes next, in the form of ChargePoint. */
static void put_blank(struct mg_json *j, const struct mg_ocmf_head *h)
{
    if (h->form == MG_OCMF_FORM_CHARGEPOINT && j->has_item) {
        j->has_item = false; /* it is written here */
        mg_json_raw(j, ", ", 2);
        j->has_item = false;
    }
}

static void put_if_any(struct mg_json *j, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        put_text(j, key, text);
    }
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void put_flags(struct mg_json *j, const struct mg_ocmf_head *h)
{
    mg_json_key(j, "IF");
    mg_json_open(j, '[');
    for (size_t i = 0; i < h->n_flags && i < 4; i++) {
        mg_json_str(j, h->flags[i], strlen(h->flags[i]));
    }
    mg_json_close(j, ']');
}

static const char *type_of(const struct mg_ocmf_head *h)
{
    return or_empty(h->type)[0] == '\0' ? "NONE" : h->type;
}

static int finish(struct mg_json *j, size_t cap, size_t *ret_len)
{
    if (j->failed || j->len >= cap) {
        return MG_E_NOSPC;
    }
    j->buf[j->len] = '\0';
    *ret_len = j->len;
    return MG_OK;
}

int mg_ocmf_dataset(const struct mg_ocmf_head *h, char *ret, size_t cap,
                    size_t *ret_len)
{
    static const char *const filled_in[] = {"PG", "MV", "MM", "MS", "MF"};
    struct mg_json j = mg_json_init(ret, cap);
    mg_json_open(&j, '{');
    put_text(&j, "FV", h->version);
    put_text(&j, "GI", or_empty(h->gi));
    put_text(&j, "GS", or_empty(h->gs));
    for (size_t i = 0; i < sizeof filled_in / sizeof *filled_in; i++) {
        put_text(&j, filled_in[i], "");
    }
    mg_json_member_bool(&j, "IS", h->is_assigned);
    put_flags(&j, h);
    put_text(&j, "IT", type_of(h));
    put_text(&j, "ID", or_empty(h->data));
    put_if_any(&j, "TT", h->tariff);
    put_text(&j, "CT", or_empty(h->ct));
    put_text(&j, "CI", or_empty(h->ci));
    mg_json_key(&j, "RD");
    mg_json_open(&j, '[');
    mg_json_close(&j, ']');
    mg_json_close(&j, '}');
    return finish(&j, cap, ret_len);
}

unsigned mg_ocmf_decimals(int64_t resolution_mwh)
{
    return resolution_mwh <= 100 ? 4 : resolution_mwh <= 1000 ? 3 : 2;
}

/* "2025-06-03T07:48:45,000+0000 U" */
static int put_time(struct mg_json *j, const struct mg_ocmf_head *h,
                    const struct mg_ocmf_entry *e)
{
    char local[MG_TIME_TEXT];
    int rc = mg_time_format(e->utc_ms + e->offset_min * INT64_C(60000), local);
    if (rc != MG_OK || e->offset_min < -1439 || e->offset_min > 1439) {
        return MG_E_RANGE;
    }
    unsigned minutes =
        (unsigned)(e->offset_min < 0 ? -e->offset_min : e->offset_min);
    char text[40];
    (void)snprintf(text, sizeof text, "%.19s,%.3s%c%02u%02u %c", local,
                   local + 20, e->offset_min < 0 ? '-' : '+', minutes / 60,
                   minutes % 60, e->clock);
    put_blank(j, h);
    mg_json_member_str(j, "TM", text);
    return MG_OK;
}

static void put_energy(struct mg_json *j, const char *key, int64_t units,
                       unsigned decimals)
{
    mg_json_key(j, key);
    mg_json_decimal(j, units, decimals, 0);
}

static void put_loss(struct mg_json *j, const struct mg_ocmf_head *h,
                     int64_t units, unsigned decimals)
{
    if (!h->has_loss) {
        return;
    }
    if (h->form == MG_OCMF_FORM_CHARGEPOINT) {
        for (; decimals > 1 && units % 10 == 0; decimals--) {
            units /= 10;
        }
    }
    put_blank(j, h);
    put_energy(j, "CL", units, decimals);
}

static void put_entry_text(struct mg_json *j, const struct mg_ocmf_head *h,
                           const char *key, const char *text)
{
    put_blank(j, h);
    mg_json_member_str(j, key, text);
}

static int put_entry(struct mg_json *j, const struct mg_ocmf_head *h,
                     const struct mg_ocmf_entry *e, unsigned decimals)
{
    int64_t step = mg_pow10(MWH_DECIMALS - decimals);
    int64_t shown = e->meter_mwh / step, loss = e->loss_mwh / step;
    if (e->meter_mwh < 0 || e->loss_mwh < 0 || loss > shown) {
        return MG_E_RANGE;
    }
    char tx[2] = {e->tx, '\0'}, status[2] = {e->status, '\0'};
    put_blank(j, h);
    mg_json_open(j, '{');
    put_if_any(j, "TX", tx);
    int rc = put_time(j, h, e);
    put_entry_text(j, h, "RU", "kWh");
    put_entry_text(j, h, "RI", "1-b:1.8.0");
    put_entry_text(j, h, "RT", "AC");
    put_blank(j, h);
    put_energy(j, "RV", shown - loss, decimals);
    put_loss(j, h, loss, decimals);
    if (e->is_energy_bad || e->is_time_bad) {
        put_entry_text(j, h, "EF",
                       !e->is_time_bad     ? "E"
                       : !e->is_energy_bad ? "t"
                                           : "Et");
    }
    put_entry_text(j, h, "ST", status);
    mg_json_close(j, '}');
    return rc;
}

static void put_cable(struct mg_json *j, const struct mg_ocmf_head *h)
{
    if (!h->has_loss) {
        return;
    }
    put_blank(j, h);
    mg_json_key(j, "LC");
    mg_json_open(j, '{');
    mg_json_member_str(j, "LU", "uOhm");
    put_blank(j, h);
    if (h->form == MG_OCMF_FORM_CHARGEPOINT) { /* "23000.0" */
        mg_json_key(j, "LR");
        mg_json_decimal(j, INT64_C(10) * h->loss_uohm, 1, 0);
    } else {
        mg_json_member_int(j, "LR", h->loss_uohm);
    }
    mg_json_close(j, '}');
}

static void put_text_apart(struct mg_json *j, const struct mg_ocmf_head *h,
                           const char *key, const char *text)
{
    if (text != NULL) {
        put_blank(j, h);
        put_text(j, key, text);
    }
}

static void put_chargepoint_head(struct mg_json *j,
                                 const struct mg_ocmf_head *h, const char *pg)
{
    put_text(j, "FV", h->version);
    put_text(j, "GI", or_empty(h->gi));
    put_text(j, "PG", pg);
    put_if_any(j, "GV", h->gv);
    put_text(j, "MV", or_empty(h->mv));
    put_text_apart(j, h, "MM", or_empty(h->mm));
    put_text_apart(j, h, "MS", or_empty(h->ms));
    put_text_apart(j, h, "MF", h->mf);
    put_blank(j, h);
    mg_json_member_bool(j, "IS", h->is_assigned);
    put_text_apart(j, h, "ID", or_empty(h->data));
    put_blank(j, h);
    mg_json_member_int(j, "CI", h->connector);
    put_cable(j, h);
    put_text_apart(j, h, "TT", or_empty(h->tariff));
}

static void put_head(struct mg_json *j, const struct mg_ocmf_head *h,
                     const char *pg)
{
    put_text(j, "FV", h->version);
    put_text(j, "GI", or_empty(h->gi));
    put_if_any(j, "GS", h->gs);
    put_text(j, "PG", pg);
    put_if_any(j, "GV", h->gv);
    put_if_any(j, "MV", h->mv);
    put_if_any(j, "MM", h->mm);
    put_text(j, "MS", or_empty(h->ms));
    put_if_any(j, "MF", h->mf);
    mg_json_member_bool(j, "IS", h->is_assigned);
    put_if_any(j, "IL", h->level);
    put_flags(j, h);
    put_text(j, "IT", type_of(h));
    put_text(j, "ID", or_empty(h->data));
    put_if_any(j, "CT", h->ct);
    put_if_any(j, "CI", h->ci);
    put_cable(j, h);
    if (h->tariff != NULL) {
        put_text(j, "TT", h->tariff);
    }
}

int mg_ocmf_payload(const struct mg_ocmf_head *head, const char *pg,
                    const struct mg_ocmf_entry *entries, size_t n,
                    unsigned decimals, char *ret, size_t cap, size_t *ret_len)
{
    bool is_chargepoint = head->form == MG_OCMF_FORM_CHARGEPOINT;
    if (decimals < 2 || decimals > 4 ||
        (is_chargepoint && (head->connector < 1 || head->connector > 2))) {
        return MG_E_RANGE;
    }
    struct mg_json j = mg_json_init(ret, cap);
    mg_json_open(&j, '{');
    if (is_chargepoint) {
        put_chargepoint_head(&j, head, pg);
    } else {
        put_head(&j, head, pg);
    }
    mg_json_key(&j, "RD");
    mg_json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        int rc = put_entry(&j, head, &entries[i], decimals);
        if (rc != MG_OK) {
            return rc;
        }
    }
    mg_json_close(&j, ']');
    mg_json_close(&j, '}');
    return finish(&j, cap, ret_len);
}
