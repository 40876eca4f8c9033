/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/inbox.h - the SQL of the inbox: a table in a consumer's database, by which it drops duplicates
 *
 * A consumer records the ids of events in the transaction that applies them. An id that is there already is a
 * duplicate. The writers' libraries (outbox_pg_inbox_take() and the like) use what these statements create.
 */
#ifndef OBX_BACKENDS_SQL_INBOX_H
#define OBX_BACKENDS_SQL_INBOX_H

#include "sql/text.h"

/*
 * Replaces the text by statement `index`, by the dialect of `sql`, without a terminator. False: there are no more.
 * schema: where the inbox is; NULL or "": the connection's current schema. All statements are one transaction where the
 * server has transactions for them. The last one fails where a table of this name has other columns.
 */
bool obx_inbox_statement(struct obx_sql_text *sql, const char *schema, unsigned index);
/* All of them, to be printed: a script for the database's own client. */
void obx_inbox_script(struct obx_sql_text *sql, const char *schema);
/* The least privileges of a consumer, and of the user that prunes. */
void obx_inbox_grants(struct obx_sql_text *sql, const char *schema);

#endif
