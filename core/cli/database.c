#include "cli/database.h"

#include <stdio.h>
#include <string.h>

#include "cli/app.h"
#include "model/json.h"

int database_parse_time(const char *text, bool is_end, int64_t *ret_ms)
{
    char whole[40];
    size_t len = strlen(text);
    if (len != 10) {
        return mg_time_parse(text, len, ret_ms);
    }
    int n = snprintf(whole, sizeof whole, "%s%s", text,
                     is_end ? "T23:59:59.999Z" : "T00:00:00Z");
    return mg_time_parse(whole, (size_t)n, ret_ms);
}

int database_find(const char *config, const char *state_dir, bool is_simulated,
                  char ret[DATABASE_PATH_MAX])
{
    struct app app = {0};
    const char *dir = state_dir;
    int exit_code = 0;
    if (dir == NULL) {
        exit_code = app_load(&app, config);
        dir = exit_code == 0 ? app.setup->state_dir : NULL;
    }
    struct mg_err err;
    int n = -1;
    if (dir != NULL) {
        n = snprintf(ret, DATABASE_PATH_MAX, "%s%s/metergate.db", dir,
                     is_simulated ? "/simulated" : "");
    }
    if (exit_code == 0 && dir == NULL) {
        (void)mg_err_set(&err, MG_E_INVAL, "%s sets no state_dir", config);
        exit_code = app_fail(&err);
    } else if (exit_code == 0 && (n < 0 || n >= DATABASE_PATH_MAX)) {
        (void)mg_err_set(&err, MG_E_NOSPC, "state_dir is too long");
        exit_code = app_fail(&err);
    }
    app_stop(&app);
    return exit_code;
}
