/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/window_row_test.c - level 2 on a real server: the row of a partition, and who may write it */
#include "window_row.h"

static struct outbox_window_place place_of(int32_t partition)
{
    return (struct outbox_window_place){.struct_size = sizeof(struct outbox_window_place),
                                        .consumer = "billing",
                                        .topic = "outbox.event.order",
                                        .partition = partition,
                                        .partitions = 4,
                                        .log_end = 100};
}

static struct outbox_window *opened(struct session *session, int32_t partition)
{
    const struct outbox_window_place place = place_of(partition);
    struct outbox_window *window = NULL;
    struct outbox_error error = {0};
    cr_assert_eq(client_window_open(session, &place, &window, &error), 0, "%s", error.text);
    return window;
}

static enum outbox_window_verdict judged(struct outbox_window *window, int64_t offset, unsigned number)
{
    char header[40], id[40];
    enum outbox_window_verdict verdict;
    struct outbox_error error = {0};
    snprintf(header, sizeof header, "1.1-a.%x.1", number);
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012x", number);
    int code = outbox_window_judge(window, offset, (struct outbox_bytes){header, strlen(header)},
                                   (struct outbox_bytes){id, 36}, &verdict, &error);
    cr_assert_eq(code, 0, "%s", error.text);
    return verdict;
}

static void expect_save(struct session *session, struct outbox_window *window, int code)
{
    struct outbox_error error = {0};
    cr_assert_eq(client_window_save(session, window, &error), code, "%s", error.text);
}

Test(window, the_row_commits_with_what_was_applied)
{
    struct session *a = fixture_open();
    struct outbox_window *window = opened(a, 3);
    cr_assert_eq(outbox_window_seek(window), 0);
    run(a, "BEGIN");
    cr_assert_eq(judged(window, 0, 1), OUTBOX_WINDOW_NEW);
    cr_assert_eq(judged(window, 1, 2), OUTBOX_WINDOW_NEW);
    expect_save(a, window, OUTBOX_OK);
    run(a, "COMMIT");
    run(a, "BEGIN");
    cr_assert_eq(judged(window, 2, 2), OUTBOX_WINDOW_DUPLICATE);
    expect_save(a, window, OUTBOX_OK);
    expect_save(a, window, OUTBOX_OK);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT next_offset FROM outbox_inbox_position WHERE part = 3 AND window_offset = 0"), 3);
    outbox_window_close(window);
    window = opened(a, 3);
    cr_assert_eq(judged(window, 0, 1), OUTBOX_WINDOW_DUPLICATE);
    cr_assert_eq(judged(window, 1, 2), OUTBOX_WINDOW_DUPLICATE);
    cr_assert_eq(judged(window, 3, 1), OUTBOX_WINDOW_DUPLICATE);
    cr_assert_eq(judged(window, 4, 3), OUTBOX_WINDOW_NEW);
    outbox_window_close(window);
    client_close(a);
}

Test(window, each_partition_and_consumer_has_its_row)
{
    struct session *a = fixture_open();
    struct outbox_window *one = opened(a, 0), *two = opened(a, 1), *other;
    struct outbox_window_place place = place_of(0);
    place.consumer = "shipping";
    cr_assert_eq(client_window_open(a, &place, &other, NULL), 0);
    run(a, "BEGIN");
    judged(one, 0, 1);
    judged(two, 5, 1);
    judged(other, 9, 1);
    expect_save(a, one, OUTBOX_OK);
    expect_save(a, two, OUTBOX_OK);
    expect_save(a, other, OUTBOX_OK);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT SUM(next_offset) FROM outbox_inbox_position"), 17);
    outbox_window_close(one);
    outbox_window_close(two);
    outbox_window_close(other);
    client_close(a);
}

Test(window, after_a_rollback_it_is_opened_again)
{
    struct session *a = fixture_open();
    struct outbox_window *window = opened(a, 0);
    run(a, "BEGIN");
    judged(window, 0, 1);
    expect_save(a, window, OUTBOX_OK);
    run(a, "ROLLBACK");
    run(a, "BEGIN");
    judged(window, 1, 2);
    expect_save(a, window, OUTBOX_E_FENCED);
    run(a, "ROLLBACK");
    outbox_window_close(window);
    window = opened(a, 0);
    cr_assert_eq(judged(window, 0, 1), OUTBOX_WINDOW_NEW);
    outbox_window_close(window);
    client_close(a);
}

