/* tests/postgres/failover_test.c - the primary dies and its standby is promoted: the store follows */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

struct pair {
    struct bed bed;
    char primary[12], standby[12]; /* ports */
};

static void run(const char *command)
{
    cr_assert_eq(system(command), 0, "%s", command);
}

static void configure(struct pair *pair, const char *hosts, const char *ports)
{
    char yaml[400];
    obx_instance_free(pair->bed.store);
    snprintf(yaml, sizeof yaml,
             "store:\n  plugin: postgres\n  table: failing\n  connect_timeout: 1s\n"
             "  dsn: host=%s port=%s user=outbox dbname=outbox\n",
             hosts, ports);
    cr_assert_eq(harness_configure(&pair->bed.harness, "test.yaml", yaml, &pair->bed.error), 0, "%s",
                 pair->bed.error.text);
    pair->bed.store = bed_another(&pair->bed);
}

static void open_pair(struct pair *pair)
{
    char command[300];
    const char *port = strstr(getenv("OUTBOX_TEST_PG"), "port=") + 5;
    bed_open(&pair->bed, "failing", true, "");
    snprintf(pair->primary, sizeof pair->primary, "%.*s", (int)strcspn(port, " "), port);
    snprintf(pair->standby, sizeof pair->standby, "%d", atoi(port) + 1);
    snprintf(command, sizeof command, "%s/../postgres/standby start %s >/dev/null 2>&1",
             getenv("OUTBOX_TEST_PG_SERVICES"), pair->standby);
    run(command);
}

static PGconn *connect_standby(const struct pair *pair)
{
    char dsn[100];
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%s user=outbox dbname=outbox", pair->standby);
    PGconn *pg = PQconnectdb(dsn);
    cr_assert_eq(PQstatus(pg), CONNECTION_OK, "%s", PQerrorMessage(pg));
    return pg;
}

/* Until the standby has all rows that the primary has. */
static void wait_for_standby(struct pair *pair, int64_t rows)
{
    PGconn *primary = pair->bed.sql;
    pair->bed.sql = connect_standby(pair);
    for (int i = 0; i < 1000 && bed_number(&pair->bed, "SELECT count(*) FROM %s") < rows; i++)
        PQclear(PQexec(pair->bed.sql, "SELECT pg_sleep(0.01)"));
    cr_assert_eq(bed_number(&pair->bed, "SELECT count(*) FROM %s"), rows);
    PQfinish(pair->bed.sql);
    pair->bed.sql = primary;
}

static void fail_over(struct pair *pair)
{
    char command[300];
    snprintf(command, sizeof command, "%s kill %s && %s/../postgres/standby promote", getenv("OUTBOX_TEST_PG_SERVICE"),
             getenv("OUTBOX_TEST_PG_DIR"), getenv("OUTBOX_TEST_PG_SERVICES"));
    run(command);
    PQfinish(pair->bed.sql);
    pair->bed.sql = connect_standby(pair);
}

Test(postgres_failover, the_store_follows_to_the_promoted_standby)
{
    static struct pair pair;
    struct bed *bed = &pair.bed;
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    char ports[30], command[300];
    open_pair(&pair);

    configure(&pair, "127.0.0.1", pair.standby);
    cr_assert_eq(bed_start(bed, bed->store), OUTBOX_E_READ_ONLY, "%s", bed->error.text);
    cr_assert_not_null(
        strstr(bed->error.text, ": this server is a standby; name the primary in the dsn, or all servers"));

    snprintf(ports, sizeof ports, "%s,%s", pair.standby,
             pair.primary); /* the standby is asked first, and passed over */
    configure(&pair, "127.0.0.1,127.0.0.1", ports);
    bed_begin(bed);
    for (int i = 0; i < 3; i++)
        bed_insert(bed, bed->sql, "a");
    struct outbox_batch *batch = bed_batch(bed, 10, 1 << 20);
    cr_assert(batch && batch->rows == 3);
    wait_for_standby(&pair, 3);

    fail_over(&pair);
    int code = bed_settle(bed, batch, 0, 3);
    cr_assert(code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_FENCED, "%d: %s", code, bed->error.text);
    obx_store_release(bed->store, batch);
    cr_assert_eq(harness_stop(&bed->harness, bed->store, NULL), 0);
    cr_assert_eq(bed_start(bed, bed->store), 0, "%s", bed->error.text);
    cr_assert_eq(bed_acquire(bed, bed->store, &acquire), 0, "%s", bed->error.text);
    cr_assert_eq(acquire.flags, 0, "another timeline is not the same database");
    bed_insert(bed, bed->sql, "a");
    cr_assert_eq(bed_claim(bed, OUTBOX_CLAIM_REWIND, 10), 0, "%s", bed->error.text);
    cr_assert_eq(bed->count, 4);
    bed_close(bed);
    snprintf(command, sizeof command, "%s/../postgres/standby stop", getenv("OUTBOX_TEST_PG_SERVICES"));
    run(command);
}
