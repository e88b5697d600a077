#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x6d677374 /* "mgst", in the header of the file */
#define BUSY_MS        150
#define PAGE_BYTES     4096          /* see writer_settings */
#define GROW_BYTES     (1024 * 1024) /* the file grows in such steps */

/* The payload is the last column, so that a look at the others reads no
 * overflow page. AUTOINCREMENT: an id is never given twice, also when the
 * outbox ran empty before a restart. */
static const char version_1[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " class INTEGER NOT NULL, n_readings INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);"
    "CREATE TABLE parked(id INTEGER PRIMARY KEY, class INTEGER NOT NULL,"
    " reason INTEGER NOT NULL, n_readings INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);"
    "CREATE INDEX parked_by_class ON parked(class, id);";

/* `reserve` holds space for rows that must be written on a full disk, see
 * reserve.c.
 *
 * Signed datasets, kept for good; MG_ROW_SIGNED rows of the outbox are only
 * their way to the broker. No row is ever deleted, so a number that is missing
 * among the ids was taken out by somebody else. `arrival` numbers the records
 * as they came: the row of a session is older than its record. NULL: not known;
 * pagination and arrival are NULL without a record. A pagination above 2^63 - 1
 * is negative here. */
static const char version_2[] =
    "CREATE TABLE dataset(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind INTEGER NOT NULL, state INTEGER NOT NULL, meter TEXT NOT NULL,"
    " transaction_id TEXT NOT NULL, context TEXT NOT NULL, pagination INTEGER,"
    " fingerprint TEXT NOT NULL, stored_ms INTEGER NOT NULL, begun_ms INTEGER,"
    " ended_ms INTEGER, begin_mwh INTEGER, end_mwh INTEGER,"
    " is_billable INTEGER NOT NULL, verdict TEXT NOT NULL,"
    " model TEXT NOT NULL, serial TEXT NOT NULL, mark TEXT NOT NULL,"
    " why TEXT NOT NULL, key_hex TEXT NOT NULL, arrival INTEGER, record BLOB,"
    " original BLOB);"
    "CREATE INDEX dataset_by_pagination"
    " ON dataset(meter, fingerprint, context, pagination);"
    "CREATE UNIQUE INDEX dataset_by_arrival ON dataset(arrival);"
    "CREATE INDEX dataset_by_transaction ON dataset(meter, transaction_id);"
    "CREATE INDEX dataset_open ON dataset(meter, transaction_id)"
    " WHERE state=0;"
    "CREATE TABLE reserve(id INTEGER PRIMARY KEY, space BLOB NOT NULL);";

/* The metrological log book. The triggers refuse, also to other programs, what
 * it must not suffer: an entry taken out, changed, or put between others. Only
 * a signature may come later, once. `logbook_books` counts what was ever
 * written: it shows that entries were taken out at the end, and is there
 * without going over all of them. */
static const char version_3[] =
    "CREATE TABLE logbook(number INTEGER PRIMARY KEY, entry BLOB NOT NULL,"
    " hash BLOB NOT NULL, signature BLOB, fingerprint TEXT NOT NULL);"
    "CREATE INDEX logbook_unsigned ON logbook(number) WHERE signature IS NULL;"
    "CREATE TABLE logbook_books(id INTEGER PRIMARY KEY CHECK(id=1),"
    " n_entries INTEGER NOT NULL, n_bytes INTEGER NOT NULL,"
    " last_number INTEGER NOT NULL, last_hash BLOB NOT NULL);"
    "INSERT INTO logbook_books VALUES(1, 0, 0, 0, zeroblob(32));"
    "CREATE TRIGGER logbook_is_kept BEFORE DELETE ON logbook"
    " BEGIN SELECT RAISE(ABORT, 'entries of the log book are kept'); END;"
    "CREATE TRIGGER logbook_stays BEFORE UPDATE ON logbook"
    " WHEN old.signature IS NOT NULL OR new.signature IS NULL"
    " OR new.number IS NOT old.number OR new.entry IS NOT old.entry"
    " OR new.hash IS NOT old.hash"
    " BEGIN SELECT RAISE(ABORT, 'entries of the log book stay as they are');"
    " END;"
    "CREATE TRIGGER logbook_grows BEFORE INSERT ON logbook"
    " WHEN new.number<=(SELECT coalesce(max(number), 0) FROM logbook)"
    " BEGIN SELECT RAISE(ABORT, 'the log book grows at its end'); END;"
    "CREATE TRIGGER logbook_counts AFTER INSERT ON logbook"
    " BEGIN UPDATE logbook_books SET n_entries=n_entries+1,"
    " n_bytes=n_bytes+length(new.entry)+length(new.hash)"
    "+coalesce(length(new.signature), 0)+length(new.fingerprint),"
    " last_number=new.number, last_hash=new.hash; END;"
    "CREATE TRIGGER logbook_is_signed AFTER UPDATE ON logbook"
    " BEGIN UPDATE logbook_books SET"
    " n_bytes=n_bytes+length(new.signature)+length(new.fingerprint); END;";

/* From each version to the next; a new file takes all steps. */
static const char *const schema_steps[] = {version_1, version_2, version_3};

#define SCHEMA_VERSION ((int)(sizeof schema_steps / sizeof *schema_steps))

/* Pages freed by deleted rows are used again, so the file is as large as the
 * outbox ever was; auto_vacuum would write more pages for each row only to
 * give back space that the next outage needs again. Debian's SQLite wipes
 * deleted rows by default, which would double the writing. The WAL is moved
 * into the file every 4 MB and cut to 8 MB after a burst. */
static const char writer_settings[] = "PRAGMA page_size=4096;"
                                      "PRAGMA auto_vacuum=NONE;"
                                      "PRAGMA journal_mode=WAL;"
                                      "PRAGMA synchronous=FULL;"
                                      "PRAGMA wal_autocheckpoint=1000;"
                                      "PRAGMA journal_size_limit=8388608;"
                                      "PRAGMA secure_delete=OFF;"
                                      "PRAGMA trusted_schema=OFF;";

static const char reader_settings[] =
    "PRAGMA query_only=ON; PRAGMA cache_size=-512; PRAGMA trusted_schema=OFF;";

static bool is_disk_full(sqlite3 *db)
{
    if (sqlite3_errcode(db) == SQLITE_FULL) {
        return true;
    }
    /* SQLite knows ENOSPC only; a quota or a file size limit is as full. */
    int number = sqlite3_system_errno(db);
    return (sqlite3_errcode(db) & 0xff) == SQLITE_IOERR &&
           (number == ENOSPC || number == EDQUOT || number == EFBIG);
}

int store__db_err(sqlite3 *db, struct mg_err *err, const char *what)
{
    if (is_disk_full(db)) {
        return mg_err_set(err, MG_E_NOSPC, "%s: the disk is full", what);
    }
    int code = sqlite3_errcode(db);
    int number = sqlite3_system_errno(db);
    if ((code & 0xff) == SQLITE_IOERR && number != 0) {
        return mg_err_errno(err, number, "%s", what);
    }
    return mg_err_set(err, (code & 0xff) == SQLITE_BUSY ? MG_E_BUSY : MG_E_IO,
                      "%s: %s", what, sqlite3_errmsg(db));
}

int store__file_reserve(sqlite3 *db, int64_t n_pages, struct mg_err *err)
{
    sqlite3_int64 bytes = n_pages * PAGE_BYTES;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_SIZE_HINT, &bytes) !=
        SQLITE_OK) {
        return mg_err_set(err, MG_E_NOSPC, "cannot grow: the disk is full");
    }
    return MG_OK;
}

