/* metergate log show, follow and capacity. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/datasets.h"
#include "cli/log.h"
#include "crypto/encode.h"
#include "run/logbook_capacity.h"

#define FOLLOW_NS   300000000L
#define FOLLOW_LAST 10

/* ---- One entry ---- */

struct shown {
    const struct mg_log_row *row;
    bool is_ours; /* the text is that of an entry */
    struct mg_log_entry entry;
    char texts[MG_LOG_ENTRY_MAX];
};

static bool has_filter(const struct log_options *o)
{
    return o->from_ms != 0 || o->to_ms != 0 || o->meter != NULL ||
           o->event != NULL;
}

static bool is_wanted(const struct log_options *o, const struct shown *s)
{
    const struct mg_log_entry *e = &s->entry;
    if (!s->is_ours) {
        return !has_filter(o);
    }
    return (o->from_ms == 0 || e->utc_ms >= o->from_ms) &&
           (o->to_ms == 0 || e->utc_ms <= o->to_ms) &&
           (o->meter == NULL ||
            (e->meter != NULL && strcmp(o->meter, e->meter) == 0)) &&
           (o->event == NULL ||
            strcmp(o->event, mg_log_event_text(e->event)) == 0);
}

static void print_text(const struct shown *s)
{
    char time[24], data[MG_LOG_ENTRY_MAX];
    size_t len = 0;
    if (!s->is_ours) {
        (void)printf("%6" PRId64
                     "  (not an entry of ours: verify tells more)\n",
                     s->row->number);
        return;
    }
    const struct mg_log_entry *e = &s->entry;
    datasets_time_text(e->utc_ms, time);
    (void)mg_log_data_build(e, data, sizeof data, &len); /* it was built once */
    (void)printf("%6" PRId64 "  %-19s  %c  %-23s  ", e->number, time, e->clock,
                 mg_log_event_text(e->event));
    const char *meter = e->meter != NULL ? e->meter : "-";
    size_t meter_len = strlen(meter);
    datasets_print_text(stdout, meter, meter_len);
    if (len > 0) {
        (void)printf("%*s  ", meter_len < 12 ? (int)(12 - meter_len) : 0, "");
        datasets_print_text(stdout, data, len);
    }
    (void)printf("%s\n", s->row->signature_len > 0 ? "" : "  (not signed)");
}

/* The entry itself, and behind its members what is kept with it. */
static void print_json(const struct shown *s)
{
    char buf[MG_LOG_LINE_MAX], hash[65];
    char signature[MG_BASE64_LEN(MG_SIGNATURE_MAX) + 1];
    const struct mg_log_row *row = s->row;
    mg_hex_write(row->hash, sizeof row->hash, false, hash);
    mg_base64_write(row->signature, row->signature_len, signature);
    struct mg_json j = mg_json_init(buf, sizeof buf);
    if (s->is_ours) {
        mg_json_raw(&j, row->text, row->len - 1); /* without its '}' */
    } else {
        mg_json_open(&j, '{');
        mg_json_member_int(&j, "n", row->number);
        mg_json_member_bool(&j, "broken", true);
    }
    mg_json_member_str(&j, "hash", hash);
    mg_json_member_str(&j, "signature", signature);
    mg_json_member_str(&j, "fingerprint", row->fingerprint);
    mg_json_close(&j, '}');
    if (!j.failed) {
        (void)fwrite(buf, 1, j.len, stdout); /* ferror tells later */
        (void)fputc('\n', stdout);
    }
}

static void print_head(const struct log_options *o)
{
    if (!o->is_json) {
        (void)printf("%6s  %-19s  %s  %-23s  %-12s  %s\n", "n", "time (UTC)",
                     "c", "event", "meter", "data");
    }
}

/* ---- All of them ---- */

/* Entries behind *number that are wanted.
 * @param ret_n     counted up
 * @param skip      so many first are not shown
 * @return MG_OK; MG_E_IO; *number is the last looked at */
static int walk(struct mg_logs *logs, const struct log_options *o,
                int64_t *number, int64_t skip, bool is_shown, int64_t *ret_n,
                struct mg_err *err)
{
    struct mg_log_row row;
    int rc;
    while ((rc = mg_logs_next(logs, *number, &row, err)) == MG_OK ||
           rc == MG_E_PROTO) {
        *number = row.number;
        struct shown s = {.row = &row};
        if (rc == MG_E_PROTO) {
            row = (struct mg_log_row){.number = *number};
        }
        s.is_ours =
            rc == MG_OK &&
            mg_log_entry_parse(row.text, row.len, s.texts, &s.entry) == MG_OK;
        if (!is_wanted(o, &s) || (*ret_n)++ < skip || !is_shown) {
            continue;
        }
        if (o->is_json) {
            print_json(&s);
        } else {
            print_text(&s);
        }
        if (ferror(stdout) != 0) {
            return MG_OK; /* main says so */
        }
    }
    return rc == MG_E_NOTFOUND ? MG_OK : rc;
}

