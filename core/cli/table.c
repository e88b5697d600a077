#include "cli/table.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "model/json.h"

#define ROWS_DEFAULT 24U

struct column {
    mg_channel channel;
    const char *title;
    int width;
    unsigned decimals; /* of the base unit, and how many are shown */
    unsigned shown;
};

static const struct column columns[] = {
    {MG_CH(VOLTAGE, TOTAL), "U/V", 7, 3, 1},
    {MG_CH(CURRENT, TOTAL), "I/A", 7, 3, 2},
    {MG_CH(POWER_ACTIVE, TOTAL), "P/W", 9, 3, 1},
    {MG_CH(POWER_FACTOR, TOTAL), "PF", 7, 4, 3},
    {MG_CH(FREQUENCY, TOTAL), "f/Hz", 7, 3, 2},
    {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), "import/kWh", 12, 6, 3},
    {MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), "export/kWh", 11, 6, 3},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

void table_init(struct table *t, FILE *out)
{
    *t = (struct table){.out = out, .is_terminal = isatty(fileno(out)) != 0};
}

static unsigned terminal_rows(const struct table *t)
{
    struct winsize size;
    if (ioctl(fileno(t->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 4) {
        return size.ws_row;
    }
    return ROWS_DEFAULT;
}

/* Only the value of a fresh reading is shown; an old one never looks live. */
static void format_cell(const struct mg_meter_view *view,
                        const struct column *column, char *buf, size_t cap)
{
    const struct mg_value *v =
        view->state == MG_METER_OFFLINE
            ? NULL
            : mg_sample_find(view->live, column->channel);
    if (v == NULL || v->quality != MG_QUALITY_GOOD) {
        (void)snprintf(buf, cap, "%*s", column->width, "-");
        return;
    }
    int64_t step = 1;
    for (unsigned i = column->shown; i < column->decimals; i++) {
        step *= 10;
    }
    char number[48];
    struct mg_json j = mg_json_init(number, sizeof number);
    mg_json_decimal(&j, v->value, column->decimals, step);
    (void)snprintf(buf, cap, "%*.*s", column->width, (int)j.len, number);
}

static void end_line(struct table *t)
{
    (void)fputs(t->is_terminal ? "\x1b[K\n" : "\n", t->out);
    t->n_lines++;
}

static void draw_head(struct table *t)
{
    (void)fprintf(t->out, "%-10s %-9s", "meter", "state");
    for (size_t i = 0; i < N_COLUMNS; i++) {
        (void)fprintf(t->out, " %*s", columns[i].width, columns[i].title);
    }
    (void)fprintf(t->out, "  relay");
    end_line(t);
}

static void draw_meter(struct table *t, const struct mg_meter_view *view)
{
    static const char *const colors[] = {"\x1b[2m", "\x1b[32m", "\x1b[33m",
                                         "\x1b[31m"};
    (void)fprintf(t->out, "%-10.10s %s%-9s%s", view->setup->id,
                  t->is_terminal ? colors[view->state] : "",
                  mg_meter_state_text(view->state),
                  t->is_terminal ? "\x1b[0m" : "");
    for (size_t i = 0; i < N_COLUMNS; i++) {
        char cell[32];
        format_cell(view, &columns[i], cell, sizeof cell);
        (void)fprintf(t->out, " %s", cell);
    }
    const struct mg_value *relay =
        mg_sample_find(view->live, MG_CH(RELAY_CLOSED, TOTAL));
    const char *text = relay == NULL || relay->quality != MG_QUALITY_GOOD ? "-"
                       : relay->value ? "closed"
                                      : "open";
    (void)fprintf(t->out, "  %s", text);
    if (view->state == MG_METER_OFFLINE) {
        (void)fprintf(t->out, " (%.40s)", view->reason);
    }
    end_line(t);
}

void table_draw(struct table *t, const struct mg_gateway *g, int64_t utc_ms,
                const char *footer)
{
    if (t->is_terminal && t->n_lines > 0) {
        (void)fprintf(t->out, "\x1b[%uA\r", t->n_lines);
    }
    t->n_lines = 0;
    char time[MG_TIME_TEXT] = "?";
    (void)mg_time_format(utc_ms, time);
    (void)fprintf(t->out, "metergate  %s", time);
    end_line(t);
    draw_head(t);
    size_t n = mg_gateway_n_meters(g);
    size_t room = t->is_terminal ? terminal_rows(t) - 5 : n;
    for (size_t i = 0; i < n && i < room; i++) {
        struct mg_meter_view view;
        mg_gateway_meter(g, i, &view);
        draw_meter(t, &view);
    }
    if (n > room) {
        (void)fprintf(t->out, "and %zu more meters", n - room);
        end_line(t);
    }
    (void)fputs(footer, t->out);
    end_line(t);
    (void)fflush(t->out);
}
