/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/inbox.c - creates the inbox of consumers, in one transaction; see backends/sql/inbox.h */
#include "sql/inbox.h"

#include "store.h"

bool pg_put_inbox(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text sql = {.host = store->host, .dialect = OBX_SQL_POSTGRES};
    /* As in setup: a session that waits for a lock blocks all later requests for one. */
    bool fine = pg_send_text(request, "SELECT pg_catalog.set_config('lock_timeout', '5s', true)", NULL);
    for (unsigned i = 0; fine && obx_inbox_statement(&sql, store->outbox.schema, i); i++)
        fine = !sql.failed && pg_send_text(request, obx_sql_text_get(&sql), NULL);
    obx_sql_text_free(&sql);
    return fine;
}
