/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/failover_test.c - the primary dies and its standby is promoted: the store follows */
#include <stdio.h>
#include <string.h>

#include "bed.h"

static int standby_port(void)
{
    return server_port() + 1;
}

static void standby(const char *verb)
{
    server_standby(verb, standby_port());
}

/* Until the standby has the table, and all rows that the primary has. */
static void wait_for_standby(struct bed *bed, int64_t rows)
{
    struct session *session = session_open_at(standby_port());
    int64_t found = -1;
    for (int i = 0; i < 1000 && found < rows; i++) {
        session_run(session, BY_SERVER("SELECT pg_sleep(0.01)", "DO SLEEP(0.01)"));
        if (session_try(session, "SELECT 1 FROM failing"))
            found = bed_run_on(bed, session, "SELECT COUNT(*) FROM %s");
    }
    cr_assert_eq(found, rows);
    session_close(session);
}

static void fail_over(struct bed *bed)
{
    session_close(bed->sql);
    server_do("kill");
    standby("promote");
    bed->sql = session_open_at(standby_port());
}

Test(failover, the_store_follows_to_the_promoted_standby)
{
    struct bed bed;
    char port[12], ports[30];
    bed_open(&bed, "failing", true, "");
    standby("start");
    wait_for_standby(&bed, 0);
    snprintf(port, sizeof port, "%d", standby_port());
    bed_reconfigure(&bed, &(struct server_place){.hosts = "127.0.0.1", .ports = port}, "");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_READ_ONLY, "%s", bed.error.text);
    cr_assert_not_null(
        strstr(bed.error.text, BY_SERVER(": this server is a standby; name the primary in the dsn, or all servers",
                                         "is read-only, as a replica is; name the primary in host:, or all servers")),
        "%s", bed.error.text);

    snprintf(ports, sizeof ports, "%d,%d", standby_port(), server_port()); /* the standby is asked first, passed over */
    bed_reconfigure(&bed, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, "");
    bed_begin(&bed);
    for (int i = 0; i < 3; i++)
        bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert(batch && batch->rows == 3);
    wait_for_standby(&bed, 3);

    fail_over(&bed);
    int code = bed_settle(&bed, batch, 0, 3);
    cr_assert(code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_FENCED, "%d: %s", code, bed.error.text);
    obx_store_release(bed.store, batch);
    cr_assert_eq(bed_begin_again(&bed), 0, "another timeline is not the same database");
    bed_insert(&bed, bed.sql, "a");
    cr_assert_eq(bed_claim(&bed, OUTBOX_CLAIM_REWIND, 10), 0, "%s", bed.error.text);
    cr_assert_eq(bed.count, 4, "rows that may not have been settled are sent again");
    bed_close(&bed);
    standby("stop");
    server_do("restart"); /* for others */
}
