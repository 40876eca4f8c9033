/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/removal_failure.c - see removal_failure.h */
#include "sql/server/removal_failure.h"

#define LONG_NS UINT64_C(2500000000)

bool sql_may_be_a_row(const struct outbox_error *error)
{
    switch (error->code) {
    case OUTBOX_OK:
    case OUTBOX_E_NO_MEMORY:
    case OUTBOX_E_NOT_CONNECTED:
    case OUTBOX_E_CANCELED:
    case OUTBOX_E_AGAIN:
    case OUTBOX_E_STANDBY:
    case OUTBOX_E_FENCED:
    case OUTBOX_E_READ_ONLY:
    case OUTBOX_E_FULL:
    case OUTBOX_E_BUG:
        return false;
    default:
        return true;
    }
}

void sql_keep_connection(struct outbox_error *error)
{
    if (sql_may_be_a_row(error))
        error->code = OUTBOX_E_AGAIN;
}

enum sql_failure sql_removal_failed(struct sql_op *op, const struct outbox_error *error, uint64_t rows)
{
    struct sql_removal *removal = &op->removal;
    bool timed_out = error->code == OUTBOX_E_TIMEOUT;
    removal->failures++;
    removal->error = *error;
    sql_foreign_deletes_begin(op->store);
    removal->timed_out |= timed_out;
    if (op->store->driver->is_lock_wait(error))
        return SQL_FAILURE_OF_LOCK;
    if (!sql_may_be_a_row(error))
        return SQL_FAILURE_OF_ALL;
    return removal->verified || (timed_out && rows > 1) ? SQL_FAILURE_OF_ROWS : SQL_FAILURE_UNPROVEN;
}

bool sql_removal_took_long(const struct sql_op *op)
{
    const struct outbox_host *host = op->store->host;
    return host->now(host) - op->removal.sent_ns >= LONG_NS;
}
