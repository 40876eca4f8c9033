/* tests/postgres/policies_test.c - row level security would hide rows from the relay */
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
