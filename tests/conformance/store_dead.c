/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_dead.c - moving rows to the dead letters */
#include <string.h>

#include "checks.h"

#define LETTERS_MAX 16

struct letters {
    uint32_t count;
    uint64_t numbers[LETTERS_MAX];
    int64_t attempts[LETTERS_MAX];
    char ids[LETTERS_MAX][40], topics[LETTERS_MAX][40], keys[LETTERS_MAX][40], reasons[LETTERS_MAX][80],
        payloads[LETTERS_MAX][80];
};

static void copy(char *to, size_t room, struct outbox_bytes from)
{
    size_t size = from.size < room - 1 ? from.size : room - 1;
    if (size)
        memcpy(to, from.data, size);
    to[size] = '\0';
}

static void take_letter(void *arg, const struct outbox_dead_letter *letter)
{
    struct letters *letters = arg;
    uint32_t at = letters->count++;
    if (at >= LETTERS_MAX)
        return;
    letters->numbers[at] = letter->number;
    letters->attempts[at] = letter->attempts;
    copy(letters->ids[at], sizeof letters->ids[at], letter->event.event_id);
    copy(letters->topics[at], sizeof letters->topics[at], letter->topic);
    copy(letters->keys[at], sizeof letters->keys[at], letter->key);
    copy(letters->reasons[at], sizeof letters->reasons[at], letter->reason);
    copy(letters->payloads[at], sizeof letters->payloads[at], letter->event.payload);
}

static uint64_t dead(struct conf_fixture *fixture, enum outbox_dead_action action, const uint64_t *numbers,
                     uint32_t count, uint32_t limit, struct letters *letters)
{
    struct outbox_dead request = {.struct_size = sizeof request,
                                  .action = (uint32_t)action,
                                  .numbers = numbers,
                                  .count = count,
                                  .limit = limit,
                                  .row = take_letter,
                                  .arg = letters};
    struct loop_fixture_call call = {0};
    *letters = (struct letters){0};
    loop_fixture_reset(&call);
    obx_store_dead(fixture->other, &call.call, 0, &request);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "dead letters, action %d: %s",
                 (int)action, call.error.text);
    return request.affected;
}

static struct outbox_dead_row dead_row(const struct outbox_batch *batch, uint32_t row, const char *key)
{
    return (struct outbox_dead_row){.position = batch->positions[row],
                                    .attempts = 3 + row,
                                    .topic = {"orders", 6},
                                    .key = {key, strlen(key)},
                                    .reason = "payload too large"};
}

static void dead_letter(struct conf_fixture *fixture, const struct outbox_dead_row *rows, uint32_t count)
{
    uint8_t kept[16] = {0};
    struct outbox_refused refused = {.struct_size = sizeof refused};
    struct outbox_dead_letter_rows request = {
        .struct_size = sizeof request, .count = count, .rows = rows, .kept = kept, .refused = &refused};
    conf_require(fixture, count <= sizeof kept, "%u rows at once", count);
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture->store, &call.call, 0, &request);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "dead_letter: %s", call.error.text);
    conf_require(fixture, !refused.rows, "dead_letter keeps %llu rows: %s", (unsigned long long)refused.rows,
                 refused.reason);
    for (uint32_t i = 0; i < count; i++)
        conf_require(fixture, !kept[i], "dead_letter keeps row %u, and reports no refused row", i);
}

/* Six rows, of which number 2, 4 and 5 are dead letters; 4 and 5 have the same key. */
static void begin_with_dead(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    if (!(obx_instance_caps(fixture->store) & OUTBOX_CAP_DEAD_LETTERS))
        conf_skip(fixture, "the store keeps no dead letters");
    conf_add(fixture, 1, 6);
    struct outbox_batch *batch = conf_claim(fixture, 6);
    conf_require(fixture, batch && batch->rows == 6, "a claim of 6 rows did not give them");
    const struct outbox_dead_row rows[] = {dead_row(batch, 1, "a"), dead_row(batch, 3, "b"), dead_row(batch, 4, "b")};
    dead_letter(fixture, rows, 3);
    conf_release(fixture, batch);
}

static const uint32_t alive[] = {1, 3, 6};

void conf_store_dead_letters_rows(struct conf_fixture *fixture)
{
    begin_with_dead(fixture);
    conf_outbox_is(fixture, alive, 3);
    struct outbox_store_status status = {.struct_size = sizeof status};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_status(fixture->other, &call.call, 0, &status);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "status: %s", call.error.text);
    conf_require(fixture, status.pending == 3 && status.dead == 3, "status has %lld pending and %lld dead, not 3 and 3",
                 (long long)status.pending, (long long)status.dead);
}

