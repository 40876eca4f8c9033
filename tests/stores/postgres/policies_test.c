/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/policies_test.c - what an administrator has put on the table: row level security, rules */
#include "bed.h"

Test(policies, rows_hidden_by_them)
{
    struct bed bed;
    bed_open(&bed, "policies", true, "");
    server_make_user(bed.sql, "limited", "");
    server_grant(bed.sql, "SELECT, DELETE", bed.table, "limited");
    bed_run(&bed, "ALTER TABLE %s ENABLE ROW LEVEL SECURITY");
    bed_reconfigure(&bed, &(struct server_place){.user = "limited"}, "");
    bed_refused(
        &bed, OUTBOX_E_PERMISSION,
        "look at table public.policies: row level security hides rows from user limited; run ALTER ROLE limited "
        "BYPASSRLS, or drop the policies");
    bed_close(&bed);
}

Test(policies, what_acts_on_a_delete_is_told)
{
    static const char sought[] = "triggers or rules on delete";
    struct bed bed;
    bed_open(&bed, "ruled", true, "");
    bed_begin(&bed);
    cr_assert_eq(bed_look_for(&bed, sought).count, 0);
    bed_run(&bed, "CREATE RULE keep AS ON DELETE TO %s DO INSTEAD NOTHING");
    struct bed_findings told = bed_look_for(&bed, sought);
    cr_assert(told.count == 1 && told.level == OUTBOX_LOG_WARN && told.advised);
    bed_close(&bed);
}
