#include "cli/farm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"
#include "run/simulation.h"

#define START_TIMEOUT_MS 10000
#define ARGS_MAX         12

static void exited(uv_process_t *process, int64_t status, int signal)
{
    struct farm *f = process->data;
    uv_close((uv_handle_t *)process, NULL);
    f->has_process = false;
    if (!f->is_stopping && f->died != NULL) {
        f->died(f, status, signal);
    }
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct farm *f = handle->data;
    (void)suggested;
    *buf = uv_buf_init(f->line + f->line_len,
                       (unsigned)(sizeof f->line - f->line_len));
}

static struct mg_setup_bus *find_bus(struct mg_setup *setup, const char *id)
{
    for (size_t i = 0; i < setup->n_buses; i++) {
        if (strcmp(setup->buses[i].id, id) == 0) {
            return &setup->buses[i];
        }
    }
    return NULL;
}

static bool is_answer(const struct mg_json_member *m)
{
    return (m->key_len == 4 && memcmp(m->key, "done", 4) == 0) ||
           (m->key_len == 6 && memcmp(m->key, "failed", 6) == 0);
}

/* {"bus":"line1","address":"/dev/pts/7"} for each bus, then {"ready":true}. */
static void take_line(struct farm *f, const char *text, size_t len)
{
    struct mg_json_member members[8];
    size_t n = 0;
    size_t error_at;
    char id[MG_ID_MAX] = "";
    char address[256] = "";
    if (mg_json_parse_flat(text, len, members, 8, &n, &error_at) != MG_OK) {
        return; /* a log line of the child */
    }
    for (size_t i = 0; i < n; i++) {
        size_t got = 0;
        const struct mg_json_member *m = &members[i];
        if (m->key_len == 3 && memcmp(m->key, "bus", 3) == 0 &&
            mg_json_string(m, id, sizeof id - 1, &got) == MG_OK) {
            id[got] = '\0';
        } else if (m->key_len == 7 && memcmp(m->key, "address", 7) == 0 &&
                   mg_json_string(m, address, sizeof address - 1, &got) ==
                       MG_OK) {
            address[got] = '\0';
        } else if (m->key_len == 5 && memcmp(m->key, "ready", 5) == 0) {
            f->is_ready = true;
        } else if (is_answer(m) && f->answered != NULL) {
            f->answered(f->answered_ctx, text, len);
            return;
        }
    }
    struct mg_setup_bus *bus = id[0] == '\0' ? NULL : find_bus(f->setup, id);
    if (bus != NULL && mg_simulation_redirect(bus, address) == MG_OK) {
        f->n_mapped++;
    }
}

static void got_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct farm *f = stream->data;
    (void)buf;
    if (n < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        f->has_output = false;
        return;
    }
    f->line_len += (size_t)n;
    char *newline;
    while ((newline = memchr(f->line, '\n', f->line_len)) != NULL) {
        size_t len = (size_t)(newline - f->line);
        take_line(f, f->line, len);
        f->line_len -= len + 1;
        memmove(f->line, newline + 1, f->line_len);
    }
    if (f->line_len == sizeof f->line) {
        f->line_len = 0; /* no line of ours is that long */
    }
}

static void make_args(const struct farm *f, const char *keep_dir,
                      char *ret[ARGS_MAX])
{
    size_t n = 1; /* after the program itself */
    ret[n++] = (char *)"simulate";
    ret[n++] = (char *)"--child";
    ret[n++] = (char *)"--json";
    ret[n++] = f->setup->file;
    if (keep_dir != NULL) {
        ret[n++] = (char *)"--keep";
        ret[n++] = (char *)keep_dir;
    }
    if (f->scenario != NULL) {
        ret[n++] = (char *)"--scenario";
        ret[n++] = (char *)f->scenario;
    }
    if (f->has_orders) {
        ret[n++] = (char *)"--control";
    }
    ret[n] = NULL;
}

