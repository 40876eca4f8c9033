/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/common/error.h - errors of libpq and the server, as error values of outbox */
#ifndef OBX_BACKENDS_POSTGRES_COMMON_ERROR_H
#define OBX_BACKENDS_POSTGRES_COMMON_ERROR_H

#include <libpq-fe.h>

#include <outbox/plugin_util.h>

#define pg_fail outbox_error_set

/* error->native: the statement itself has called chr(0). */
#define PG_NATIVE_CHR 1

/* what: the attempt, "claim rows". Texts are one line. */
void pg_error_of_result(struct outbox_error *error, const char *what, const PGresult *result);
void pg_error_of_conn(struct outbox_error *error, const char *what, const PGconn *pg);

/* "db1:5432 as relay" */
struct pg_where {
    char text[160];
};
struct pg_where pg_where(const PGconn *pg);

#endif
