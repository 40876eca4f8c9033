/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/inbox.c - creates the inbox of consumers; see backends/sql/inbox.h */
#include "sql/inbox.h"

#include "store.h"

bool mys_put_inbox(struct sql_request *request)
{
    obx_inbox_script(request->sql, request->store->outbox.schema);
    return true;
}