int store__prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt,
                   struct mg_err *err)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt,
                           NULL) != SQLITE_OK) {
        return store__db_err(db, err, "cannot prepare a query");
    }
    return MG_OK;
}

static int run(sqlite3 *db, const char *sql, struct mg_err *err,
               const char *what)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? MG_OK
               : store__db_err(db, err, what);
}

static int query_int(sqlite3 *db, const char *sql, int64_t *ret,
                     struct mg_err *err)
{
    sqlite3_stmt *stmt;
    int rc = store__prepare(db, sql, &stmt, err);
    if (rc != MG_OK) {
        return rc;
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *ret = sqlite3_column_int64(stmt, 0);
    } else {
        rc = store__db_err(db, err, "cannot read");
    }
    (void)sqlite3_finalize(stmt); /* repeats the error of the step */
    return rc;
}

static int sync_folder(const char *path, struct mg_err *err)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        int n = (int)(slash - path) + (slash == path);
        (void)snprintf(folder, sizeof folder, "%.*s", n, path);
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return mg_err_errno(err, errno, "cannot open the folder %s", folder);
    }
    int rc =
        fsync(fd) == 0
            ? MG_OK
            : mg_err_errno(err, errno, "cannot write the folder %s", folder);
    (void)close(fd); /* was only read */
    return rc;
}

