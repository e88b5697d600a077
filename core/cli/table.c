#include "cli/table.h"

#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "model/channel.h"
#include "model/json.h"

#define ROWS_DEFAULT    24U
#define COLUMNS_DEFAULT 80U
/* Title, head and the line of the cursor. */
#define OTHER_LINES 3U

struct column {
    const char *title;
    mg_channel channel;
    unsigned width;
    unsigned decimals; /* of the base unit, and how many are shown */
    unsigned shown;
};

/* In the order of importance: a narrow window cuts off the last ones. */
static const struct column columns[] = {
    {"U/V", MG_CH(VOLTAGE, TOTAL), 6, 3, 1},
    {"I/A", MG_CH(CURRENT, TOTAL), 6, 3, 2},
    {"P/W", MG_CH(POWER_ACTIVE, TOTAL), 8, 3, 1},
    {"import/kWh", MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 10, 6, 3},
    {"relay", MG_CH(RELAY_CLOSED, TOTAL), 6, 0, 0},
    {"PF", MG_CH(POWER_FACTOR, TOTAL), 6, 4, 3},
    {"export/kWh", MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), 10, 6, 3},
    {"f/Hz", MG_CH(FREQUENCY, TOTAL), 6, 3, 2},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

void table_init(struct table *t, FILE *out)
{
    *t = (struct table){.out = out, .is_terminal = isatty(fileno(out)) != 0};
}

/* After a change of the window's size the terminal may have wrapped what was
 * drawn: begin again on an empty screen. */
static void look_at_window(struct table *t)
{
    struct winsize size = {0};
    unsigned n_rows = UINT_MAX, n_columns = UINT_MAX;
    if (t->is_terminal) {
        bool is_known = ioctl(fileno(t->out), TIOCGWINSZ, &size) == 0;
        n_rows = is_known && size.ws_row > 0 ? size.ws_row : ROWS_DEFAULT;
        n_columns = is_known && size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
    }
    if (t->n_lines > 0 && (n_rows != t->n_rows || n_columns != t->n_columns)) {
        (void)fputs("\x1b[H\x1b[2J", t->out);
        t->n_lines = 0;
    }
    t->n_rows = n_rows;
    t->n_columns = n_columns;
}

/* How much of a text still fits; the last column stays free, because writing
 * there leaves it to the terminal where the cursor is. */
static int fitting(const struct table *t, const char *text, size_t len)
{
    size_t room = t->n_columns - 1 - t->column;
    size_t n = strnlen(text, len);
    return (int)(n < room ? n : room);
}

/* Text is shown whole or cut; a cell that does not fit is left out. */
static void put(struct table *t, const char *text, size_t len)
{
    int n = fitting(t, text, len);
    (void)fprintf(t->out, "%.*s", n, text);
    t->column += (unsigned)n;
}

static void put_cell(struct table *t, const char *text, unsigned width)
{
    if (t->column + 1 + width < t->n_columns) {
        (void)fprintf(t->out, " %*s", (int)width, text);
        t->column += 1 + width;
    } else {
        t->column = t->n_columns - 1; /* nor does any cell after it */
    }
}

static void end_line(struct table *t)
{
    (void)fputs(t->is_terminal ? "\x1b[K\n" : "\n", t->out);
    t->n_lines++;
    t->column = 0;
}

static void put_line(struct table *t, const char *text, size_t len)
{
    if (t->n_lines + 1 < t->n_rows) {
        put(t, text, len);
        end_line(t);
    }
}

/* A meter of several phases shows the highest of them. */
static const struct mg_value *highest(const struct mg_sample *live,
                                      enum mg_quantity q)
{
    const struct mg_value *best = NULL;
    for (unsigned phase = MG_PHASE_L1; phase <= MG_PHASE_L3; phase++) {
        const struct mg_value *v =
            mg_sample_find(live, MG_CHANNEL(q, phase, 0, MG_PERIOD_EVER));
        if (v != NULL && v->quality == MG_QUALITY_GOOD &&
            (best == NULL || v->value > best->value)) {
            best = v;
        }
    }
    return best;
}

static const struct mg_value *find_value(const struct mg_sample *live,
                                         mg_channel channel)
{
    enum mg_quantity q = mg_channel_quantity(channel);
    const struct mg_value *v =
        q == MG_Q_VOLTAGE || q == MG_Q_CURRENT ? highest(live, q) : NULL;
    return v == NULL ? mg_sample_find(live, channel) : v;
}

