/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_fixture.c - a store with rows whose every value follows from their number */
#include <inttypes.h>
#include <outbox/plugin_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static const struct outbox_column columns[COL_COUNT] = {{"event_id", 0},
                                                        {"aggregatetype", 0},
                                                        {"aggregateid", 0},
                                                        {"type", 0},
                                                        {"payload", 0},
                                                        {"headers", OUTBOX_COLUMN_OPTIONAL},
                                                        {"created_at", OUTBOX_COLUMN_OPTIONAL}};

void conf_store_start(struct conf_fixture *fixture, struct obx_instance *store)
{
    conf_must(fixture, loop_fixture_store_start(&fixture->base, store, columns, COL_COUNT, error));
}

static int set_up(struct loop_fixture *base, struct obx_instance *store, struct outbox_error *error)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_setup(store, &call.call, 0);
    int result = loop_fixture_wait(base, &call);
    *error = call.error;
    return result;
}

static void need_admin(struct conf_fixture *fixture, struct obx_instance *store)
{
    if (!(obx_instance_caps(store) & OUTBOX_CAP_ADMIN))
        conf_skip(fixture, "the store has no admin functions to add rows with");
}

/* Tables are made by an instance that lives just for that, as `outbox init` does it. */
static void make_tables(struct conf_fixture *fixture)
{
    struct obx_instance *admin;
    conf_must(fixture, loop_fixture_instance(&fixture->base, OUTBOX_STORE, "store", &admin, error));
    need_admin(fixture, admin);
    conf_must(fixture, loop_fixture_store_start(&fixture->base, admin, NULL, 0, error));
    conf_must(fixture, set_up(&fixture->base, admin, error));
    conf_must(fixture, loop_fixture_stop(&fixture->base, admin, error));
    obx_instance_free(admin);
}

void conf_store_open(struct conf_fixture *fixture)
{
    if (!fixture->subject->alone)
        make_tables(fixture);
    conf_must(fixture, loop_fixture_instance(&fixture->base, OUTBOX_STORE, "store", &fixture->store, error));
    need_admin(fixture, fixture->store);
    conf_store_start(fixture, fixture->store);
    fixture->other = fixture->store;
    if (fixture->subject->alone)
        return;
    conf_must(fixture, loop_fixture_instance(&fixture->base, OUTBOX_STORE, "store", &fixture->other, error));
    conf_store_start(fixture, fixture->other);
}

/* As a standby: a server ends the session of a former owner when it has noticed its end. */
void conf_store_acquire(struct conf_fixture *fixture, struct obx_instance *store)
{
    struct obx_loop *loop = fixture->base.loop;
    struct outbox_acquire acquire;
    struct outbox_error refusal = {0};
    uint64_t end = obx_loop_now(loop) + LOOP_FIXTURE_TIMEOUT_MS * OBX_MS;
    int result;
    do
        result = loop_fixture_acquire(&fixture->base, store, &acquire, &refusal);
    while (result == OUTBOX_E_STANDBY && obx_loop_now(loop) < end);
    conf_require(fixture, result == OUTBOX_OK, "acquire: %s", refusal.text);
}

void conf_store_begin(struct conf_fixture *fixture)
{
    conf_store_open(fixture);
    conf_store_acquire(fixture, fixture->store);
}

/* ---- rows by number ---------------------------------------------------------------------------------------------- */

struct texts {
    char id[40], key[24], payload[48];
};

static void make_texts(struct texts *texts, uint32_t number)
{
    snprintf(texts->id, sizeof texts->id, "00000000-0000-4000-8000-%012" PRIu32, number);
    snprintf(texts->key, sizeof texts->key, "key-%" PRIu32, number % 7);
    snprintf(texts->payload, sizeof texts->payload, "{\"number\": %" PRIu32 "}", number);
}

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static void make_event(struct outbox_event *event, struct texts *texts, uint32_t number)
{
    make_texts(texts, number);
    *event = (struct outbox_event){.struct_size = sizeof *event,
                                   .event_id = text(texts->id),
                                   .aggregate_type = text("order"),
                                   .aggregate_id = text(texts->key),
                                   .type = text("placed"),
                                   .payload = text(texts->payload)};
}

void conf_add(struct conf_fixture *fixture, uint32_t first, uint32_t count)
{
    struct outbox_event *events = calloc(count, sizeof *events);
    struct texts *texts = calloc(count, sizeof *texts);
    const struct outbox_event **list = calloc(count, sizeof *list);
    conf_require(fixture, events && texts && list, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        make_event(&events[i], &texts[i], first + i);
        list[i] = &events[i];
    }
    conf_must(fixture, loop_fixture_add(&fixture->base, fixture->other, list, count, error));
    free(events);
    free(texts);
    free(list);
}

void conf_add_payload(struct conf_fixture *fixture, uint32_t number, struct outbox_bytes payload)
{
    struct texts texts;
    struct outbox_event event;
    make_event(&event, &texts, number);
    event.payload = payload;
    const struct outbox_event *list[] = {&event};
    conf_must(fixture, loop_fixture_add(&fixture->base, fixture->other, list, 1, error));
}

