/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/unreadable_test.c - bytes that the database holds, and that no client gets as UTF-8 */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static PGconn *connect_to(const char *database)
{
    char dsn[120];
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d user=outbox dbname=%s", server_port(), database);
    PGconn *pg = PQconnectdb(dsn);
    cr_assert_eq(PQstatus(pg), CONNECTION_OK, "%s", PQerrorMessage(pg));
    return pg;
}

static int64_t run(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s",
              PQerrorMessage(pg));
    int64_t number = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return number;
}

/* chr(129) has no equivalent in UTF-8. The row is named, and can become a dead letter. */
Test(unreadable, byte_without_an_equivalent_rejects_its_row_alone)
{
    struct sql_fixture fixture;
    struct loop_fixture_call call = {0};
    fixture_open(&fixture, "win", false, "");
    fixture_run(&fixture, "CREATE DATABASE win1252 TEMPLATE template0 ENCODING 'WIN1252' LC_COLLATE 'C' LC_CTYPE 'C'");
    fixture_reconfigure(&fixture, &(struct server_place){.more = "dbname=win1252"}, "");
    cr_assert_eq(loop_fixture_store_start(&fixture.base, fixture.store, NULL, 0, &fixture.error), 0, "%s",
                 fixture.error.text);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_stop(&fixture);
    PGconn *pg = connect_to("win1252");
    run(pg, "ALTER TABLE win ALTER COLUMN payload TYPE text USING NULL");
    run(pg,
        "INSERT INTO win (aggregatetype, aggregateid, type, payload) SELECT 'order', 'k' || i, 'placed', CASE WHEN i "
        "= 3 THEN chr(129) ELSE 'x' END FROM generate_series(1, 8) i");
    fixture_begin(&fixture);
    uint32_t rows = 0;
    for (struct outbox_batch *batch; (batch = fixture_claim_batch(&fixture, 1000, 1 << 20)); rows += batch->rows) {
        bool bad = batch->unreadable && batch->unreadable[0];
        cr_assert_eq(bad, batch->rows == 1 && batch->positions[0].major == 3);
        if (bad)
            cr_assert_not_null(strstr(batch->unreadable[0], "22P05"), "%s", batch->unreadable[0]);
        else
            cr_assert_eq(fixture_settle(&fixture, batch, 0, batch->rows), 0, "%s", fixture.error.text);
        obx_store_release(fixture.store, batch);
    }
    cr_assert_eq(rows, 8);
    const struct outbox_dead_row row = {.position = {3, 0}, .attempts = 1, .reason = "cannot be read"};
    const struct outbox_dead_letter_rows letters = {.struct_size = sizeof letters, .count = 1, .rows = &row};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture.store, &call.call, 0, &letters);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert_eq(run(pg, "SELECT count(*) FROM win"), 0);
    cr_assert_eq(run(pg, "SELECT count(*) FROM win_dead"), 1);
    PQfinish(pg);
    fixture_close(&fixture);
}