/* SQLite would make the file itself, but readable for all, and would not sync
 * its name to the folder. */
static int make_file(const char *path, struct mg_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        return mg_err_errno(err, errno, "cannot make %s", path);
    }
    (void)close(fd); /* still empty */
    return sync_folder(path, err);
}

/* Refuse a foreign file before SQLite gets hold of it. */
static int check_header(const char *path, struct mg_err *err)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof magic];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT
                   ? make_file(path, err)
                   : mg_err_errno(err, errno, "cannot open %s", path);
    }
    int rc = MG_OK;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        rc = mg_err_errno(err, errno, "cannot read %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = mg_err_set(err, MG_E_PROTO, "%s is not a file", path);
    } else if (st.st_size > 0 &&
               (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
                memcmp(head, magic, sizeof head) != 0)) {
        rc = mg_err_set(err, MG_E_PROTO,
                        "%s is not a database: move it away or choose another "
                        "state_dir",
                        path);
    }
    (void)close(fd); /* was only read */
    return rc;
}

int store__file_version(sqlite3 *db, const char *path, int *ret_version,
                        struct mg_err *err)
{
    int64_t application = 0, version = 0, n_tables = 0;
    int rc = query_int(db, "PRAGMA application_id", &application, err);
    if (rc == MG_OK) {
        rc = query_int(db, "PRAGMA user_version", &version, err);
    }
    if (rc == MG_OK) {
        rc =
            query_int(db, "SELECT count(*) FROM sqlite_schema", &n_tables, err);
    }
    if (rc != MG_OK) {
        mg_err_prefix(err, "%s", path);
        return rc;
    }
    if (application == 0 && version == 0 && n_tables == 0) {
        *ret_version = 0;
        return MG_OK;
    }
    if (application != APPLICATION_ID || version < 1) {
        return mg_err_set(err, MG_E_PROTO,
                          "%s is a database of another program: move it away "
                          "or choose another state_dir",
                          path);
    }
    if (version > SCHEMA_VERSION) {
        return mg_err_set(err, MG_E_NOSUP,
                          "%s was made by a newer version of metergate "
                          "(schema %lld, this one knows up to %d)",
                          path, (long long)version, SCHEMA_VERSION);
    }
    *ret_version = (int)version;
    return MG_OK;
}

/* Without it (some network file systems) readers would stop the writer. */
static int check_wal(sqlite3 *db, struct mg_err *err)
{
    sqlite3_stmt *stmt;
    int rc = store__prepare(db, "PRAGMA journal_mode", &stmt, err);
    if (rc != MG_OK) {
        return rc;
    }
    if (sqlite3_step(stmt) != SQLITE_ROW ||
        strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0) {
        rc = mg_err_set(err, MG_E_NOSUP,
                        "its file system cannot hold a write-ahead log: use a "
                        "local disk");
    }
    (void)sqlite3_finalize(stmt); /* repeats the error of the step */
    return rc;
}

static int make_epoch(sqlite3 *db, struct mg_err *err)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        return mg_err_errno(err, errno, "cannot get random numbers");
    }
    char insert[96];
    (void)snprintf(insert, sizeof insert,
                   "PRAGMA application_id=%d;"
                   "INSERT INTO meta VALUES('epoch','%016llx');",
                   APPLICATION_ID, (unsigned long long)number);
    return run(db, insert, err, "cannot make the tables");
}

/* In one transaction, so that a file is of the old version or of the new one.
 * After a failure the connection is closed, which rolls back. */
static int upgrade(sqlite3 *db, int version, struct mg_err *err)
{
    static const char what[] = "cannot make the tables";
    int rc = run(db, "BEGIN IMMEDIATE", err, what);
    for (int i = version; rc == MG_OK && i < SCHEMA_VERSION; i++) {
        rc = run(db, schema_steps[i], err, what);
    }
    if (rc == MG_OK && version == 0) {
        rc = make_epoch(db, err);
    }
    if (rc == MG_OK) {
        char end[64];
        (void)snprintf(end, sizeof end, "PRAGMA user_version=%d; COMMIT",
                       SCHEMA_VERSION);
        rc = run(db, end, err, what);
    }
    return rc;
}

