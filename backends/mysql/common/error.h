/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/common/error.h - errors of the client library and the server, as error values of outbox */
#ifndef OBX_BACKENDS_MYSQL_COMMON_ERROR_H
#define OBX_BACKENDS_MYSQL_COMMON_ERROR_H

#include <stdbool.h>

#include <mysql.h>

#include <outbox/plugin_util.h>

#define mys_fail outbox_error_set

/* Does this number mean that the connection is gone? */
bool mys_error_is_loss(unsigned number);
/* what: the attempt, "claim rows". */
void mys_error_of(struct outbox_error *error, const char *what, MYSQL *mysql);

#endif