/* Where the newest `last` begin: behind a number, or behind so many of those
 * that are wanted. */
static int find_last(struct mg_logs *logs, const struct log_options *o,
                     int64_t last, int64_t *ret_number, int64_t *ret_skip,
                     struct mg_err *err)
{
    struct mg_log_row row;
    int64_t number = 0, n = 0;
    *ret_number = 0;
    *ret_skip = 0;
    if (last == 0) {
        return MG_OK;
    }
    if (has_filter(o)) {
        int rc = walk(logs, o, &number, 0, false, &n, err);
        *ret_skip = n > last ? n - last : 0;
        return rc;
    }
    int rc = mg_logs_newest(logs, &row, err);
    if (rc == MG_OK && row.number > last) {
        *ret_number = row.number - last;
    }
    return rc == MG_E_NOTFOUND || rc == MG_E_PROTO ? MG_OK : rc;
}

static int show(struct mg_logs *logs, const struct log_options *o, int64_t last,
                int64_t *ret_number, struct mg_err *err)
{
    int64_t skip = 0, n = 0;
    int rc = find_last(logs, o, last, ret_number, &skip, err);
    if (rc == MG_OK) {
        print_head(o);
        rc = walk(logs, o, ret_number, skip, true, &n, err);
    }
    return rc;
}

int log_show(struct mg_logs *logs, const struct log_options *o)
{
    struct mg_err err;
    int64_t number;
    int rc = show(logs, o, o->last, &number, &err);
    return rc == MG_OK ? 0 : app_fail(&err);
}

int log_follow(struct mg_logs *logs, const struct log_options *o)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_NS};
    struct mg_err err;
    int64_t number, n = 0;
    int rc = show(logs, o, FOLLOW_LAST, &number, &err);
    while (rc == MG_OK && fflush(stdout) == 0) {
        (void)nanosleep(&pause, NULL); /* a signal ends the program */
        rc = walk(logs, o, &number, 0, true, &n, &err);
    }
    return rc == MG_OK ? 0 : app_fail(&err);
}

/* ---- capacity ---- */

static void print_capacity(const struct mg_log_capacity *c)
{
    (void)printf("entries      %" PRIu64 "\n", c->n_entries);
    (void)printf("used         %" PRIu64 ".%" PRIu64 " of %llu MiB\n",
                 c->n_bytes >> 20, (c->n_bytes % (1 << 20)) * 10 >> 20,
                 MG_LOG_CAPACITY_BYTES >> 20);
    (void)printf(
        "a day        %" PRIu64 " bytes, over the last %" PRIu64 " day%s\n",
        c->bytes_per_day, c->window_days, c->window_days == 1 ? "" : "s");
    bool is_most = c->total_days >= MG_LOG_DAYS_MAX;
    (void)printf("lasts        %s%" PRIu64 ".%" PRIu64 " years in total\n",
                 is_most ? "more than " : "", c->total_days / 365,
                 c->total_days % 365 * 10 / 365);
    (void)printf("left         %" PRIu64 ".%" PRIu64 " years\n",
                 c->left_days / 365, c->left_days % 365 * 10 / 365);
    if (c->is_short) {
        (void)printf("warning: 8 years are required%s\n",
                     c->total_days < MG_LOG_KEPT_DAYS
                         ? ""
                         : "; nine tenths are used up");
    }
}

int log_capacity(struct mg_logs *logs, const struct log_options *o)
{
    struct mg_log_capacity c;
    struct mg_err err;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* exists */
    if (mg_log_capacity_read(logs, (int64_t)now.tv_sec * 1000, &c, &err) !=
        MG_OK) {
        return app_fail(&err);
    }
    if (!o->is_json) {
        print_capacity(&c);
        return 0;
    }
    (void)printf("{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
                 ",\"capacity_bytes\":%llu,\"bytes_per_day\":%" PRIu64
                 ",\"days_total\":%" PRIu64 ",\"days_left\":%" PRIu64
                 ",\"sufficient\":%s}\n",
                 c.n_entries, c.n_bytes, MG_LOG_CAPACITY_BYTES, c.bytes_per_day,
                 c.total_days, c.left_days, c.is_short ? "false" : "true");
    return 0;
}
