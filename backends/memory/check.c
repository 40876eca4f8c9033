/* SPDX-License-Identifier: Apache-2.0 */
/* backends/memory/check.c - `outbox check` reports that this is not a database */
#include "store.h"

void mstore_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    outbox_report_finding(check, OUTBOX_SEVERITY_WARNING, "store",
                          "the memory store forgets its events when the process ends",
                          "use it for tests and measurements only");
    mstore_done(self, op, NULL);
}
