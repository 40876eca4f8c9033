/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/stray_scan.c - see stray_scan.h */
#include "stray_scan.h"

#include <string.h>

#define SCAN_EVERY_NS 1000000000u
#define SCAN_RANGES 4096u /* with more ranges than this a scan takes longer, and comes as much more rarely */

static bool is_due(struct lite_store *store, const struct outbox_claim *args)
{
    struct lite_reader *reader = &store->reader;
    uint64_t now = lite_now(store);
    bool before_sleep = args->flags & OUTBOX_CLAIM_ARM_WAKEUP;
    if (args->positions || !reader->last_claimed || (now < reader->stray_scan_at && !before_sleep))
        return false;
    reader->stray_scan_at = now + SCAN_EVERY_NS * (uint64_t)(1 + reader->outstanding.count / SCAN_RANGES);
    return true;
}

void lite_stray_scan_schedule(struct lite_claim_op *claim)
{
    struct lite_store *store = claim->op.store;
    const struct obx_sql_ranges *outstanding = &store->reader.outstanding;
    struct obx_sql_ranges *copy = &claim->strays;
    if (!is_due(store, claim->args) ||
        !obx_sql_grow(store->host, (void **)&copy->items, &copy->room, outstanding->count + 1, sizeof *copy->items))
        return;
    copy->count = outstanding->count;
    if (outstanding->count)
        memcpy(copy->items, outstanding->items, outstanding->count * sizeof *copy->items);
}

void lite_stray_scan(struct lite_claim_op *claim, struct lite_conn *conn)
{
    if (claim->strays.items)
        lite_claim_around(claim, conn, 1, claim->from, &claim->strays);
}
