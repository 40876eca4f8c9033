/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/progress_test.c - the lists of a progress record, and its bytes */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../../brokers/kafka/progress.h"

static uint32_t resizes_left = UINT32_MAX;

static void *resize(const struct outbox_host *host, void *memory, size_t size)
{
    (void)host;
    return resizes_left-- ? realloc(memory, size) : NULL;
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    free(memory);
}

static const struct outbox_host host = {.struct_size = sizeof host, .resize = resize, .release = release};
static struct kafka_progress progress = {.host = &host};

static struct outbox_message message_at(uint64_t major, uint64_t minor, const char *id)
{
    return (struct outbox_message){.position = {major, minor}, .id = {id, strlen(id)}};
}

static void add(uint64_t major, const char *id)
{
    struct outbox_message message = message_at(major, 0, id);
    cr_assert_eq(kafka_progress_reserve(&progress), OUTBOX_OK);
    kafka_progress_add(&progress, &message);
}

static void settle(uint64_t first, uint64_t last)
{
    for (uint64_t major = first; major <= last; major++)
        kafka_progress_settled(&progress, &(struct outbox_position){major, 0}, 1);
}

static void fold(void)
{
    kafka_progress_take_settled(&progress);
    cr_assert_eq(kafka_progress_fold(&progress), OUTBOX_OK);
    kafka_progress_end_commit(&progress, true);
}

static void check_ascending(uint32_t count)
{
    cr_assert_eq(progress.known.count, count);
    for (uint32_t i = 1; i < count; i++)
        cr_assert_lt(progress.known.items[i - 1].position.major, progress.known.items[i].position.major);
}

Test(kafka_progress, record_names_what_is_committed_and_not_settled)
{
    add(5, "e"), add(3, "c"), add(9, "i");
    fold();
    check_ascending(3);
    add(4, "d"), add(12, "l"), add(1, "a");
    settle(3, 5);
    fold();
    check_ascending(4);
    kafka_progress_recover(&progress);
    const char *ids[] = {"a", "d", "i", "l"};
    const uint64_t majors[] = {1, 4, 9, 12};
    for (int i = 0; i < 4; i++) {
        struct outbox_message message = message_at(majors[i], 0, ids[i]);
        cr_assert(kafka_progress_has(&progress, &message));
    }
    kafka_progress_free(&progress);
}

Test(kafka_progress, position_with_another_id_is_another_event)
{
    add(7, "old");
    fold();
    kafka_progress_recover(&progress);
    struct outbox_message old = message_at(7, 0, "old"), new = message_at(7, 0, "new"), none = message_at(7, 1, "old");
    cr_assert(kafka_progress_has(&progress, &old));
    cr_assert(!kafka_progress_has(&progress, &new));
    cr_assert(!kafka_progress_has(&progress, &none));
    add(7, "new");
    fold();
    check_ascending(1);
    kafka_progress_recover(&progress);
    cr_assert(kafka_progress_has(&progress, &new));
    cr_assert(!kafka_progress_has(&progress, &old));
    kafka_progress_free(&progress);
}

Test(kafka_progress, what_was_settled_outlives_a_commit_that_failed_and_its_producer)
{
    for (uint64_t i = 1; i <= 4; i++)
        add(i, "id");
    fold();
    settle(1, 2);
    kafka_progress_take_settled(&progress);
    cr_assert_eq(kafka_progress_fold(&progress), OUTBOX_OK);
    settle(3, 3);
    kafka_progress_end_commit(&progress, false);
    kafka_progress_close(&progress);
    for (uint64_t i = 1; i <= 4; i++)
        add(i, "id"); /* as the next start reads the record */
    cr_assert_eq(kafka_progress_fold(&progress), OUTBOX_OK);
    check_ascending(4);
    fold();
    check_ascending(1);
    settle(4, 4);
    kafka_progress_forget(&progress);
    fold();
    check_ascending(1);
    kafka_progress_free(&progress);
}

static void present(uint64_t major, uint64_t minor)
{
    kafka_progress_present(&progress, &(struct outbox_position){major, minor}, 1);
}

Test(kafka_progress, event_that_is_not_in_the_outbox_any_more_is_forgotten)
{
    for (uint64_t i = 1; i <= 5; i++)
        add(i * 10, "id");
    fold();
    kafka_progress_recover(&progress);
    kafka_progress_rewind(&progress);
    present(10, 0), present(20, 1), present(25, 0), present(50, 0), present(60, 0);
    add(70, "id"); /* published since */
    fold();
    check_ascending(6);
    kafka_progress_complete(&progress);
    fold();
    check_ascending(3);
    struct outbox_message message = message_at(10, 0, "id");
    kafka_progress_recover(&progress);
    cr_assert(kafka_progress_has(&progress, &message));
    kafka_progress_complete(&progress); /* of no rewind */
    fold();
    check_ascending(3);
    kafka_progress_free(&progress);
}

