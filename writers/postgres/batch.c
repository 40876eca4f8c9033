/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/batch.c - liboutbox-postgres: add many events in one round trip or few
 *
 * check all events -> enter libpq's pipeline mode -> send up to FLIGHT inserts -> read their results -> ... -> one
 * sync, so one transaction outside of the caller's -> leave pipeline mode. The server's answers are so small that
 * neither side waits for the other to read.
 *
 * Failure modes: after the first insert that fails the server skips the rest, and so does this file. The connection
 * leaves pipeline mode in any case, unless it is broken.
 */
#include <outbox/postgres.h>

#include "error.h"
#include "payload_type.h"
#include "statement.h"
#include "writer.h"

enum { FLIGHT = 100 };

struct batch {
    PGconn *pg;
    const char *table;
    const struct outbox_event *const *events;
    Oid payload_type;
    struct outbox_error *error; /* may be NULL */
    int code;                   /* of the first failure */
};

static void send_one(struct batch *batch, uint32_t index)
{
    struct obx_event_what what = obx_event_what_of(batch->table, index);
    struct outbox_pg_statement *statement;
    batch->code = pg_statement_new(batch->table, batch->events[index], PG_STATEMENT_INSERT, batch->payload_type,
                                   what.text, &statement, batch->error);
    if (!batch->code && !pg_send(batch->pg, statement))
        batch->code = pg_insert_failed(batch->pg, NULL, what.text, batch->error);
    outbox_pg_statement_free(statement);
}

static void receive_one(struct batch *batch, uint32_t index)
{
    struct obx_event_what what = obx_event_what_of(batch->table, index);
    PGresult *result = PQgetResult(batch->pg);
    if (batch->code) {
        PQclear(result);
    } else if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        batch->code = pg_insert_failed(batch->pg, result, what.text, batch->error);
    } else {
        batch->code = pg_prove_inserted(result, what.text, NULL, batch->error);
        PQclear(result);
    }
    if (result)
        PQclear(PQgetResult(batch->pg)); /* NULL: the end of this statement */
}

static void send_and_receive(struct batch *batch, uint32_t first, uint32_t count)
{
    uint32_t sent = 0;
    while (sent < count && !batch->code) {
        send_one(batch, first + sent);
        sent += !batch->code;
    }
    if (!PQsendFlushRequest(batch->pg) && !batch->code)
        batch->code = pg_insert_failed(batch->pg, NULL, obx_event_what_of(batch->table, first).text, batch->error);
    for (uint32_t i = 0; i < sent; i++)
        receive_one(batch, first + i);
}

/* The next result of the sync. An error is followed by a NULL, which is read as well. */
static ExecStatusType read_sync(struct batch *batch)
{
    PGresult *result = PQgetResult(batch->pg);
    ExecStatusType status = result ? PQresultStatus(result) : PGRES_BAD_RESPONSE;
    if (status == PGRES_FATAL_ERROR && !batch->code)
        batch->code = pg_insert_failed(batch->pg, result, "commit the events", batch->error);
    else
        PQclear(result);
    if (status == PGRES_FATAL_ERROR)
        PQclear(PQgetResult(batch->pg));
    return status;
}

/* Outside of a transaction the sync commits, which may fail. Anything else than an error ends the reading: of a COPY,
 * which only a server that lies begins here, libpq gives the same result again and again. */
static void finish(struct batch *batch)
{
    ExecStatusType status = PGRES_BAD_RESPONSE;
    if (PQpipelineSync(batch->pg))
        do
            status = read_sync(batch);
        while (status == PGRES_FATAL_ERROR && PQstatus(batch->pg) == CONNECTION_OK);
    if (status != PGRES_PIPELINE_SYNC && !batch->code)
        batch->code = pg_insert_failed(batch->pg, NULL, "commit the events", batch->error);
    PQexitPipelineMode(batch->pg);
}

static int check_all(const struct batch *batch, uint32_t count)
{
    int code = OUTBOX_OK;
    for (uint32_t i = 0; i < count && !code; i++)
        code = pg_event_check(batch->events[i], obx_event_what_of(batch->table, i).text, batch->error);
    return code;
}

int outbox_pg_add_many(PGconn *pg, const char *table, const struct outbox_event *const *events, uint32_t count,
                       struct outbox_error *error)
{
    struct batch batch = {.pg = pg, .table = table ? table : "outbox", .events = events, .error = error};
    struct obx_event_what what = obx_event_what(batch.table);
    if (!pg || (!events && count))
        return pg_fail(error, OUTBOX_E_INVALID, "%s: %s is NULL", what.text, pg ? "events" : "pg");
    if (!count)
        return OUTBOX_OK;
    int code = check_all(&batch, count);
    if (!code)
        code = pg_payload_type(pg, batch.table, what.text, &batch.payload_type, error);
    if (code)
        return code;
    if (!PQenterPipelineMode(pg))
        return pg_fail(error, OUTBOX_E_INVALID, "%s: a statement is in progress on this connection", what.text);
    for (uint32_t first = 0; first < count && !batch.code; first += FLIGHT)
        send_and_receive(&batch, first, count - first < FLIGHT ? count - first : FLIGHT);
    finish(&batch);
    return batch.code;
}
