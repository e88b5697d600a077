#include "cli/typetest_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"

#define SOURCES_MAX 64
#define VALUE_MAX   32
#define JSON_BASE   ((size_t)16 * 1024)
#define JSON_ROW    ((size_t)1024)

/* ---- Numbers ---- */

/* How a unit is printed: divided down to this many decimals. */
struct form {
    int64_t divisor;
    unsigned decimals;
    const char *suffix, *name;
};

static const struct form *form_of(uint8_t unit)
{
    static const struct form forms[] = {
        [MG_TYPETEST_PPB] = {1000, 4, " %", "%"},
        [MG_TYPETEST_PPB_K] = {100, 5, " %/K", "%/K"},
        [MG_TYPETEST_MHZ] = {1, 3, " Hz", "Hz"},
        [MG_TYPETEST_PF] = {1, 4, "", ""},
        [MG_TYPETEST_TAU] = {10, 2, " tau", "tau"},
        [MG_TYPETEST_IMPULSES] = {1, 0, " imp", "impulses"},
    };
    return &forms[unit];
}

static int64_t rounded(int64_t x, int64_t divisor)
{
    int64_t half = divisor / 2;
    return (x < 0 ? x - half : x + half) / divisor;
}

static void number_text(uint8_t unit, int64_t value, bool has_sign,
                        char ret[VALUE_MAX])
{
    const struct form *f = form_of(unit);
    int64_t x = rounded(value, f->divisor);
    int64_t one = 1;
    for (unsigned k = 0; k < f->decimals; k++) {
        one *= 10;
    }
    int64_t size = x < 0 ? -x : x;
    const char *sign = x < 0 ? "-" : has_sign ? "+" : "";
    if (f->decimals == 0) {
        (void)snprintf(ret, VALUE_MAX, "%" PRId64 "%s", x, f->suffix);
        return;
    }
    (void)snprintf(ret, VALUE_MAX, "%s%" PRId64 ".%0*" PRId64 "%s", sign,
                   size / one, (int)f->decimals, size % one, f->suffix);
}

static bool is_count(const struct mg_typetest_row *row)
{
    return row->unit == MG_TYPETEST_IMPULSES || row->unit == MG_TYPETEST_TAU;
}

static const char *verdict_text(uint8_t verdict)
{
    static const char *const texts[] = {"pass", "FAIL", "skip"};
    return texts[verdict];
}

/* ---- For people ---- */

/* Where limits come from, numbered as they turn up. */
struct legend {
    const struct mg_limit *limits[SOURCES_MAX];
    size_t n;
};

static size_t number_of(struct legend *legend, const struct mg_limit *limit)
{
    for (size_t k = 0; k < legend->n; k++) {
        if (strcmp(legend->limits[k]->source, limit->source) == 0 &&
            strcmp(legend->limits[k]->confidence, limit->confidence) == 0) {
            return k + 1;
        }
    }
    if (legend->n < SOURCES_MAX) {
        legend->limits[legend->n++] = limit;
    }
    return legend->n;
}

static void print_row(const struct mg_typetest_row *row, struct legend *legend)
{
    char error[VALUE_MAX] = "-";
    char limit[VALUE_MAX];
    char share[VALUE_MAX] = "";
    if (row->verdict == MG_SKIP) {
        (void)printf("  skip  %s: %s\n", row->condition, row->note);
        return;
    }
    if (row->has_error) {
        number_text(row->unit, row->error, !is_count(row), error);
    }
    number_text(row->unit, row->limit.limit, false, limit);
    int64_t percent = mg_typetest_share(row);
    if (percent >= 0) {
        (void)snprintf(share, sizeof share, "%" PRId64 " %%", percent);
    }
    (void)printf("  %s  %-60s %13s %12s %7s  [%zu]\n",
                 verdict_text(row->verdict), row->condition, error, limit,
                 share, number_of(legend, &row->limit));
    if (row->note[0] != '\0') {
        (void)printf("        %s\n", row->note);
    }
}

