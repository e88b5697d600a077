/* The billing dataset (manual 5.5.13): the text as it was entered, with what
 * the meter fills in. Names stand in the given order, without white space;
 * GV, CF, TT and IL may come between them and IF may be missing, as the meters
 * in the field have it. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

/* In the order of the manual. */
enum {
    NAME_PG = 3,
    NAME_MV,
    NAME_MM,
    NAME_MS,
    NAME_MF,
    NAME_IS,
    NAME_IF,
    NAME_RD = 14
};

static const char names[][3] = {"FV", "GI", "GS", "PG", "MV", "MM", "MS", "MF",
                                "IS", "IF", "IT", "ID", "CT", "CI", "RD"};
static const char extras[][3] = {"GV", "CF", "TT", "IL"};

#define N_NAMES  (sizeof names / sizeof *names)
#define N_EXTRAS (sizeof extras / sizeof *extras)

/* Manual Table 3. */
static const char clock_letters[] = "UISR";

struct job {
    const struct fw_state *st;
    struct mg_rd in;
    struct mg_wr out;
    bool is_fiscal;
    const struct fw_entry *entries;
    size_t n_entries;
};

/* ---- Writing ---- */

static void put_text(struct mg_wr *w, const char *text)
{
    mg_put_bytes(w, (const uint8_t *)text, strlen(text));
}

/* With at least `width` digits. */
static void put_number(struct mg_wr *w, uint32_t n, unsigned width)
{
    uint8_t digits[10];
    unsigned len = 0;
    do {
        digits[len++] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0 || len < width);
    while (len > 0) {
        mg_put_u8(w, digits[--len]);
    }
}

/* "2022-11-11T13:22:28,000+0100 S"; in UTC by register 47073, bit 2. */
static void put_time(struct mg_wr *w, const struct fw_state *st,
                     const struct fw_reading *r)
{
    struct fw_date d;
    bool is_utc = (st->settings.utc_mask & 4) != 0;
    int offset = is_utc ? 0 : r->offset_min;
    unsigned size = (unsigned)(offset < 0 ? -offset : offset);
    wm3m4c_fw_date(r->unix_s + INT64_C(60) * offset, &d);
    put_number(w, d.year, 4);
    put_text(w, "-");
    put_number(w, d.month, 2);
    put_text(w, "-");
    put_number(w, d.day, 2);
    put_text(w, "T");
    put_number(w, d.hour, 2);
    put_text(w, ":");
    put_number(w, d.minute, 2);
    put_text(w, ":");
    put_number(w, d.second, 2);
    put_text(w, offset < 0 ? ",000-" : ",000+");
    put_number(w, size / 60 * 100 + size % 60, 4);
    put_text(w, " ");
    mg_put_u8(w, (uint8_t)clock_letters[r->clock & 3]);
}

static void put_entry(struct mg_wr *w, const struct fw_state *st,
                      const struct fw_entry *e)
{
    put_text(w, "{\"TM\":\"");
    put_time(w, st, &e->reading);
    if (e->letter != 0) {
        put_text(w, "\",\"TX\":\"");
        mg_put_u8(w, e->letter);
    }
    put_text(w, "\",\"RV\":");
    put_number(w, e->reading.wh / 1000, 1); /* 10 Wh, as the display */
    put_text(w, ".");
    put_number(w, e->reading.wh / 10 % 100, 2);
    put_text(w, ",\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"EF\":\"");
    put_text(w, (e->flags & FW_FLAG_ENERGY) != 0 ? "E" : "");
    put_text(w, (e->flags & FW_FLAG_TIME) != 0 ? "t" : "");
    put_text(w, "\",\"ST\":\"G\"}");
}

static void put_readings(struct job *j)
{
    put_text(&j->out, "[");
    for (size_t k = 0; k < j->n_entries; k++) {
        put_text(&j->out, k == 0 ? "" : ",");
        put_entry(&j->out, j->st, &j->entries[k]);
    }
    put_text(&j->out, "]");
}

/* What the meter knows of itself. */
static void put_own(struct job *j, unsigned name)
{
    const struct fw_charge *c = &j->st->charge;
    uint32_t version = (uint32_t)j->st->options->firmware_version;
    put_text(&j->out, "\"");
    switch (name) {
    case NAME_PG:
        put_text(&j->out, j->is_fiscal ? "F" : "T");
        put_number(&j->out, (j->is_fiscal ? c->n_fiscal : c->n_signatures) + 1,
                   1);
        break;
    case NAME_MV:
        put_text(&j->out, "Iskra");
        break;
    case NAME_MM:
        put_text(&j->out, "WM3M4C");
        break;
    case NAME_MS:
        put_number(&j->out, j->st->env.serial, 8);
        break;
    default: /* NAME_MF */
        put_number(&j->out, version / 100, 1);
        put_text(&j->out, ".");
        put_number(&j->out, version % 100, 2);
        break;
    }
    put_text(&j->out, "\"");
}

/* ---- Reading ---- */

