#include "store/reader.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int check_file(const char *path, struct mg_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return errno == ENOENT
                   ? mg_err_set(err, MG_E_NOTFOUND, "there is no %s", path)
                   : mg_err_errno(err, errno, "cannot read %s", path);
    }
    return S_ISREG(st.st_mode)
               ? MG_OK
               : mg_err_set(err, MG_E_PROTO, "%s is not a file", path);
}

static bool has_wal(const char *path)
{
    char name[PATH_MAX];
    struct stat st;
    int n = snprintf(name, sizeof name, "%s-wal", path);
    return n < 0 || (size_t)n >= sizeof name ||
           (stat(name, &st) == 0 && st.st_size > 0);
}

/* Reading a database with a WAL needs a file beside it. Who may not make that,
 * on a read-only medium or in a stopped gateway's folder, reads without. */
static int open_db(const char *path, int min_version, const char *what,
                   sqlite3 **ret_db, struct mg_err *err)
{
    int version = 0;
    sqlite3 *db = NULL;
    int rc = store__file_open_reader(path, &db, err);
    if (rc == MG_E_IO && !has_wal(path)) {
        rc = store__file_open_still(path, &db, err);
    }
    if (rc == MG_OK) {
        rc = store__file_version(db, path, &version, err);
    }
    if (rc == MG_OK && version < min_version) {
        rc = mg_err_set(err, MG_E_NOSUP,
                        "%s is of an older version and holds no %s yet: "
                        "the gateway brings it up to date when it starts",
                        path, what);
    }
    if (rc != MG_OK) {
        (void)sqlite3_close(db); /* NULL is allowed */
        return rc;
    }
    *ret_db = db;
    return MG_OK;
}

int store__reader_open(const char *path, int min_version, const char *what,
                       sqlite3 **ret_db, struct mg_err *err)
{
    int rc = check_file(path, err);
    return rc == MG_OK ? open_db(path, min_version, what, ret_db, err) : rc;
}

bool store__reader_text(sqlite3_stmt *q, int column, char *ret, size_t cap)
{
    const void *text = sqlite3_column_text(q, column);
    size_t len = (size_t)sqlite3_column_bytes(q, column);
    if (text == NULL || len >= cap || memchr(text, '\0', len) != NULL) {
        return false;
    }
    memcpy(ret, text, len);
    ret[len] = '\0';
    return true;
}

int store__reader_failed(sqlite3 *db, const char *what, struct mg_err *err)
{
    (void)store__db_err(db, err, what);
    return err->code = MG_E_IO;
}
