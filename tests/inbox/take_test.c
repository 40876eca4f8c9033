/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/take_test.c - one consumer: what is new, what is a duplicate, what is refused */
#include "fixture.h"

Test(take, an_event_is_new_once)
{
    struct session *a = fixture_open();
    run(a, client_begin);
    expect_take(a, "billing", "111", 1, 2, 3);
    run(a, "COMMIT");
    run(a, client_begin);
    expect_take(a, "billing", "000", 1, 2, 3);
    expect_take(a, "billing", "0101", 3, 4, 1, 5);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 5);
    client_close(a);
}

Test(take, of_an_id_that_is_repeated_in_a_batch_the_first_is_new)
{
    struct session *a = fixture_open();
    run(a, client_begin);
    expect_take(a, "billing", "1", 9);
    expect_take(a, "billing", "100100", 1, 1, 9, 2, 1, 2);
    run(a, "COMMIT");
    client_close(a);
}

Test(take, a_rollback_forgets)
{
    struct session *a = fixture_open();
    run(a, client_begin);
    expect_take(a, "billing", "11", 1, 2);
    run(a, "ROLLBACK");
    run(a, client_begin);
    expect_take(a, "billing", "11", 1, 2);
    run(a, "SAVEPOINT here");
    expect_take(a, "billing", "01", 2, 3);
    run(a, "ROLLBACK TO SAVEPOINT here");
    expect_take(a, "billing", "01", 2, 3);
    run(a, "COMMIT");
    client_close(a);
}

Test(take, each_consumer_has_its_own_events)
{
    struct session *a = fixture_open();
    run(a, client_begin);
    expect_take(a, "billing", "11", 1, 2);
    expect_take(a, "Billing", "11", 1, 2);
    expect_take(a, "shipping", "110", 1, 3, 1);
    expect_take(a, "billing", "001", 1, 2, 3);
    run(a, "COMMIT");
    client_close(a);
}

Test(take, no_ids_are_no_error)
{
    struct session *a = fixture_open();
    struct outbox_error error = {0};
    run(a, client_begin);
    cr_assert_eq(client_take(a, "billing", NULL, 0, NULL, &error), 0, "%s", error.text);
    run(a, "COMMIT");
    client_close(a);
}

Test(take, the_form_of_an_id_does_not_matter)
{
    struct session *a = fixture_open();
    bool is_new[4];
    struct outbox_error error = {0};
    const struct outbox_bytes ids[] = {{"0a1b2c3d-4e5f-6789-abcd-ef0123456789", 36},
                                       {"0A1B2C3D-4E5F-6789-ABCD-EF0123456789", 36},
                                       {"0a1b2c3d4e5f6789abcdef0123456789", 32},
                                       {"0a1b2c3d4e5f6789abcdef012345678a and what follows in the message", 32}};
    run(a, client_begin);
    cr_assert_eq(client_take(a, "billing", ids, 4, is_new, &error), 0, "%s", error.text);
    cr_assert(is_new[0] && !is_new[1] && !is_new[2] && is_new[3]);
    run(a, "COMMIT");
    client_close(a);
}

Test(take, ten_thousand_events_in_one_batch)
{
    struct session *a = fixture_open();
    struct batch first, second;
    batch_open(&first, 10000);
    batch_open(&second, 10000);
    for (unsigned i = 0; i < 10000; i++) {
        batch_add(&first, i);
        batch_add(&second, i * 2);
    }
    run(a, client_begin);
    cr_assert_eq(batch_take(&first, a, "billing"), 0, "%s", first.error.text);
    cr_assert_eq(batch_new(&first), 10000);
    run(a, "COMMIT");
    run(a, client_begin);
    cr_assert_eq(batch_take(&second, a, "billing"), 0, "%s", second.error.text);
    for (unsigned i = 0; i < 10000; i++)
        cr_assert_eq(second.is_new[i], i * 2 >= 10000, "id %u", i * 2);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 15000);
    batch_close(&first);
    batch_close(&second);
    client_close(a);
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

static void refused(struct session *session, const char *consumer, struct outbox_bytes id, int code, const char *text)
{
    struct outbox_error error = {0};
    bool is_new = true;
    cr_assert_eq(client_take(session, consumer, &id, 1, &is_new, &error), code, "%d: %s", error.code, error.text);
    cr_assert_eq(error.code, code);
    cr_assert_str_eq(error.text, text);
    cr_assert_eq(client_take(session, consumer, &id, 1, &is_new, NULL), code);
}