static void print_head(const struct typetest_subject *subject)
{
    const struct mg_plugin *plugin = subject->plugin;
    const struct mg_rating *r = plugin->rating;
    const char *comma = "";
    (void)printf("%s, %s", plugin->model, plugin->vendor);
    for (size_t k = 0; k < subject->n_options; k++) {
        (void)printf(", %s", subject->options[k]);
    }
    (void)printf(": class ");
    for (uint32_t c = 1; c <= MG_CLASS_2_REACTIVE; c *= 2) {
        if ((r->classes & c) != 0) {
            (void)printf("%s%s", comma, mg_class_name(c));
            comma = ", ";
        }
    }
    (void)printf("; %" PRIu32 " imp/kWh [%s]\n", r->impulses_per_kwh,
                 r->source);
    if (strcmp(subject->defect, "none") != 0) {
        (void)printf("With a defect: %s.\n", subject->defect);
    }
    if (r->note != NULL) {
        (void)printf("Note: %s.\n", r->note);
    }
}

static const char *summary_of(const char *test)
{
    const char *name;
    const char *summary = "";
    for (size_t k = 0; (name = mg_typetest_name(k, &summary)) != NULL; k++) {
        if (strcmp(name, test) == 0) {
            return summary;
        }
    }
    return "";
}

static void print_legend(const struct legend *legend)
{
    (void)printf("\nLimits from (confidence: H read in the text, M second "
                 "hand, L inferred)\n");
    for (size_t k = 0; k < legend->n; k++) {
        (void)printf("  [%zu] %s (%s)\n", k + 1, legend->limits[k]->source,
                     legend->limits[k]->confidence);
    }
}

static bool is_within_a_third(const struct mg_typetest_row *row)
{
    int64_t size = row->error < 0 ? -row->error : row->error;
    return row->has_error && size * 3 <= row->limit.limit;
}

static void print_summary(const struct mg_typetest_result *r)
{
    const struct mg_typetest_row *worst = NULL;
    size_t n_intrinsic = 0;
    size_t n_wide = 0;
    for (size_t k = 0; k < r->n_rows; k++) {
        const struct mg_typetest_row *row = &r->rows[k];
        int64_t share = mg_typetest_share(row);
        if (strcmp(row->test, "intrinsic") == 0) {
            n_intrinsic++;
            n_wide += is_within_a_third(row) ? 0 : 1;
        }
        if (share >= 0 && (worst == NULL || share > mg_typetest_share(worst))) {
            worst = row;
        }
    }
    (void)printf("\n%zu rows: %zu passed, %zu failed, %zu skipped; "
                 "%" PRIu64 ".%02" PRIu64 " h of meter time\n",
                 r->n_rows, r->n_passed, r->n_failed, r->n_skipped,
                 r->metered_s / 3600, r->metered_s % 3600 / 36);
    if (worst != NULL) {
        (void)printf("Least margin: %s, %s: %" PRId64 " %% of the limit\n",
                     worst->test, worst->condition, mg_typetest_share(worst));
    }
    if (n_intrinsic > 0) {
        (void)printf("Intrinsic errors within a third of the limit: %zu of "
                     "%zu\n",
                     n_intrinsic - n_wide, n_intrinsic);
    }
}

void typetest_print(const struct typetest_subject *subject,
                    const struct mg_typetest_result *result)
{
    struct legend legend = {.n = 0};
    const char *test = "";
    print_head(subject);
    for (size_t k = 0; k < result->n_rows; k++) {
        const struct mg_typetest_row *row = &result->rows[k];
        if (strcmp(row->test, test) != 0) {
            test = row->test;
            (void)printf("\n%s: %s\n        %-60s %13s %12s %7s\n", test,
                         summary_of(test), "condition", "error", "limit",
                         "used");
        }
        print_row(row, &legend);
        bool is_last = k + 1 == result->n_rows ||
                       strcmp(result->rows[k + 1].test, test) != 0;
        if (is_last && strcmp(test, "repeatability") == 0) {
            (void)printf("        counts of impulses: %s\n",
                         subject->plugin->rating->repeat_source);
        }
    }
    print_legend(&legend);
    print_summary(result);
}

