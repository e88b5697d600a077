/* What the readers of the database share, in any process: a connection of
 * their own and one short read for each row. A read transaction left open would
 * keep the WAL of a running gateway from being used again. */
#ifndef MG_STORE_READER_H
#define MG_STORE_READER_H

#include "store/file.h"

/** @param min_version  of the schema, that the table came with
 *  @param what         is in it: "datasets"
 *  @return MG_OK, *ret_db is owned; MG_E_NOTFOUND; MG_E_PROTO; MG_E_NOSUP; ...
 */
int store__reader_open(const char *path, int min_version, const char *what,
                       sqlite3 **ret_db, struct mg_err *err);

/** @return whether the text of a column fits and has no NUL in it */
bool store__reader_text(sqlite3_stmt *query, int column, char *ret, size_t cap);

/** A step that failed, what: "cannot read ...". @return MG_E_IO */
int store__reader_failed(sqlite3 *db, const char *what, struct mg_err *err);

#endif
