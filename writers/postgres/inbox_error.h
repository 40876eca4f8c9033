/* SPDX-License-Identifier: Apache-2.0 */
/* writers/postgres/inbox_error.h - the errors of the inbox, of both levels. what: the attempt. */
#ifndef OBX_WRITERS_POSTGRES_INBOX_ERROR_H
#define OBX_WRITERS_POSTGRES_INBOX_ERROR_H

#include <outbox/postgres.h>

/* OUTBOX_OK: a transaction is open, and has not failed. */
int pg_inbox_check_transaction(const PGconn *pg, const char *what, struct outbox_error *error);
/* missing: what `outbox init --inbox` creates, if the statement does not find it. Returns the code. */
int pg_inbox_fail(const PGconn *pg, const char *what, const PGresult *result, const char *missing,
                  struct outbox_error *error);

#endif