/* Only the value of a fresh reading is shown; an old one never looks live. */
static void format_cell(const struct mg_meter_view *view,
                        const struct column *column, char *buf, size_t cap)
{
    const struct mg_value *v = find_value(view->live, column->channel);
    if (v == NULL || v->quality != MG_QUALITY_GOOD) {
        (void)snprintf(buf, cap, "-");
        return;
    }
    if (mg_channel_unit(column->channel) == MG_UNIT_BOOL) {
        (void)snprintf(buf, cap, "%s", v->value != 0 ? "closed" : "open");
        return;
    }
    int64_t step = 1;
    for (unsigned i = column->shown; i < column->decimals; i++) {
        step *= 10;
    }
    struct mg_json j = mg_json_init(buf, cap - 1);
    mg_json_decimal(&j, v->value, column->decimals, step);
    buf[j.len] = '\0';
}

static void draw_head(struct table *t)
{
    static const char names[] = "meter      state   ";
    if (t->n_lines + 1 >= t->n_rows) {
        return;
    }
    put(t, names, sizeof names);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        put_cell(t, columns[i].title, columns[i].width);
    }
    end_line(t);
}

static void draw_meter(struct table *t, const struct mg_meter_view *view)
{
    static const char *const colors[] = {"\x1b[2m", "\x1b[32m", "\x1b[33m",
                                         "\x1b[31m"};
    char text[32];
    (void)snprintf(text, sizeof text, "%-10.10s ", view->setup->id);
    put(t, text, sizeof text);
    (void)snprintf(text, sizeof text, "%-8s", mg_meter_state_text(view->state));
    (void)fputs(t->is_terminal ? colors[view->state] : "", t->out);
    put(t, text, sizeof text);
    (void)fputs(t->is_terminal ? "\x1b[0m" : "", t->out);
    if (view->state == MG_METER_OFFLINE) {
        put(t, "  ", 2);
        put(t, view->reason, strlen(view->reason));
    }
    for (size_t i = 0; i < N_COLUMNS && view->state != MG_METER_OFFLINE; i++) {
        char cell[48];
        format_cell(view, &columns[i], cell, sizeof cell);
        put_cell(t, cell, columns[i].width);
    }
    end_line(t);
}

static void draw_meters(struct table *t, const struct mg_gateway *g,
                        size_t n_footer)
{
    size_t n = mg_gateway_n_meters(g);
    size_t room = t->n_rows > OTHER_LINES + n_footer
                      ? t->n_rows - OTHER_LINES - n_footer
                      : 0;
    size_t n_shown = n <= room ? n : room > 0 ? room - 1 : 0;
    for (size_t i = 0; i < n_shown; i++) {
        struct mg_meter_view view;
        mg_gateway_meter(g, i, &view);
        draw_meter(t, &view);
    }
    if (n_shown < n && room > 0) {
        char text[48];
        (void)snprintf(text, sizeof text, "and %zu more meters", n - n_shown);
        put_line(t, text, sizeof text);
    }
}

void table_draw(struct table *t, const struct mg_gateway *g, int64_t utc_ms,
                const char *footer)
{
    char title[16 + MG_TIME_TEXT], time[MG_TIME_TEXT] = "?";
    size_t n_footer = 1;
    for (const char *p = footer; *p != '\0'; p++) {
        n_footer += *p == '\n';
    }
    look_at_window(t);
    if (t->is_terminal && t->n_lines > 0) {
        (void)fprintf(t->out, "\x1b[%uA\r", t->n_lines);
    }
    t->n_lines = 0;
    (void)mg_time_format(utc_ms, time);
    (void)snprintf(title, sizeof title, "metergate  %s", time);
    put_line(t, title, sizeof title);
    draw_head(t);
    draw_meters(t, g, n_footer);
    while (*footer != '\0') {
        size_t len = strcspn(footer, "\n");
        put_line(t, footer, len);
        footer += len + (footer[len] == '\n');
    }
    if (t->is_terminal) {
        (void)fputs("\x1b[J", t->out); /* what the terminal echoed below */
    }
    (void)fflush(t->out);
}