const struct outbox_value *conf_value(const struct outbox_batch *batch, uint32_t row, enum conf_column column)
{
    return &batch->values[(size_t)row * batch->columns + column];
}

static bool uuid_is(const struct outbox_value *value, const char *expected)
{
    const uint8_t *b = value->as.data;
    char spelled[40];
    snprintf(spelled, sizeof spelled, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return strcmp(spelled, expected) == 0;
}

bool conf_value_is(const struct outbox_value *value, const void *data, size_t size)
{
    if (value->type == OUTBOX_UUID)
        return uuid_is(value, data);
    return (value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES) && value->size == size &&
           (size == 0 || memcmp(value->as.data, data, size) == 0);
}

void conf_row_is(struct conf_fixture *fixture, const struct outbox_batch *batch, uint32_t row, uint32_t number)
{
    struct texts texts;
    make_texts(&texts, number);
    const struct {
        enum conf_column column;
        const char *name, *expected;
    } fields[] = {{COL_EVENT_ID, "event_id", texts.id},
                  {COL_AGGREGATE_TYPE, "aggregatetype", "order"},
                  {COL_AGGREGATE_ID, "aggregateid", texts.key},
                  {COL_TYPE, "type", "placed"},
                  {COL_PAYLOAD, "payload", texts.payload}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct outbox_value *value = conf_value(batch, row, fields[i].column);
        bool text_like = value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES;
        conf_require(fixture, conf_value_is(value, fields[i].expected, strlen(fields[i].expected)),
                     "row %u: %s is '%.*s' (type %u), expected '%s'", row, fields[i].name,
                     text_like ? (int)value->size : 0, text_like ? (const char *)value->as.data : "", value->type,
                     fields[i].expected);
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool ascends(const struct outbox_batch *batch, uint32_t row)
{
    const struct outbox_position *a = &batch->positions[row - 1], *b = &batch->positions[row];
    return a->major < b->major || (a->major == b->major && a->minor < b->minor);
}

static void check_shape(struct conf_fixture *fixture, const struct outbox_batch *batch, uint32_t rows)
{
    conf_require(fixture, OUTBOX_HAS_MEMBER(batch, floor), "the batch's struct_size is %u", batch->struct_size);
    conf_require(fixture, batch->rows > 0, "a batch without rows; return NULL instead");
    conf_require(fixture, batch->rows <= rows, "%u rows where at most %u were asked for", batch->rows, rows);
    conf_require(fixture, batch->columns == COL_COUNT, "%u columns, %d were asked for", batch->columns, (int)COL_COUNT);
    for (uint32_t i = 0; OUTBOX_HAS_MEMBER(batch, unreadable) && batch->unreadable && i < batch->rows; i++)
        conf_require(fixture, !batch->unreadable[i], "row %u was added a moment ago, and cannot be read: %s", i,
                     batch->unreadable[i]);
    for (uint32_t i = 1; i < batch->rows; i++)
        conf_require(fixture, ascends(batch, i), "positions of rows %u and %u do not ascend", i - 1, i);
}

struct outbox_batch *conf_claim_flags(struct conf_fixture *fixture, uint32_t rows, uint32_t flags)
{
    struct outbox_claim claim = {.max_rows = rows, .max_bytes = 64u << 20, .flags = flags};
    conf_must(fixture, loop_fixture_claim(&fixture->base, fixture->store, &claim, error));
    if (claim.batch)
        check_shape(fixture, claim.batch, rows);
    return claim.batch;
}

struct outbox_batch *conf_claim(struct conf_fixture *fixture, uint32_t rows)
{
    return conf_claim_flags(fixture, rows, 0);
}

void conf_release(struct conf_fixture *fixture, struct outbox_batch *batch)
{
    obx_store_release(fixture->store, batch);
}

void conf_settle(struct conf_fixture *fixture, const struct outbox_batch *batch, uint32_t first, uint32_t count)
{
    struct outbox_span span = {batch, first, count};
    conf_must(fixture, loop_fixture_settle(&fixture->base, fixture->store, &span, 1, error));
}

void conf_outbox_is(struct conf_fixture *fixture, const uint32_t *numbers, uint32_t count)
{
    uint32_t seen = 0, flags = OUTBOX_CLAIM_REWIND;
    struct outbox_batch *batch;
    while ((batch = conf_claim_flags(fixture, 10000, flags))) {
        for (uint32_t i = 0; i < batch->rows; i++, seen++) {
            conf_require(fixture, seen < count, "more than the %u rows that should be there", count);
            conf_row_is(fixture, batch, i, numbers[seen]);
        }
        conf_release(fixture, batch);
        flags = 0;
    }
    conf_require(fixture, seen == count, "%u rows are in the outbox, %u should be", seen, count);
}

void conf_outbox_is_range(struct conf_fixture *fixture, uint32_t first, uint32_t count)
{
    uint32_t *numbers = calloc(count + 1, sizeof *numbers);
    conf_require(fixture, numbers, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = first + i;
    conf_outbox_is(fixture, numbers, count);
    free(numbers);
}
