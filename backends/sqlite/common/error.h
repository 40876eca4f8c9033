/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/common/error.h - errors of SQLite as errors of outbox; shared by the store and the writer library
 */
#ifndef OBX_BACKENDS_SQLITE_COMMON_ERROR_H
#define OBX_BACKENDS_SQLITE_COMMON_ERROR_H

#include <sqlite3.h>

#include <outbox/plugin_util.h>

/* Fill `error`: "<what> <path>: <SQLite's reason>; <what to do>". path may be NULL, and so may
 * db, which must not have been used since. Returns its code. */
int lite_error_sqlite(struct outbox_error *error, sqlite3 *db, int native, const char *what, const char *path);

#endif