#define ID ((struct outbox_bytes){"0a1b2c3d-4e5f-6789-abcd-ef0123456789", 36})
#define BAD_NAME "take the events of a consumer: its name has 1 to 64 printable ASCII characters without spaces"

Test(take, wrong_arguments_are_refused_without_a_query)
{
    struct session *a = fixture_open();
    char name[66];
    memset(name, 'n', 65);
    name[65] = '\0';
    run(a, client_begin);
    refused(a, NULL, ID, OUTBOX_E_INVALID, "take the events of consumer NULL: consumer is NULL");
    refused(a, "", ID, OUTBOX_E_INVALID, BAD_NAME);
    refused(a, "bill ing", ID, OUTBOX_E_INVALID, BAD_NAME);
    refused(a, "r\xc3\xa9", ID, OUTBOX_E_INVALID, BAD_NAME);
    refused(a, name, ID, OUTBOX_E_INVALID, BAD_NAME);
    refused(a, "billing", (struct outbox_bytes){NULL, 36}, OUTBOX_E_INVALID,
            "take the events of consumer billing: id 0 is not a UUID: ''; pass the header id of the event");
    refused(a, "billing", (struct outbox_bytes){"0a1b2c3d-4e5f-6789-abcd-ef012345678", 35}, OUTBOX_E_INVALID,
            "take the events of consumer billing: id 0 is not a UUID: '0a1b2c3d-4e5f-6789-abcd-ef012345678'; pass the "
            "header id of the event");
    refused(a, "billing", (struct outbox_bytes){"0a1b2c3d-4e5f-6789-abcd+ef0123456789", 36}, OUTBOX_E_INVALID,
            "take the events of consumer billing: id 0 is not a UUID: '0a1b2c3d-4e5f-6789-abcd+ef0123456789'; pass the "
            "header id of the event");
    refused(a, "billing", (struct outbox_bytes){"0a1b2c3d4e5f6789abcdef01234567zz", 32}, OUTBOX_E_INVALID,
            "take the events of consumer billing: id 0 is not a UUID: '0a1b2c3d4e5f6789abcdef01234567zz'; pass the "
            "header id of the event");
    expect_take(a, "billing", "1", 1); /* the transaction has suffered nothing */
    name[64] = '\0';
    expect_take(a, name, "1", 1);
    expect_take(a, "'\\\"`;--", "10", 1, 1);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 3);
    client_close(a);
}

Test(take, a_batch_with_one_wrong_id_takes_nothing)
{
    struct session *a = fixture_open();
    struct batch batch;
    batch_open(&batch, 3);
    for (unsigned i = 0; i < 3; i++)
        batch_add(&batch, i);
    batch.ids[2].size = 3;
    run(a, client_begin);
    cr_assert_eq(batch_take(&batch, a, "billing"), OUTBOX_E_INVALID);
    cr_assert_not_null(strstr(batch.error.text, ": id 2 is not a UUID: "), "%s", batch.error.text);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 0);
    batch_close(&batch);
    client_close(a);
}

Test(take, missing_pointers_and_too_many_ids_are_refused)
{
    struct session *a = fixture_open();
    struct outbox_error error = {0};
    bool is_new;
    const struct outbox_bytes id = ID;
    cr_assert_eq(client_take_unconnected("billing", &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text, "take the events of consumer billing: the connection is NULL");
    cr_assert_eq(client_take(a, "billing", NULL, 1, &is_new, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text, "take the events of consumer billing: ids is NULL");
    cr_assert_eq(client_take(a, "billing", &id, 1, NULL, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text, "take the events of consumer billing: is_new is NULL");
    cr_assert_eq(client_take(a, "billing", &id, 1000001, &is_new, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text,
                     "take the events of consumer billing: 1000001 ids in one call, at most 1000000; split the batch");
    client_close(a);
}

Test(take, take_without_a_transaction_is_refused)
{
    struct session *a = fixture_open();
    refused(a, "billing", ID, OUTBOX_E_INVALID,
            "take the events of consumer billing: no transaction is open; begin the one that applies the events first, "
            "or they are lost after a crash");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 0);
    client_close(a);
}

/* ---- init -------------------------------------------------------------------------------------------------------- */

Test(init, repeated_init_keeps_existing_ids)
{
    struct session *a = fixture_open();
    char out[200];
    run(a, client_begin);
    expect_take(a, "billing", "1", 1);
    run(a, "COMMIT");
    fixture_init("", out, sizeof out);
    cr_assert_str_eq(out, "billing: the inbox is ready\n");
    run(a, client_begin);
    expect_take(a, "billing", "0", 1);
    run(a, "COMMIT");
    client_close(a);
}
