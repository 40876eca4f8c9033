/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/common/error.c - SQLite's errors as errors of outbox, with advice
 *
 * Only SQLite's text distinguishes a missing table from a missing column, and sometimes only errno shows a full disk.
 */
#include "error.h"

#include <errno.h>
#include <string.h>

static int code_of_text(const char *text)
{
    if (strstr(text, "no such table"))
        return OUTBOX_E_NOT_FOUND;
    if (strstr(text, "no such column") || strstr(text, "has no column named"))
        return OUTBOX_E_SCHEMA;
    return OUTBOX_E_IO;
}

static int code_of_errno(int number, int otherwise)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return OUTBOX_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return OUTBOX_E_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return OUTBOX_E_FULL;
    case EROFS:
        return OUTBOX_E_READ_ONLY;
    default:
        return otherwise;
    }
}

static int code_of(sqlite3 *db, int native)
{
    switch (native & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OUTBOX_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
        return OUTBOX_E_AGAIN;
    case SQLITE_READONLY:
        return OUTBOX_E_READ_ONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return OUTBOX_E_CORRUPT;
    case SQLITE_FULL:
        return OUTBOX_E_FULL;
    case SQLITE_NOMEM:
        return OUTBOX_E_NO_MEMORY;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return OUTBOX_E_PERMISSION;
    case SQLITE_INTERRUPT:
        return OUTBOX_E_CANCELED;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return OUTBOX_E_INVALID;
    case SQLITE_MISUSE:
        return OUTBOX_E_BUG;
    case SQLITE_CANTOPEN:
        return code_of_errno(db ? sqlite3_system_errno(db) : 0, OUTBOX_E_IO);
    case SQLITE_IOERR:
        /* a commit does not keep errno, but leaves it as it was */
        if (native == SQLITE_IOERR_WRITE && (errno == EFBIG || errno == EDQUOT))
            return OUTBOX_E_FULL;
        return code_of_errno(db ? sqlite3_system_errno(db) : 0, OUTBOX_E_IO);
    default:
        return db ? code_of_text(sqlite3_errmsg(db)) : OUTBOX_E_IO;
    }
}

/* SQLite reports only that it cannot open the file. */
static bool lacks_descriptors(sqlite3 *db, int native)
{
    int number = db && (native & 0xff) == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;
    return number == EMFILE || number == ENFILE;
}

static const char *advice(int code)
{
    switch (code) {
    case OUTBOX_E_AGAIN:
        return "; another connection holds the lock: make its transactions shorter, or raise busy_timeout";
    case OUTBOX_E_READ_ONLY:
        return "; make the file and its directory writable for this user";
    case OUTBOX_E_CORRUPT:
        return "; restore a backup, or save what can be saved with 'sqlite3 FILE .recover'";
    case OUTBOX_E_FULL:
        return "; free space on its file system, or raise max_page_count";
    case OUTBOX_E_NOT_FOUND:
        return "; create it with 'outbox init'";
    case OUTBOX_E_PERMISSION:
        return "; give this user access to the file and its directory";
    case OUTBOX_E_SCHEMA:
        return "; correct the table, or name its columns in `columns`";
    default:
        return "";
    }
}

int lite_error_sqlite(struct outbox_error *error, sqlite3 *db, int native, const char *what, const char *path)
{
    int code = code_of(db, native);
    const char *todo = lacks_descriptors(db, native)
                           ? "; no file descriptor is left: raise the limit (ulimit -n, or LimitNOFILE= of systemd)"
                           : advice(code);
    const char *why = db && sqlite3_extended_errcode(db) == native ? sqlite3_errmsg(db) : sqlite3_errstr(native);
    outbox_error_set(error, code, "%s%s%s: %s%s", what, path ? " " : "", path ? path : "", why, todo);
    if (error)
        error->native = native;
    return code;
}