static int read_epoch(sqlite3 *db, char *ret_epoch, struct mg_err *err)
{
    sqlite3_stmt *stmt;
    int rc = store__prepare(db, "SELECT value FROM meta WHERE key='epoch'",
                            &stmt, err);
    if (rc != MG_OK) {
        return rc;
    }
    int step = sqlite3_step(stmt);
    const char *text =
        step == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (step != SQLITE_ROW && step != SQLITE_DONE) {
        rc = store__db_err(db, err, "cannot read the epoch");
    } else if (text == NULL || strlen(text) != STORE_EPOCH_LEN ||
               strspn(text, "0123456789abcdef") != STORE_EPOCH_LEN) {
        rc = mg_err_set(err, MG_E_PROTO, "the epoch is not 16 hex digits");
    } else {
        memcpy(ret_epoch, text, STORE_EPOCH_LEN + 1);
    }
    (void)sqlite3_finalize(stmt); /* repeats the error of the step */
    return rc;
}

static int set_up(sqlite3 *db, const char *path, char *ret_epoch,
                  struct mg_err *err)
{
    /* Not even a WAL left over is moved into a file that is not ours. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int version = 0;
    int rc = store__file_version(db, path, &version, err);
    if (rc != MG_OK) {
        return rc;
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    rc = run(db, writer_settings, err, "cannot open");
    if (rc == MG_OK) {
        rc = check_wal(db, err);
    }
    int grow = GROW_BYTES;
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_CHUNK_SIZE, &grow);
    if (rc == MG_OK && version < SCHEMA_VERSION) {
        rc = upgrade(db, version, err);
    }
    if (rc == MG_OK) {
        rc = read_epoch(db, ret_epoch, err);
    }
    if (rc != MG_OK) {
        mg_err_prefix(err, "%s", path);
    }
    return rc;
}

static int open_db(const char *path, int flags, sqlite3 **ret_db,
                   struct mg_err *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        int rc = db == NULL ? mg_err_set(err, MG_E_NOMEM, "out of memory")
                            : store__db_err(db, err, path);
        (void)sqlite3_close(db); /* NULL is allowed */
        return rc;
    }
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    *ret_db = db;
    return MG_OK;
}

int store__file_open(const char *path, sqlite3 **ret_db, char *ret_epoch,
                     struct mg_err *err)
{
    sqlite3 *db = NULL;
    int rc = check_header(path, err);
    if (rc == MG_OK) {
        rc = open_db(path, SQLITE_OPEN_READWRITE, &db, err);
    }
    if (rc == MG_OK) {
        rc = set_up(db, path, ret_epoch, err);
    }
    if (rc != MG_OK) {
        (void)sqlite3_close(db); /* NULL is allowed */
        return rc;
    }
    *ret_db = db;
    return MG_OK;
}

int store__file_open_reader(const char *path, sqlite3 **ret_db,
                            struct mg_err *err)
{
    sqlite3 *db = NULL;
    int rc = open_db(path, SQLITE_OPEN_READONLY, &db, err);
    if (rc == MG_OK) {
        rc = run(db, reader_settings, err, path);
    }
    if (rc != MG_OK) {
        (void)sqlite3_close(db); /* NULL is allowed */
        return rc;
    }
    *ret_db = db;
    return MG_OK;
}

/* "file:<path>?immutable=1". @return whether it fits */
static bool make_still_uri(const char *path, char *ret, size_t cap)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = (size_t)snprintf(ret, cap, "file:");
    for (; *path != '\0' && len + 4 < cap; path++) {
        if (strchr("%?#", *path) == NULL) {
            ret[len++] = *path;
            continue;
        }
        ret[len++] = '%';
        ret[len++] = hex[(uint8_t)*path >> 4];
        ret[len++] = hex[*path & 0xf];
    }
    int n = snprintf(ret + len, cap - len, "?immutable=1");
    return *path == '\0' && n > 0 && (size_t)n < cap - len;
}

int store__file_open_still(const char *path, sqlite3 **ret_db,
                           struct mg_err *err)
{
    char uri[PATH_MAX + 32];
    sqlite3 *db = NULL;
    if (!make_still_uri(path, uri, sizeof uri)) {
        return mg_err_set(err, MG_E_INVAL, "the path is too long");
    }
    int rc = open_db(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &db, err);
    if (rc == MG_OK) {
        rc = run(db, reader_settings, err, path);
    }
    if (rc != MG_OK) {
        (void)sqlite3_close(db); /* NULL is allowed */
        return rc;
    }
    *ret_db = db;
    return MG_OK;
}
