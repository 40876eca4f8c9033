/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/op.c - see op.h */
#include "op.h"

#include <time.h>

#define SLEEP_SLICE_NS 5000000u /* a cancel is seen so soon */

bool lite_op_sleep(struct lite_op *op, const struct outbox_host *host, uint64_t until_ns)
{
    for (uint64_t now; (now = host->now(host)) < until_ns;) {
        if (op->canceled)
            return false;
        uint64_t pause_ns = until_ns - now < SLEEP_SLICE_NS ? until_ns - now : SLEEP_SLICE_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long)pause_ns}, NULL);
    }
    return !op->canceled;
}

int lite_op_fail_canceled(struct lite_op *op, const struct lite_conn *conn, const char *what)
{
    return outbox_error_set(&op->error, OUTBOX_E_CANCELED, "%s %s: canceled", what, conn->path);
}