/* ---- For programs ---- */

/* Numbers as exact decimals, in the unit that is named. */
static void put_number(struct mg_json *j, const char *key, uint8_t unit,
                       int64_t value)
{
    const struct form *f = form_of(unit);
    unsigned decimals = f->decimals;
    for (int64_t d = f->divisor; d > 1; d /= 10) {
        decimals++;
    }
    mg_json_key(j, key);
    mg_json_decimal(j, value, decimals, 1);
}

static void put_row(struct mg_json *j, const struct mg_typetest_row *row)
{
    static const char *const verdicts[] = {"pass", "fail", "skip"};
    int64_t share = mg_typetest_share(row);
    mg_json_open(j, '{');
    mg_json_member_str(j, "test", row->test);
    mg_json_member_str(j, "condition", row->condition);
    mg_json_member_str(j, "verdict", verdicts[row->verdict]);
    if (row->verdict != MG_SKIP) {
        mg_json_member_str(j, "unit", form_of(row->unit)->name);
        if (row->has_error) {
            put_number(j, "error", row->unit, row->error);
        }
        put_number(j, "limit", row->unit, row->limit.limit);
        mg_json_member_str(j, "source", row->limit.source);
        mg_json_member_str(j, "confidence", row->limit.confidence);
    }
    if (share >= 0) {
        mg_json_member_int(j, "used_percent", share);
    }
    if (row->note[0] != '\0') {
        mg_json_member_str(j, "note", row->note);
    }
    mg_json_close(j, '}');
}

static void put_all(struct mg_json *j, const struct typetest_subject *subject,
                    const struct mg_typetest_result *r)
{
    const struct mg_plugin *plugin = subject->plugin;
    mg_json_open(j, '{');
    mg_json_member_str(j, "model", plugin->model);
    mg_json_key(j, "classes");
    mg_json_open(j, '[');
    for (uint32_t c = 1; c <= MG_CLASS_2_REACTIVE; c *= 2) {
        if ((plugin->rating->classes & c) != 0) {
            mg_json_str(j, mg_class_name(c), strlen(mg_class_name(c)));
        }
    }
    mg_json_close(j, ']');
    if (plugin->rating->note != NULL) {
        mg_json_member_str(j, "note", plugin->rating->note);
    }
    mg_json_key(j, "options");
    mg_json_open(j, '[');
    for (size_t k = 0; k < subject->n_options; k++) {
        mg_json_str(j, subject->options[k], strlen(subject->options[k]));
    }
    mg_json_close(j, ']');
    mg_json_member_str(j, "defect", subject->defect);
    mg_json_member_bool(j, "passed", r->n_failed == 0);
    mg_json_member_int(j, "n_passed", (int64_t)r->n_passed);
    mg_json_member_int(j, "n_failed", (int64_t)r->n_failed);
    mg_json_member_int(j, "n_skipped", (int64_t)r->n_skipped);
    mg_json_member_int(j, "metered_s", (int64_t)r->metered_s);
    mg_json_key(j, "rows");
    mg_json_open(j, '[');
    for (size_t k = 0; k < r->n_rows; k++) {
        put_row(j, &r->rows[k]);
    }
    mg_json_close(j, ']');
    mg_json_close(j, '}');
}

int typetest_print_json(const struct typetest_subject *subject,
                        const struct mg_typetest_result *result)
{
    size_t cap = JSON_BASE + result->n_rows * JSON_ROW;
    for (size_t k = 0; k < subject->n_options; k++) {
        cap += 6 * strlen(subject->options[k]); /* as \u001f at worst */
    }
    char *buf = malloc(cap);
    if (buf == NULL) {
        (void)fprintf(stderr, "metergate typetest: out of memory\n");
        return 1;
    }
    struct mg_json j = mg_json_init(buf, cap);
    put_all(&j, subject, result);
    if (!j.failed) {
        (void)printf("%.*s\n", (int)j.len, buf);
    }
    free(buf);
    return j.failed ? 1 : 0;
}
