/* SPDX-License-Identifier: Apache-2.0 */
/* writers/mysql/inbox_error.h - the errors of the inbox, of both levels. what: the attempt. */
#ifndef OBX_WRITERS_MYSQL_INBOX_ERROR_H
#define OBX_WRITERS_MYSQL_INBOX_ERROR_H

#include <outbox/mysql.h>

/* OUTBOX_OK: a transaction is open, or the next statement opens one. */
int mys_inbox_check_transaction(const MYSQL *mysql, const char *what, struct outbox_error *error);
/* missing: what `outbox init --inbox` creates, if the statement does not find it. Returns the code. */
int mys_inbox_fail(MYSQL *mysql, const char *what, const char *missing, struct outbox_error *error);

#endif
