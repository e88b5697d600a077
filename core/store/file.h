/* The database file: lock, header, schema, connections. */
#ifndef MG_STORE_FILE_H
#define MG_STORE_FILE_H

#include <sqlite3.h>

#include "base/err.h"

#define STORE_EPOCH_LEN 16

/** Keep a second gateway off: an flock on `<path>.lock`, which holds our pid.
 *  @return MG_OK and *ret_fd, held until it is closed; MG_E_BUSY naming the
 *  pid of the holder; MG_E_IO */
int store__lock(const char *path, int *ret_fd, struct mg_err *err);

/** Open for writing, or make it when it is not there or empty; a file of an
 *  older version is brought up to date. A file that is not ours is left as it
 *  is.
 *  @param ret_epoch  STORE_EPOCH_LEN characters and a NUL
 *  @return MG_OK; MG_E_PROTO: no database of ours; MG_E_NOSUP: made by a
 *  newer version; MG_E_NOSPC; MG_E_IO */
int store__file_open(const char *path, sqlite3 **ret_db, char *ret_epoch,
                     struct mg_err *err);

/** One more connection, for reading. */
int store__file_open_reader(const char *path, sqlite3 **ret_db,
                            struct mg_err *err);

/** @param ret_version  of the schema; 0: an empty file
 *  @return as store__file_open */
int store__file_version(sqlite3 *db, const char *path, int *ret_version,
                        struct mg_err *err);

/** The same for a file in a place where we may not write, which has no WAL:
 *  nobody has it open for writing, and nobody may begin to. */
int store__file_open_still(const char *path, sqlite3 **ret_db,
                           struct mg_err *err);

int store__prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt,
                   struct mg_err *err);

/** Have the disk set space aside for all pages of the current transaction. The
 *  WAL can then always be moved into the file and be used again, so that rows
 *  can be deleted on a full disk.
 *  @return MG_OK; MG_E_NOSPC */
int store__file_reserve(sqlite3 *db, int64_t n_pages, struct mg_err *err);

/** Fill err with what SQLite says; MG_E_NOSPC for every kind of full disk. */
int store__db_err(sqlite3 *db, struct mg_err *err, const char *what);

#endif
