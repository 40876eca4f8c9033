/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/mysql_test.c - what only MySQL and MariaDB have: counts by client flags, autocommit off, privileges */
#include "fixture.h"

#define ID ((struct outbox_bytes){"0a1b2c3d-4e5f-6789-abcd-ef0123456789", 36})

Test(mysql, clients_that_count_found_rows_get_the_same_answers)
{
    struct session *a = fixture_open(), *found = client_open("+found");
    run(a, "BEGIN");
    expect_take(a, "billing", "11", 1, 2);
    run(a, "COMMIT");
    run(found, "BEGIN");
    expect_take(found, "billing", "00", 1, 2);
    expect_take(found, "billing", "11", 3, 4);
    expect_take(found, "billing", "0101", 1, 5, 5, 6);
    run(found, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 6);
    client_close(a);
    client_close(found);
}

Test(mysql, with_autocommit_off_a_transaction_is_always_open)
{
    struct session *a = fixture_open();
    run(a, "SET autocommit = 0");
    expect_take(a, "billing", "1", 1);
    run(a, "ROLLBACK");
    expect_take(a, "billing", "1", 1);
    run(a, "COMMIT");
    expect_take(a, "billing", "0", 1);
    run(a, "COMMIT");
    client_close(a);
}

Test(mysql, without_the_table_the_error_names_the_command)
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
    client_close(a);
}

Test(mysql, an_error_of_the_table_is_not_a_duplicate)
{
    struct session *a = fixture_open();
    struct outbox_error error = {0};
    const struct outbox_bytes id = ID;
    bool is_new;
    run(a, "CREATE TRIGGER refuse BEFORE INSERT ON outbox_inbox FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT "
           "= 'not today'");
    run(a, "BEGIN");
    cr_assert_eq(client_take(a, "billing", &id, 1, &is_new, &error), OUTBOX_E_IO, "%s", error.text);
    cr_assert_not_null(strstr(error.text, "not today"));
    run(a, "ROLLBACK");
    client_close(a);
}

Test(mysql, the_printed_grants_are_enough)
{
    struct session *a = fixture_open();
    char grants[2000], *rest = grants;
    client_run(a, "DROP USER IF EXISTS consumer@'%'");
    run(a, "CREATE USER consumer@'%' IDENTIFIED BY 'outbox'");
    fixture_init("--print-grants", grants, sizeof grants);
    for (char *line; (line = strsep(&rest, "\n"));)
        if (!strncmp(line, "GRANT", 5))
            run(a, line);
    struct session *consumer = client_open("consumer");
    run(consumer, "BEGIN");
    expect_take(consumer, "billing", "110", 1, 2, 1);
    expect_take(consumer, "billing", "01", 1, 3);
    run(consumer, "INSERT INTO outbox_inbox_position (consumer, topic, part, partitions, next_offset, window_offset) "
                  "VALUES ('billing', 'orders', 0, 1, 1, 0)");
    run(consumer, "UPDATE outbox_inbox_position SET next_offset = 2 WHERE consumer = 'billing' AND next_offset = 1");
    run(consumer, "COMMIT");
    cr_assert_eq(client_prune(consumer), 0);
    client_close(consumer);
    client_close(a);
}

/* Ids in the order of the primary key, of one day: a prune reads what it removes and no more. */
Test(mysql, a_prune_reads_only_the_rows_that_it_removes)
{
    struct session *a = fixture_open();
    struct batch batch;
    batch_open(&batch, 5000);
    for (unsigned i = 0; i < 5000; i++)
        batch_add(&batch, i);
    run(a, "BEGIN");
    cr_assert_eq(batch_take(&batch, a, "today"), 0);
    batch.count = 100;
    cr_assert_eq(batch_take(&batch, a, "old"), 0);
    run(a, "COMMIT");
    client_age(a, "old", 9);
    run(a, "ANALYZE TABLE outbox_inbox");
    run(a, "FLUSH STATUS");
    cr_assert_eq(client_prune(a), 100);
    int64_t scanned = run(a, "SELECT SUM(variable_value) FROM performance_schema.session_status WHERE variable_name IN "
                             "('Handler_read_rnd_next', 'Handler_read_next')");
    cr_assert_lt(scanned, 1000);
    batch_close(&batch);
    client_close(a);
}
