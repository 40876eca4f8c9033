/* SPDX-License-Identifier: Apache-2.0 */
/* writers/mysql/writer.h - what one event and many events have in common */
#ifndef OBX_WRITERS_MYSQL_WRITER_H
#define OBX_WRITERS_MYSQL_WRITER_H

#include <mysql.h>

#include <outbox/error.h>
#include <outbox/event.h>

/* Is it an event that MySQL can take? Errors: INVALID. */
int mys_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error);
/* Sends the INSERT. Errors: the server's, NO_MEMORY. */
int mys_execute(MYSQL *mysql, const char *table, const struct outbox_event *const *events, uint32_t count,
                const char *what, struct outbox_error *error);
/* An INSERT has no result set. If there is one, the server or a proxy is not what it seems: reads it, so that the
 * connection stays usable, and fails. */
int mys_refuse_result(MYSQL *mysql, const char *what, struct outbox_error *error);

#endif
