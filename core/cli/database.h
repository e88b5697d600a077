/* What the commands share that look into a gateway's database. */
#ifndef MG_CLI_DATABASE_H
#define MG_CLI_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATABASE_PATH_MAX 4096

/** Path of the database of a configuration, or of a state_dir.
 *  @param config     NULL: state_dir is given
 *  @return 0, or the exit code, reported */
int database_find(const char *config, const char *state_dir, bool is_simulated,
                  char ret[DATABASE_PATH_MAX]);

/** A time, or a date: its first moment, or its last. UTC.
 *  @return MG_OK; MG_E_PROTO */
int database_parse_time(const char *text, bool is_end, int64_t *ret_ms);

#endif
