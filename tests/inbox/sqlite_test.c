/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/sqlite_test.c - what only SQLite has: one form of ids, one writer at a time */
#include "fixture.h"

#define ID ((struct outbox_bytes){"0a1b2c3d-4e5f-6789-abcd-ef0123456789", 36})

Test(sqlite, the_table_takes_ids_in_one_form_only)
{
    struct session *a = fixture_open();
    cr_assert_eq(client_run(a, "INSERT INTO outbox_inbox (event_id, consumer) VALUES "
                               "('0a1b2c3d-4e5f-6789-abcd-ef0123456789', 'billing')"),
                 INT64_MIN);
    cr_assert_eq(client_run(a, "INSERT INTO outbox_inbox (event_id, consumer) VALUES (x'0a1b', 'billing')"), INT64_MIN);
    cr_assert_eq(client_run(a, "INSERT INTO outbox_inbox (event_id, consumer) VALUES (randomblob(16), '')"), INT64_MIN);
    cr_assert_eq(run(a, "INSERT INTO outbox_inbox (event_id, consumer) VALUES (randomblob(16), 'billing')"), 1);
    client_close(a);
}

Test(sqlite, a_database_that_is_busy_is_an_error_to_try_again)
{
    struct session *a = fixture_open(), *b = client_open(NULL);
    struct outbox_error error = {0};
    const struct outbox_bytes id = ID;
    bool is_new;
    run(b, "PRAGMA busy_timeout = 0");
    run(a, "BEGIN IMMEDIATE");
    run(b, "BEGIN");
    cr_assert_eq(client_take(b, "billing", &id, 1, &is_new, &error), OUTBOX_E_AGAIN, "%s", error.text);
    run(b, "ROLLBACK");
    run(a, "COMMIT");
    client_close(a);
    client_close(b);
}

Test(sqlite, without_the_table_the_error_names_the_command)
{
    struct session *a = fixture_open();
    struct outbox_error error = {0};
    const struct outbox_bytes id = ID;
    bool is_new;
    run(a, "DROP TABLE outbox_inbox");
    run(a, "BEGIN");
    cr_assert_eq(client_take(a, "billing", &id, 1, &is_new, &error), OUTBOX_E_NOT_FOUND);
    cr_assert_str_eq(error.text,
                     "take the events of consumer billing: there is no table outbox_inbox; run 'outbox init --inbox'");
    run(a, "ROLLBACK");
    client_close(a);
}
