/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/store_add.c - adding events, and counting them */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checks.h"

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event plain_event(void)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("1"),
                                 .type = text("placed"),
                                 .payload = text("{}")};
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct outbox_batch *claim_all(struct conf_fixture *fixture, uint32_t count)
{
    struct outbox_batch *batch = conf_claim(fixture, count + 1);
    conf_require(fixture, batch && batch->rows == count, "%u rows were added, %u came", count, batch ? batch->rows : 0);
    return batch;
}

static void read_status(struct conf_fixture *fixture, struct outbox_store_status *status)
{
    *status = (struct outbox_store_status){.struct_size = sizeof *status};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_status(fixture->other, &call.call, 0, status);
    conf_require(fixture, loop_fixture_wait(&fixture->base, &call) == OUTBOX_OK, "status: %s", call.error.text);
}

void conf_store_status_counts(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    struct outbox_store_status status;
    read_status(fixture, &status);
    conf_require(fixture, status.pending == 0 && status.dead <= 0, "an empty outbox has %lld pending, %lld dead",
                 (long long)status.pending, (long long)status.dead);
    conf_add(fixture, 1, 7);
    read_status(fixture, &status);
    conf_require(fixture, status.pending == 7, "%lld pending, 7 were added", (long long)status.pending);
    conf_require(fixture, status.oldest_us == -1 || llabs(wall_us() - status.oldest_us) < 60000000ll,
                 "the oldest row was created at %lld, which is not now", (long long)status.oldest_us);
    conf_require(fixture, status.server[0], "status does not name the store");
}

#define LARGE (3u << 20)

void conf_store_adds_every_kind_of_payload(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    char *large = malloc(LARGE);
    conf_require(fixture, large, "out of memory");
    memset(large, 'L', LARGE);
    const struct outbox_bytes payloads[] = {
        {NULL, 0},
        {"", 0},
        text("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xae"),
        text("'; drop table outbox; -- \"quoted\" \\ %s \t\r\n"),
        {large, LARGE},
        {"a\0b\xff\xfe\x00", 6},
    };
    uint32_t count = sizeof payloads / sizeof payloads[0] - fixture->subject->text_only;
    for (uint32_t i = 0; i < count; i++)
        conf_add_payload(fixture, i + 1, payloads[i]);
    struct outbox_batch *batch = claim_all(fixture, count);
    conf_require(fixture, conf_value(batch, 0, COL_PAYLOAD)->type == OUTBOX_NULL, "a null payload came back as type %u",
                 conf_value(batch, 0, COL_PAYLOAD)->type);
    for (uint32_t i = 1; i < count; i++)
        conf_require(fixture, conf_value_is(conf_value(batch, i, COL_PAYLOAD), payloads[i].data, payloads[i].size),
                     "payload %u of %zu bytes came back changed: type %u, %u bytes; if payloads must be UTF-8, say "
                     "text_only: true",
                     i, payloads[i].size, conf_value(batch, i, COL_PAYLOAD)->type,
                     conf_value(batch, i, COL_PAYLOAD)->size);
    conf_release(fixture, batch);
    free(large);
}

void conf_store_adds_headers(struct conf_fixture *fixture)
{
    static const char headers[] = "{\"traceparent\":\"00-1\"}";
    conf_store_begin(fixture);
    struct outbox_event event = plain_event();
    event.headers = text(headers);
    const struct outbox_event *list[] = {&event};
    conf_must(fixture, loop_fixture_add(&fixture->base, fixture->other, list, 1, error));
    struct outbox_batch *batch = claim_all(fixture, 1);
    const struct outbox_value *value = conf_value(batch, 0, COL_HEADERS);
    bool text_like = value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES;
    conf_require(fixture, text_like && memmem(value->as.data, value->size, "traceparent", 11),
                 "headers came back as type %u", value->type);
    conf_release(fixture, batch);
}

void conf_store_adds_all_or_nothing(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    struct outbox_event good = plain_event(), bad = plain_event();
    bad.aggregate_type = (struct outbox_bytes){NULL, 0};
    const struct outbox_event *list[] = {&good, &bad, &good};
    struct outbox_error refusal = {0};
    int result = loop_fixture_add(&fixture->base, fixture->other, list, 3, &refusal);
    conf_require(fixture, result != OUTBOX_OK, "an event without an aggregate type was taken");
    conf_require(fixture, refusal.text[0], "a refusal without a word");
    conf_require(fixture, !conf_claim(fixture, 10), "a refused add left rows in the outbox");
}

static void spell_id(const struct outbox_value *value, char id[64])
{
    uint32_t size = value->size < 31 || value->type == OUTBOX_TEXT ? value->size : 31;
    for (uint32_t i = 0; i < size && i < 63; i++)
        id[i] = ((const char *)value->as.data)[i];
    id[size < 63 ? size : 63] = '\0';
}

void conf_store_creates_event_ids(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    struct outbox_event event = plain_event();
    const struct outbox_event *list[] = {&event, &event, &event};
    conf_must(fixture, loop_fixture_add(&fixture->base, fixture->other, list, 3, error));
    struct outbox_batch *batch = claim_all(fixture, 3);
    char ids[3][64];
    for (uint32_t i = 0; i < 3; i++) {
        const struct outbox_value *value = conf_value(batch, i, COL_EVENT_ID);
        conf_require(fixture, value->size == (value->type == OUTBOX_UUID ? 16 : 36) && value->type != OUTBOX_NULL,
                     "the event id made by the store is of type %u with %u bytes, not a uuid", value->type,
                     value->size);
        spell_id(value, ids[i]);
        for (uint32_t k = 0; k < i; k++)
            conf_require(fixture, memcmp(ids[k], ids[i], value->size) != 0, "the same event id twice: %s", ids[i]);
    }
    conf_release(fixture, batch);
}

void conf_store_stamps_creation(struct conf_fixture *fixture)
{
    conf_store_begin(fixture);
    conf_add(fixture, 1, 1);
    struct outbox_batch *batch = claim_all(fixture, 1);
    const struct outbox_value *value = conf_value(batch, 0, COL_CREATED_AT);
    conf_require(fixture, value->type == OUTBOX_TIME, "created_at is of type %u, not a time", value->type);
    conf_require(fixture, llabs(wall_us() - value->as.integer) < 60000000ll, "created_at is %lld, which is not now",
                 (long long)value->as.integer);
    conf_release(fixture, batch);
}
