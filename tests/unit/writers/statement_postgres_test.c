/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/writers/statement_postgres_test.c - statements for callers with their own driver: text, parameters, misuse
 */
#include <criterion/criterion.h>
#include <string.h>

#include <outbox/postgres.h>

enum { BYTEA = 17, TEXT = 25, JSONB = 3802 };

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event placed(void)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("7"),
                                 .type = text("placed"),
                                 .payload = text("{}")};
}

static struct outbox_pg_statement *make(const struct outbox_event *event, Oid payload_type, bool returning_id)
{
    struct outbox_pg_statement *statement;
    struct outbox_error error = {0};
    cr_assert_eq(outbox_pg_statement("shop.o\"x", event, payload_type, returning_id, &statement, &error), OUTBOX_OK,
                 "%s", error.text);
    cr_assert_eq(statement->struct_size, sizeof *statement);
    return statement;
}

Test(statement, insert_has_the_columns_that_the_event_has)
{
    struct outbox_event event = placed();
    struct outbox_pg_statement *statement = make(&event, TEXT, false);
    cr_expect_str_eq(statement->sql, "INSERT INTO \"shop\".\"o\"\"x\" (aggregatetype, aggregateid, type, payload) "
                                     "VALUES ($1, $2, $3, $4)");
    cr_expect_eq(statement->count, 4);
    cr_expect_str_eq(statement->values[0], "order");
    cr_expect_eq(statement->formats[0], 0);
    cr_expect_eq(statement->values[3], event.payload.data, "it is borrowed");
    cr_expect_eq(statement->lengths[3], 2);
    cr_expect_eq(statement->formats[3], 1);
    outbox_pg_statement_free(statement);
    event.headers = text("{\"a\": 1}");
    event.payload = (struct outbox_bytes){0};
    statement = make(&event, TEXT, true);
    cr_expect_str_eq(statement->sql,
                     "INSERT INTO \"shop\".\"o\"\"x\" (aggregatetype, aggregateid, type, payload, headers) VALUES ($1, "
                     "$2, $3, $4, $5) RETURNING id");
    cr_expect_null(statement->values[3]);
    cr_expect_str_eq(statement->values[4], "{\"a\": 1}");
    outbox_pg_statement_free(statement);
}

/* Only where the binary form of a type is the bytes themselves. */
Test(statement, payload_goes_in_the_form_of_its_type)
{
    struct outbox_event event = placed();
    struct outbox_pg_statement *statement = make(&event, JSONB, false);
    cr_expect_eq(statement->formats[3], 0);
    cr_expect_str_eq(statement->values[3], "{}");
    outbox_pg_statement_free(statement);
    event.payload = (struct outbox_bytes){"a\0b", 3};
    statement = make(&event, BYTEA, false);
    cr_expect_eq(statement->formats[3], 1);
    cr_expect_eq(statement->lengths[3], 3);
    outbox_pg_statement_free(statement);
}

Test(statement, emit_names_its_parameters)
{
    struct outbox_event event = placed();
    struct outbox_pg_statement *statement;
    struct outbox_error error;
    cr_assert_eq(outbox_pg_emit_statement(NULL, &event, &statement, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_str_eq(
        statement->sql,
        "SELECT \"outbox_emit\"(aggregatetype => $1::pg_catalog.text, aggregateid => $2::pg_catalog.text, type "
        "=> $3::pg_catalog.text, payload => $4::pg_catalog.bytea)");
    cr_expect_eq(statement->count, 4);
    outbox_pg_statement_free(statement);
    cr_expect_eq(outbox_pg_emit_statement(NULL, NULL, &statement, NULL), OUTBOX_E_INVALID);
}

static void refused(const struct outbox_event *event, Oid payload_type, const char *why)
{
    struct outbox_pg_statement *statement = (struct outbox_pg_statement *)(void *)&statement;
    struct outbox_error error;
    cr_expect_eq(outbox_pg_statement(NULL, event, payload_type, false, &statement, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, why);
    cr_expect_null(statement);
    cr_expect_eq(outbox_pg_statement(NULL, event, payload_type, false, &statement, NULL), OUTBOX_E_INVALID);
}

Test(statement, misuse_is_refused)
{
    struct outbox_event event = placed();
    struct outbox_error error;
    refused(NULL, TEXT, "add an event to outbox: event is NULL");
    cr_expect_eq(outbox_pg_statement(NULL, &event, TEXT, false, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "add an event to outbox: statement is NULL");
    event.payload = (struct outbox_bytes){"a\0b", 3};
    refused(&event, JSONB, "add an event to outbox: there is a NUL in payload, which only bytea can hold");
    event.aggregate_id = (struct outbox_bytes){"\0", 1};
    refused(&event, BYTEA, "add an event to outbox: there is a NUL in aggregateid, which only bytea can hold");
    event.struct_size = 4;
    refused(&event, BYTEA,
            "add an event to outbox: struct_size of the event is 4; set it to sizeof(struct outbox_event)");
    outbox_pg_statement_free(NULL);
}

Test(statement, result_is_a_proof_or_an_error)
{
    struct outbox_error error;
    cr_expect_eq(outbox_pg_inserted(NULL, NULL, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "add an event to outbox: result is NULL");
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK); /* without "INSERT 0 1" */
    cr_expect_eq(outbox_pg_inserted(result, "t", NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text,
                     "add an event to t: no row was inserted: a trigger or a rule of the table discarded it");
    PQclear(result);
    result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    cr_expect_eq(outbox_pg_inserted(result, "t", NULL, NULL), OUTBOX_E_NOT_CONNECTED);
    PQclear(result);
}