Test(kafka_progress, parts_have_keys_of_their_own)
{
    char key[KAFKA_PROGRESS_KEY];
    cr_assert_eq(kafka_progress_key("orders", 0, key), 6);
    cr_assert(kafka_progress_is_key("orders", key, 6));
    cr_assert_eq(kafka_progress_key("orders", 12, key), 9);
    cr_assert_eq(memcmp(key, "orders\00012", 9), 0);
    cr_assert(kafka_progress_is_key("orders", key, 9));
    cr_assert(!kafka_progress_is_key("order", key, 9));
    cr_assert(!kafka_progress_is_key("orders1", key, 9));
    cr_assert(!kafka_progress_is_key("orders", key, 5));
}

static void encode_all(struct kafka_progress *from, struct kafka_progress *to)
{
    void *bytes = malloc(KAFKA_PROGRESS_BYTES);
    struct kafka_progress_part part = {
        .epoch = 3, .sequence = UINT64_MAX, .parts = kafka_progress_parts(from), .outbox = "a server, a table"};
    for (; part.part < part.parts; part.part++) {
        struct kafka_progress_part read;
        size_t size = kafka_progress_encode(from, &part, bytes);
        cr_assert_leq(size, KAFKA_PROGRESS_BYTES);
        cr_assert_eq(kafka_progress_decode(to, bytes, size, &read), OUTBOX_OK);
        cr_assert_eq(memcmp(&read, &part, sizeof part), 0);
    }
    free(bytes);
}

Test(kafka_progress, record_reads_back)
{
    struct kafka_progress copy = {.host = &host};
    for (uint32_t i = 0; i < 40000; i++) {
        struct outbox_message message = message_at(i < 20000 ? UINT64_MAX / 2 : UINT64_MAX - 100000 + i, i, "id");
        kafka_progress_reserve(&progress);
        kafka_progress_add(&progress, &message);
    }
    fold();
    cr_assert_eq(kafka_progress_parts(&progress), 3);
    encode_all(&progress, &copy);
    cr_assert_eq(copy.known.count, 40000);
    cr_assert_eq(memcmp(copy.known.items, progress.known.items, 40000 * sizeof *copy.known.items), 0);
    encode_all(&progress, &copy); /* part 0 begins anew */
    cr_assert_eq(copy.known.count, 40000);
    kafka_progress_clear(&progress);
    encode_all(&progress, &copy);
    cr_assert_eq(copy.known.count, 0);
    kafka_progress_free(&copy);
    kafka_progress_free(&progress);
}

Test(kafka_progress, bytes_that_are_no_record_are_refused)
{
    struct kafka_progress copy = {.host = &host};
    struct kafka_progress_part part = {.parts = 1, .outbox = "x"}, read;
    unsigned char *bytes = malloc(KAFKA_PROGRESS_BYTES);
    add(1, "a"), add(300, "b");
    fold();
    size_t size = kafka_progress_encode(&progress, &part, bytes);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(kafka_progress_decode(&copy, bytes, cut, &read), OUTBOX_E_CORRUPT, "%zu bytes", cut);
    cr_assert_eq(kafka_progress_decode(&copy, bytes, size + 1, &read), OUTBOX_E_CORRUPT);
    for (size_t i = 0; i < 5; i++) {
        bytes[i]++;
        cr_assert_eq(kafka_progress_decode(&copy, bytes, size, &read), OUTBOX_E_CORRUPT);
        bytes[i]--;
    }
    cr_assert_eq(kafka_progress_decode(&copy, bytes, size, &read), OUTBOX_OK);
    free(bytes);
    kafka_progress_free(&copy);
    kafka_progress_free(&progress);
}

Test(kafka_progress, record_is_bounded)
{
    for (uint32_t i = 1; i <= KAFKA_PROGRESS_MAX + 10; i++)
        add(i, "id");
    fold();
    cr_assert_eq(progress.known.count, KAFKA_PROGRESS_MAX);
    cr_assert_eq(progress.forgotten, 10);
    cr_assert_eq(progress.known.items[0].position.major, 11);
    kafka_progress_free(&progress);
}

Test(kafka_progress, missing_memory_is_reported_and_loses_nothing)
{
    add(1, "a");
    fold();
    resizes_left = 0;
    settle(1, 1);
    cr_assert_eq(kafka_progress_fold(&progress), OUTBOX_OK);
    cr_assert_eq(progress.known.count, 1);
    resizes_left = UINT32_MAX;
    kafka_progress_recover(&progress);
    resizes_left = 0;
    kafka_progress_rewind(&progress);
    kafka_progress_complete(&progress);
    fold();
    check_ascending(1);
    kafka_progress_close(&progress);
    resizes_left = UINT32_MAX;
    add(1, "a");
    fold();
    resizes_left = 0;
    cr_assert_eq(kafka_progress_recover(&progress), OUTBOX_E_NO_MEMORY);
    resizes_left = UINT32_MAX;
    for (uint32_t i = 2; i < 1025; i++)
        add(i, "id");
    resizes_left = 0;
    cr_assert_eq(kafka_progress_reserve(&progress), OUTBOX_OK);
    add(1025, "id");
    resizes_left = 0;
    cr_assert_eq(kafka_progress_reserve(&progress), OUTBOX_E_NO_MEMORY);
    resizes_left = 0;
    cr_assert_eq(kafka_progress_fold(&progress), OUTBOX_E_NO_MEMORY);
    resizes_left = UINT32_MAX;
    kafka_progress_free(&progress);
}
