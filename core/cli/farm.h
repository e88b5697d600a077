/* The simulated meters as a child process: `metergate simulate`, so that the
 * gateway really talks to another program over ptys and TCP. */
#ifndef MG_CLI_FARM_H
#define MG_CLI_FARM_H

#include <uv.h>

#include "run/setup.h"

struct farm {
    uv_process_t process;
    uv_pipe_t output;
    bool has_process, has_output, is_ready, is_stopping;
    size_t n_mapped;
    char line[1024];
    size_t line_len;
    struct mg_setup *setup; /* borrowed; its buses are redirected */
    /* The caller sets these before it starts. */
    const char *scenario; /* file; NULL: none */
    bool has_orders;      /* farm_order will be used */
    uv_pipe_t orders;     /* its standard input */
    bool has_order_pipe;
    /** The answer to an order, a JSON object; optional. */
    void (*answered)(void *ctx, const char *answer, size_t len);
    void *answered_ctx;
    void (*died)(struct farm *farm, int64_t status, int signal);
    void *ctx;
};

/** Start the child for setup->file and wait until it serves every bus; the
 *  buses of the setup then point at it. Prints the mapping to `report` unless
 *  NULL. Runs the loop meanwhile, 10 s at most. */
int farm_start(struct farm *farm, uv_loop_t *loop, struct mg_setup *setup,
               const char *keep_dir, FILE *report, struct mg_err *err);

/** Give the child an order of one line, see run/scene.h; it answers by
 *  farm->answered. @return MG_OK; MG_E_IO: it takes none */
int farm_order(struct farm *farm, const char *order, size_t len);

/** Ask it to stop; the handles close as the loop runs. */
void farm_stop(struct farm *farm);

#endif
