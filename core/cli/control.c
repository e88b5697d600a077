#include "cli/control.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/json.h"

static void add_state(struct mg_json *j, const struct mg_scene_state *s)
{
    mg_json_member_bool(j, "vehicle", s->has_vehicle);
    mg_json_member_bool(j, "full", s->is_full);
    mg_json_member_bool(j, "off", s->is_off);
    mg_json_member_int(j, "current_ma", s->current_ma);
    mg_json_member_int(j, "charged_mwh", s->charged_mwh);
    mg_json_member_int(j, "true_mwh", s->true_mwh);
    mg_json_member_int(j, "pulses", (int64_t)s->n_pulses);
}

size_t control_answer(struct mg_scene *scene, const char *order, size_t len,
                      char ret[CONTROL_ANSWER_MAX])
{
    char copy[CONTROL_LINE_MAX];
    const char *reason = "the line is too long";
    if (len < sizeof copy) {
        memcpy(copy, order, len);
        copy[len] = '\0';
        reason = mg_scene_order(scene, copy);
    } else {
        len = sizeof copy - 1;
    }
    struct mg_scene_state state;
    bool has_state = reason == NULL && strncmp(copy, "state ", 6) == 0 &&
                     mg_scene_state(scene, copy + 6, &state) == MG_OK;
    struct mg_json j = mg_json_init(ret, CONTROL_ANSWER_MAX);
    mg_json_open(&j, '{');
    mg_json_key(&j, reason == NULL ? "done" : "failed");
    mg_json_str(&j, order, len);
    if (reason != NULL) {
        mg_json_member_str(&j, "reason", reason);
    }
    if (has_state) {
        add_state(&j, &state);
    }
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}

static void take_line(struct control *c)
{
    char buf[CONTROL_ANSWER_MAX];
    size_t len = c->is_too_long ? sizeof c->line : c->len;
    len = control_answer(c->app->scene, c->line, len, buf);
    (void)printf("%.*s\n", (int)len, buf);
    (void)fflush(stdout); /* who has asked waits for it */
}

static void take_char(struct control *c, char ch)
{
    if (ch == '\n') {
        take_line(c);
        c->len = 0;
        c->is_too_long = false;
    } else if (c->len < sizeof c->line - 1) {
        c->line[c->len++] = ch;
    } else {
        c->is_too_long = true;
    }
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct control *c = poll->data;
    char buf[256];
    (void)events;
    ssize_t n = status < 0 ? 0 : read(STDIN_FILENO, buf, sizeof buf);
    if (n <= 0) {
        (void)uv_poll_stop(poll); /* nobody gives orders any more */
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        take_char(c, buf[i]);
    }
}

int control_start(struct control *c, struct app *app, struct mg_err *err)
{
    c->app = app;
    c->poll.data = c;
    int rc = uv_poll_init(&app->loop, &c->poll, STDIN_FILENO);
    if (rc == 0) {
        c->has_poll = true;
        rc = uv_poll_start(&c->poll, UV_READABLE, readable);
    }
    return rc == 0 ? MG_OK
                   : mg_err_set(err, MG_E_IO,
                                "--control needs a pipe or a terminal as "
                                "standard input: %s",
                                uv_strerror(rc));
}

void control_stop(struct control *c)
{
    if (c->has_poll) {
        uv_close((uv_handle_t *)&c->poll, NULL);
        c->has_poll = false;
    }
}
