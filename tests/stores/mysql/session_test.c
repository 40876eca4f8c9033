/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/session_test.c - what the server sets for each session changes no event and breaks no statement */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static const char text[] = "\xe6\x97\xa5\xe6\x9c\xac\xf0\x9f\x98\x80"; /* two characters of the BMP, one above it */

/* The server runs init_connect for users without SUPER. */
static void open_as_limited(struct sql_fixture *fixture, const char *table, const char *user, const char *init_connect)
{
    char sql[200];
    fixture_open(fixture, table, true, "");
    server_make_user(fixture->sql, user, "");
    server_grant(fixture->sql, "SELECT, INSERT, DELETE", table, user);
    snprintf(sql, sizeof sql, "%s_relay", table);
    server_grant(fixture->sql, "SELECT, UPDATE", sql, user);
    snprintf(sql, sizeof sql, "%s_dead", table);
    server_grant(fixture->sql, "SELECT, INSERT, DELETE", sql, user);
    fixture_reconfigure(fixture, &(struct server_place){.user = user}, "");
    snprintf(sql, sizeof sql, "SET GLOBAL init_connect = \"%s\"", init_connect);
    session_run(fixture->sql, sql);
}

static void close_limited(struct sql_fixture *fixture)
{
    session_run(fixture->sql, "SET GLOBAL init_connect = ''");
    fixture_close(fixture);
}

static void expect_text(const struct outbox_value *value)
{
    cr_assert_eq(value->size, strlen(text), "%u bytes", value->size);
    cr_assert_eq(memcmp(value->as.data, text, value->size), 0, "%.*s", (int)value->size, (const char *)value->as.data);
}

static void expect_unchanged(const char *table, const char *init_connect)
{
    struct sql_fixture fixture;
    open_as_limited(&fixture, table, table, init_connect);
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('order', "
                          "_utf8mb4 x'e697a5e69cacf09f9880', 'placed', _utf8mb4 x'e697a5e69cacf09f9880')");
    fixture_begin(&fixture);
    struct outbox_batch *batch = fixture_claim_batch(&fixture, 10, 1 << 20);
    cr_assert_not_null(batch);
    expect_text(&batch->values[1]);
    expect_text(&batch->values[2]);
    fixture_settle_all(&fixture, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 10, 1 << 20)); /* the session is still there */
    close_limited(&fixture);
}

Test(session, character_set_utf8mb3_of_init_connect_changes_no_event)
{
    expect_unchanged("sess_utf8mb3", "SET NAMES utf8mb3");
}

Test(session, character_set_latin1_of_init_connect_changes_no_event)
{
    expect_unchanged("sess_latin1", "SET NAMES latin1");
}

Test(session, character_set_of_dead_letters_is_unchanged)
{
    struct sql_fixture fixture;
    open_as_limited(&fixture, "sess_dead", "sess_dead", "SET NAMES latin1");
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('order', "
                          "_utf8mb4 x'e697a5e69cacf09f9880', 'placed', 'x')");
    fixture_begin(&fixture);
    const struct outbox_dead_row row = {.position = {1, 0}, .attempts = 1, .key = {text, 10}, .reason = text};
    cr_assert_eq(fixture_claim(&fixture, 0, 10), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_dead_letter(&fixture, &row), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_dead WHERE HEX(CONVERT(aggregateid USING utf8mb4)) = "
                                       "'E697A5E69CACF09F9880' AND HEX(CONVERT(reason USING utf8mb4)) = "
                                       "'E697A5E69CACF09F9880'"),
                 1);
    close_limited(&fixture);
}

/* COMMIT RELEASE would end the owner's session; a read-only transaction could delete nothing. */
Test(session, transactions_of_the_relay_are_its_own)
{
    expect_unchanged("sess_release", "SET completion_type = 2");
}

Test(session, read_only_transactions_by_default_are_not_for_the_relay)
{
    expect_unchanged("sess_read_only", "SET SESSION TRANSACTION READ ONLY");
}