static int spawn(struct farm *f, uv_loop_t *loop, const char *keep_dir,
                 struct mg_err *err)
{
    char exe[4096];
    size_t exe_len = sizeof exe;
    int rc = uv_exepath(exe, &exe_len);
    if (rc != 0) {
        return mg_err_set(err, MG_E_IO, "own path: %s", uv_strerror(rc));
    }
    char *args[ARGS_MAX] = {exe};
    make_args(f, keep_dir, args);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&f->output},
        {.flags = UV_INHERIT_FD, .data.fd = 2}};
    if (f->has_orders) {
        stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
        stdio[0].data.stream = (uv_stream_t *)&f->orders;
    }
    /* Detached from the terminal: Ctrl-C is for us, we tell the child. */
    uv_process_options_t options = {.exit_cb = exited,
                                    .flags = UV_PROCESS_DETACHED,
                                    .file = exe,
                                    .args = args,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    rc = uv_pipe_init(loop, &f->output, 0);
    if (rc == 0 && f->has_orders) {
        rc = uv_pipe_init(loop, &f->orders, 0);
        f->has_order_pipe = rc == 0;
    }
    if (rc == 0) {
        f->output.data = f;
        f->process.data = f;
        f->has_output = true;
        rc = uv_spawn(loop, &f->process, &options);
        f->has_process = rc == 0;
        if (rc != 0) {
            uv_close((uv_handle_t *)&f->process, NULL);
        }
    }
    if (rc == 0) {
        rc = uv_read_start((uv_stream_t *)&f->output, give_buffer, got_output);
    }
    return rc == 0 ? MG_OK
                   : mg_err_set(err, MG_E_IO,
                                "cannot start the simulated "
                                "meters: %s",
                                uv_strerror(rc));
}

static void timed_out(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Turn the loop until the child is ready, has died, or time is up. */
static int wait_ready(struct farm *f, uv_loop_t *loop, struct mg_err *err)
{
    bool is_late = false;
    uv_timer_t timer;
    int rc = uv_timer_init(loop, &timer);
    if (rc != 0) {
        return mg_err_set(err, MG_E_IO, "timer: %s", uv_strerror(rc));
    }
    timer.data = &is_late;
    (void)uv_timer_start(&timer, timed_out, START_TIMEOUT_MS, 0);
    while (!f->is_ready && f->has_process && !is_late) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(loop, UV_RUN_NOWAIT); /* closes the timer on this stack */
    if (!f->is_ready || f->n_mapped != f->setup->n_buses) {
        return mg_err_set(err, MG_E_IO,
                          "the simulated meters did not start: %zu of %zu "
                          "buses are served",
                          f->n_mapped, f->setup->n_buses);
    }
    return MG_OK;
}

static void print_mapping(const struct farm *f, FILE *report)
{
    (void)fprintf(report, "Simulated meters, %zu on %zu buses:\n",
                  f->setup->n_meters, f->setup->n_buses);
    for (size_t i = 0; i < f->setup->n_buses && i < 20; i++) {
        const struct mg_setup_bus *b = &f->setup->buses[i];
        if (b->modbus.framing == MG_MODBUS_RTU) {
            (void)fprintf(report, "  %-12s %s\n", b->id, b->tty.device);
        } else if (mg_setup_is_can(b)) {
            (void)fprintf(report, "  %-12s %s:%u (socketcand, %s)\n", b->id,
                          b->host, b->port, b->can.interface);
        } else {
            (void)fprintf(report, "  %-12s %s:%u%s\n", b->id, b->host, b->port,
                          b->modbus.framing == MG_MODBUS_TCP ? ""
                                                             : " (RTU frames)");
        }
    }
    if (f->setup->n_buses > 20) {
        (void)fprintf(report, "  and %zu more\n", f->setup->n_buses - 20);
    }
}

int farm_start(struct farm *f, uv_loop_t *loop, struct mg_setup *setup,
               const char *keep_dir, FILE *report, struct mg_err *err)
{
    f->setup = setup;
    int rc = spawn(f, loop, keep_dir, err);
    if (rc == MG_OK) {
        rc = wait_ready(f, loop, err);
    }
    if (rc == MG_OK && report != NULL) {
        print_mapping(f, report);
    }
    return rc;
}

void farm_stop(struct farm *f)
{
    f->is_stopping = true;
    if (f->has_process) {
        (void)uv_process_kill(&f->process, SIGTERM); /* it may be gone */
    }
    if (f->has_order_pipe) {
        uv_close((uv_handle_t *)&f->orders, NULL);
        f->has_order_pipe = false;
    }
    if (f->has_output) {
        uv_close((uv_handle_t *)&f->output, NULL);
        f->has_output = false;
    }
}

struct order {
    uv_write_t request;
    size_t len;
    char text[];
};

static void written(uv_write_t *request, int status)
{
    (void)status; /* who has ordered waits for the answer */
    free(request->data);
}

int farm_order(struct farm *f, const char *order, size_t len)
{
    struct order *o = calloc(1, sizeof *o + len + 1);
    if (o == NULL || !f->has_order_pipe) {
        free(o);
        return MG_E_IO;
    }
    memcpy(o->text, order, len);
    o->text[len] = '\n';
    o->request.data = o;
    uv_buf_t buf = uv_buf_init(o->text, (unsigned)len + 1);
    if (uv_write(&o->request, (uv_stream_t *)&f->orders, &buf, 1, written) !=
        0) {
        free(o);
        return MG_E_IO;
    }
    return MG_OK;
}