/* The former consumer of a partition does not know that another one has it now. */
Test(window, of_two_consumers_one_commits)
{
    struct session *a = fixture_open(), *b = client_open(NULL);
    for (int64_t offset = 0; offset < 2; offset++) { /* the row is new, and then it is not */
        struct outbox_window *former = opened(a, 0), *present = opened(b, 0);
        for (int64_t again = outbox_window_seek(former); again < offset; again++) {
            judged(former, again, 1);
            judged(present, again, 1);
        }
        run(a, "BEGIN");
        run(b, "BEGIN");
        cr_assert_eq(judged(former, offset, 7 + (unsigned)offset), OUTBOX_WINDOW_NEW);
        cr_assert_eq(judged(present, offset, 7 + (unsigned)offset), OUTBOX_WINDOW_NEW);
        expect_save(b, present, OUTBOX_OK);
        run(b, "COMMIT");
        expect_save(a, former, OUTBOX_E_FENCED);
        run(a, "ROLLBACK");
        outbox_window_close(former);
        outbox_window_close(present);
    }
    cr_assert_eq(run(a, "SELECT next_offset FROM outbox_inbox_position"), 2);
    client_close(a);
    client_close(b);
}

Test(window, a_save_needs_a_transaction)
{
    struct session *a = fixture_open();
    struct outbox_window *window = opened(a, 0);
    struct outbox_error error = {0};
    judged(window, 0, 1);
    cr_assert_eq(client_window_save(a, window, &error), OUTBOX_E_INVALID);
    cr_assert_not_null(strstr(error.text, "no transaction is open"), "%s", error.text);
    cr_assert_eq(client_window_save(a, NULL, &error), OUTBOX_E_INVALID);
    outbox_window_close(window);
    client_close(a);
}

Test(window, partitions_that_were_added_are_refused)
{
    struct session *a = fixture_open();
    struct outbox_window *window = opened(a, 0);
    struct outbox_window_place place = place_of(5);
    struct outbox_error error = {0};
    run(a, "BEGIN");
    judged(window, 0, 1);
    expect_save(a, window, OUTBOX_OK);
    run(a, "COMMIT");
    outbox_window_close(window);
    place.partitions = 6;
    cr_assert_eq(client_window_open(a, &place, &window, &error), OUTBOX_E_UNSUPPORTED, "%s", error.text);
    cr_assert_not_null(strstr(error.text, "the topic has 6 partitions, and had 4"), "%s", error.text);
    run(a, "UPDATE outbox_inbox_position SET partitions = 6");
    cr_assert_eq(client_window_open(a, &place, &window, &error), OUTBOX_OK, "%s", error.text);
    outbox_window_close(window);
    client_close(a);
}

Test(window, arguments_are_checked)
{
    struct session *a = fixture_open();
    struct outbox_window_place bad[8];
    struct outbox_window *window = NULL;
    struct outbox_error error = {0};
    for (unsigned i = 0; i < 8; i++)
        bad[i] = place_of(0);
    bad[0].struct_size--;
    bad[1].consumer = "two words";
    bad[2].topic = "";
    bad[3].partition = 4;
    bad[4].partition = -1;
    bad[5].log_start = -1;
    bad[6].consumer = NULL;
    bad[7].log_start = bad[7].log_end + 1;
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(client_window_open(a, &bad[i], &window, &error), OUTBOX_E_INVALID, "%u: %s", i, error.text);
    cr_assert_eq(client_window_open(a, NULL, &window, &error), OUTBOX_E_INVALID);
    outbox_window_close(NULL);
    client_close(a);
}

Test(window, without_the_table_the_error_names_the_command)
{
    struct session *a = fixture_open();
    const struct outbox_window_place place = place_of(0);
    struct outbox_window *window = opened(a, 0), *other = NULL;
    struct outbox_error error = {0};
    run(a, "DROP TABLE outbox_inbox_position");
    cr_assert_eq(client_window_open(a, &place, &other, &error), OUTBOX_E_NOT_FOUND, "%s", error.text);
    cr_assert_not_null(strstr(error.text, "no table outbox_inbox_position"), "%s", error.text);
    run(a, "BEGIN");
    judged(window, 0, 1);
    expect_save(a, window, OUTBOX_E_NOT_FOUND);
    run(a, "ROLLBACK");
    outbox_window_close(window);
    client_close(a);
}