void conf_store_lists_dead_letters(struct conf_fixture *fixture)
{
    begin_with_dead(fixture);
    struct letters letters;
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 0, &letters);
    conf_require(fixture, letters.count == 3, "the list has %u letters, not 3", letters.count);
    conf_require(fixture, strcmp(letters.ids[0], "00000000-0000-4000-8000-000000000002") == 0, "the first is event %s",
                 letters.ids[0]);
    conf_require(fixture, strcmp(letters.topics[0], "orders") == 0 && strcmp(letters.keys[0], "a") == 0,
                 "topic '%s' and key '%s' are not 'orders' and 'a'", letters.topics[0], letters.keys[0]);
    conf_require(fixture, strcmp(letters.reasons[0], "payload too large") == 0, "the reason is '%s'",
                 letters.reasons[0]);
    conf_require(fixture, letters.attempts[0] == 4, "%lld attempts, not 4", (long long)letters.attempts[0]);
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 2, &letters);
    conf_require(fixture, letters.count == 2, "a list limited to 2 has %u letters", letters.count);
    uint64_t second = letters.numbers[1];
    dead(fixture, OUTBOX_DEAD_SHOW, &second, 1, 0, &letters);
    conf_require(fixture, letters.count == 1 && letters.numbers[0] == second,
                 "show gave another letter than the one named");
    conf_require(fixture, strcmp(letters.payloads[0], "{\"number\": 4}") == 0, "show gave the payload '%s'",
                 letters.payloads[0]);
    dead(fixture, OUTBOX_DEAD_KEYS, NULL, 0, 0, &letters);
    conf_require(fixture, letters.count == 2, "%u distinct keys, not 2", letters.count);
}

void conf_store_replays_dead_letters(struct conf_fixture *fixture)
{
    static const uint32_t after_one[] = {1, 3, 6, 4}, after_all[] = {1, 3, 6, 4, 2, 5};
    begin_with_dead(fixture);
    struct letters letters;
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 0, &letters);
    uint64_t second = letters.numbers[1];
    uint64_t replayed = dead(fixture, OUTBOX_DEAD_REPLAY, &second, 1, 0, &letters);
    conf_require(fixture, replayed == 1, "a replay of one letter affected %llu", (unsigned long long)replayed);
    conf_outbox_is(fixture, after_one, 4);
    replayed = dead(fixture, OUTBOX_DEAD_REPLAY, NULL, 0, 0, &letters);
    conf_require(fixture, replayed == 2, "a replay of the other two affected %llu", (unsigned long long)replayed);
    conf_outbox_is(fixture, after_all, 6);
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 0, &letters);
    conf_require(fixture, letters.count == 0, "%u letters after all were replayed", letters.count);
}

void conf_store_drops_dead_letters(struct conf_fixture *fixture)
{
    begin_with_dead(fixture);
    struct letters letters;
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 0, &letters);
    const uint64_t numbers[] = {letters.numbers[0], letters.numbers[2], 999999999};
    uint64_t dropped = dead(fixture, OUTBOX_DEAD_DROP, numbers, 3, 0, &letters);
    conf_require(fixture, dropped == 2, "dropping two letters and an unknown one affected %llu",
                 (unsigned long long)dropped);
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 0, &letters);
    conf_require(fixture, letters.count == 1, "%u letters left, not 1", letters.count);
    conf_outbox_is(fixture, alive, 3);
}

void conf_store_dead_letters_vanished_rows(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    if (!(obx_instance_caps(fixture->store) & OUTBOX_CAP_DEAD_LETTERS))
        conf_skip(fixture, "the store keeps no dead letters");
    conf_add(fixture, 1, 3);
    struct outbox_batch *batch = conf_claim(fixture, 3);
    conf_require(fixture, batch && batch->rows == 3, "a claim of 3 rows did not give them");
    conf_settle(fixture, batch, 0, 1);
    const struct outbox_dead_row rows[] = {dead_row(batch, 0, "a"), dead_row(batch, 2, "b")};
    dead_letter(fixture, rows, 2);
    conf_release(fixture, batch);
    conf_outbox_is_range(fixture, 2, 1);
    struct letters letters;
    dead(fixture, OUTBOX_DEAD_LIST, NULL, 0, 0, &letters);
    conf_require(fixture, letters.count == 1, "%u letters of one row that was there and one that was settled",
                 letters.count);
}