static bool take(struct mg_rd *in, const char *text)
{
    size_t len = strlen(text);
    if (mg_rd_left(in) < len || memcmp(in->data + in->pos, text, len) != 0) {
        return false;
    }
    in->pos += len;
    return true;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* After a backslash. */
static bool take_escape(struct mg_rd *in)
{
    static const char plain[] = "\"\\/bfnrt";
    uint8_t c = mg_rd_u8(in);
    for (size_t k = 0; k + 1 < sizeof plain; k++) {
        if (c == (uint8_t)plain[k]) {
            return true;
        }
    }
    if (c != 'u') {
        return false;
    }
    for (unsigned k = 0; k < 4; k++) {
        if (!is_hex(mg_rd_u8(in))) {
            return false;
        }
    }
    return true;
}

static bool take_string(struct mg_rd *in)
{
    if (!take(in, "\"")) {
        return false;
    }
    while (!in->failed) {
        uint8_t c = mg_rd_u8(in);
        if (c == '"') {
            return !in->failed;
        }
        if (c < 0x20 || (c == '\\' && !take_escape(in))) {
            return false;
        }
    }
    return false;
}

static bool take_strings(struct mg_rd *in)
{
    if (!take(in, "[")) {
        return false;
    }
    if (take(in, "]")) {
        return true;
    }
    do {
        if (!take_string(in)) {
            return false;
        }
    } while (take(in, ","));
    return take(in, "]");
}

static bool take_value(struct mg_rd *in, unsigned name)
{
    switch (name) {
    case NAME_IS:
        return take(in, "true") || take(in, "false");
    case NAME_IF:
        return take_strings(in);
    case NAME_RD:
        return take(in, "[]");
    default:
        return take_string(in);
    }
}

/* A value as it is, or the meter's own instead. */
static bool copy_value(struct job *j, unsigned name)
{
    size_t from = j->in.pos;
    if (!take_value(&j->in, name)) {
        return false;
    }
    if (name == NAME_RD) {
        put_readings(j);
    } else if (name >= NAME_PG && name <= NAME_MF) {
        put_own(j, name);
    } else {
        mg_put_bytes(&j->out, j->in.data + from, j->in.pos - from);
    }
    return true;
}

/* @return index in the list, or its length */
static unsigned find_name(const uint8_t *name, const char (*list)[3], size_t n)
{
    unsigned k = 0;
    while (k < n && memcmp(name, list[k], 2) != 0) {
        k++;
    }
    return k;
}

/* Which name comes here, given the one that should.
 *  @return N_NAMES: another one that may come; beyond: none that may */
static unsigned judge_name(const uint8_t *text, unsigned next, unsigned *seen)
{
    unsigned name = find_name(text, names, N_NAMES);
    if (name < N_NAMES) {
        bool is_skip = next == NAME_IF && name == NAME_IF + 1;
        return name == next || is_skip ? name : N_NAMES + 1;
    }
    unsigned extra = find_name(text, extras, N_EXTRAS);
    if (extra == N_EXTRAS || (*seen >> extra & 1) != 0) {
        return N_NAMES + 1;
    }
    *seen |= 1U << extra;
    return N_NAMES;
}

static bool copy_all(struct job *j)
{
    unsigned next = 0;
    unsigned seen = 0;
    if (!take(&j->in, "{")) {
        return false;
    }
    put_text(&j->out, "{");
    while (next < N_NAMES) {
        const uint8_t *at = j->in.data + j->in.pos;
        if (mg_rd_left(&j->in) < 5 || at[0] != '"' || at[3] != '"' ||
            at[4] != ':') {
            return false;
        }
        unsigned name = judge_name(at + 1, next, &seen);
        j->in.pos += 5;
        mg_put_bytes(&j->out, at, 5);
        if (name > N_NAMES || !copy_value(j, name)) {
            return false;
        }
        next = name < N_NAMES ? name + 1 : next;
        if (next < N_NAMES) {
            if (!take(&j->in, ",")) {
                return false;
            }
            put_text(&j->out, ",");
        }
    }
    put_text(&j->out, "}");
    return take(&j->in, "}") && mg_rd_left(&j->in) == 0;
}

enum fw_status wm3m4c_fw_dataset(struct fw_state *st, bool is_fiscal,
                                 const struct fw_entry *entries,
                                 size_t n_entries)
{
    struct fw_signing *s = &st->signing;
    uint8_t text[FW_OUTPUT_MAX];
    if (s->input_len == 0 || s->input_len > FW_INPUT_MAX) {
        return FW_INVALID_SIZE;
    }
    struct job job = {.st = st,
                      .in = mg_rd_init(s->input, s->input_len),
                      .out = mg_wr_init(text, sizeof text),
                      .is_fiscal = is_fiscal,
                      .entries = entries,
                      .n_entries = n_entries};
    if (!copy_all(&job)) {
        return FW_INVALID_FORMAT;
    }
    if (job.out.failed) {
        return FW_INVALID_SIZE;
    }
    /* Until here the last output is still there. */
    memcpy(s->output, text, job.out.len);
    s->text_len = (uint16_t)job.out.len;
    return FW_SIGNING;
}
