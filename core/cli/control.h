/* Orders to the simulated meters on standard input, one a line: what happens
 * to a meter in the field, for tests. What they are: mg_scene_orders.
 *
 * Each is answered on standard output by a JSON line: {"done":"reset cp1"} or
 * {"failed":"reset cp1","reason":"..."}. */
#ifndef MG_CLI_CONTROL_H
#define MG_CLI_CONTROL_H

#include "cli/app.h"

#define CONTROL_LINE_MAX   (MG_SCENE_ORDER_MAX + 1)
#define CONTROL_ANSWER_MAX 2048

struct control {
    struct app *app; /* its simulation runs */
    uv_poll_t poll;
    bool has_poll, is_too_long;
    size_t len;
    char line[CONTROL_LINE_MAX];
};

/** @return MG_OK; or err: standard input is neither a pipe nor a terminal */
int control_start(struct control *control, struct app *app, struct mg_err *err);
void control_stop(struct control *control);

/** Do what an order says, and write the answer.
 *  @return its length */
size_t control_answer(struct mg_scene *scene, const char *order, size_t len,
                      char ret[CONTROL_ANSWER_MAX]);

#endif
