/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/transform_checks.c - what every transform must do, with messages of many shapes
 *
 * A transform may reject a message. It must then give a reason, and the same one each time.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/plugin_util.h>

#include "base/arena.h"
#include "checks.h"
#include "config/table.h"

#define SHAPES 7u
#define LARGE (1024u * 1024u)
#define THREADS 4u
#define ROUNDS 50u
#define TEMPLATES_MAX 32u

struct result {
    int code;
    struct outbox_message message;
    struct obx_arena arena;
    struct outbox_error error;
};

static struct obx_instance *open_transform(struct conf_fixture *fixture)
{
    struct obx_instance *transform;
    conf_must(fixture, loop_fixture_instance(&fixture->base, OUTBOX_TRANSFORM, "transform", &transform, error));
    return transform;
}

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_bytes large_value(void)
{
    static char bytes[LARGE];
    for (size_t i = 0; !bytes[LARGE - 1] && i < LARGE; i++)
        bytes[i] = (char)(i % 251 + 1);
    return (struct outbox_bytes){bytes, LARGE};
}

/* A message of one of the shapes: value, tombstone, empty value, large, null key, null type, headers with null. */
static struct outbox_message message_of(uint32_t shape)
{
    static const struct outbox_header headers[] = {{{"id", 2}, {"id-1", 4}}, {{"none", 4}, {NULL, 0}}};
    struct outbox_message message = {.topic = text("orders"),
                                     .key = text("42"),
                                     .value = text("{\"total\": 7}"),
                                     .partition = -1,
                                     .timestamp_us = 1700000000000000,
                                     .id = text("00000000-0000-4000-8000-000000000001"),
                                     .type = text("Created"),
                                     .created_us = 1700000000000000,
                                     .position = {7, 0}};
    if (shape == 1)
        message.value = (struct outbox_bytes){NULL, 0};
    else if (shape == 2)
        message.value = text("");
    else if (shape == 3)
        message.value = large_value();
    else if (shape == 4)
        message.key = (struct outbox_bytes){NULL, 0};
    else if (shape == 5)
        message.type = (struct outbox_bytes){NULL, 0};
    else if (shape == 6)
        message.headers = headers, message.header_count = 2;
    return message;
}

static uint32_t count_templates(const struct obx_instance *transform)
{
    const struct outbox_plugin *plugin = obx_instance_descriptor(transform);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        struct outbox_option option = obx_option_at(plugin->options, plugin->option_size, i);
        count += (option.flags & OUTBOX_OPT_TEMPLATE) != 0;
    }
    return count;
}

static void *from_arena(const struct outbox_transform *call, size_t size)
{
    return obx_arena_alloc(call->arena, size);
}

static void *no_memory(const struct outbox_transform *call, size_t size)
{
    (void)call;
    (void)size;
    return NULL;
}

/* Any thread. */
static void apply(struct obx_instance *transform, uint32_t shape, bool memory, struct result *result)
{
    struct outbox_bytes values[TEMPLATES_MAX];
    *result = (struct result){.message = message_of(shape)};
    for (uint32_t i = 0; i < TEMPLATES_MAX; i++)
        values[i] = text("of-a-template");
    const struct outbox_transform call = {.struct_size = sizeof call,
                                          .value_count = count_templates(transform),
                                          .message = &result->message,
                                          .values = values,
                                          .alloc = memory ? from_arena : no_memory,
                                          .arena = &result->arena};
    result->code = obx_transform_apply(transform, &call, &result->error);
}

static void identity_is_kept(struct conf_fixture *fixture, uint32_t shape, const struct result *result)
{
    const struct outbox_message before = message_of(shape), *after = &result->message;
    conf_require(fixture,
                 outbox_bytes_equal(before.topic, after->topic) && outbox_bytes_equal(before.key, after->key) &&
                     outbox_bytes_equal(before.id, after->id) && before.partition == after->partition &&
                     before.position.major == after->position.major,
                 "message %u: topic, key, id, partition or position was changed", shape);
    conf_require(fixture, !result->code || result->error.text[0], "message %u: code %d without a reason", shape,
                 result->code);
}

void conf_transform_keeps_the_identity_of_every_message(struct conf_fixture *fixture)
{
    struct obx_instance *transform = open_transform(fixture);
    uint32_t good = 0;
    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        struct result result;
        apply(transform, shape, true, &result);
        identity_is_kept(fixture, shape, &result);
        good += result.code == OUTBOX_OK;
        obx_arena_free(&result.arena);
    }
    conf_require(fixture, good, "every message was refused");
    obx_instance_free(transform);
}

static bool same_headers(const struct outbox_message *a, const struct outbox_message *b)
{
    bool same = a->header_count == b->header_count;
    for (uint32_t i = 0; same && i < a->header_count; i++)
        same = outbox_bytes_equal(a->headers[i].name, b->headers[i].name) &&
               outbox_bytes_equal(a->headers[i].value, b->headers[i].value);
    return same;
}

static bool same_result(const struct result *a, const struct result *b)
{
    return a->code == b->code && (a->code || (outbox_bytes_equal(a->message.value, b->message.value) &&
                                              same_headers(&a->message, &b->message)));
}

/* An event that is sent again must be byte-identical. */
void conf_transform_gives_the_same_twice(struct conf_fixture *fixture)
{
    struct obx_instance *transform = open_transform(fixture);
    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        struct result first, second;
        apply(transform, shape, true, &first);
        apply(transform, shape, true, &second);
        conf_require(fixture, same_result(&first, &second), "message %u: the second result differs", shape);
        obx_arena_free(&first.arena);
        obx_arena_free(&second.arena);
    }
    obx_instance_free(transform);
}

struct worker {
    struct obx_instance *transform;
    const struct result *expected;
    uint32_t wrong;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (uint32_t i = 0; i < ROUNDS * SHAPES; i++) {
        struct result result;
        apply(worker->transform, i % SHAPES, true, &result);
        worker->wrong += !same_result(&result, &worker->expected[i % SHAPES]);
        obx_arena_free(&result.arena);
    }
    return NULL;
}

void conf_transform_runs_on_several_threads(struct conf_fixture *fixture)
{
    struct obx_instance *transform = open_transform(fixture);
    struct result expected[SHAPES];
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t shape = 0; shape < SHAPES; shape++)
        apply(transform, shape, true, &expected[shape]);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){transform, expected, 0};
        conf_require(fixture, pthread_create(&threads[i], NULL, work, &workers[i]) == 0, "no thread");
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        conf_require(fixture, !workers[i].wrong, "%u results of a thread differ from those of one thread alone",
                     workers[i].wrong);
    }
    for (uint32_t shape = 0; shape < SHAPES; shape++)
        obx_arena_free(&expected[shape].arena);
    obx_instance_free(transform);
}

void conf_transform_survives_lack_of_memory(struct conf_fixture *fixture)
{
    struct obx_instance *transform = open_transform(fixture);
    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        struct result result;
        apply(transform, shape, false, &result);
        conf_require(fixture, result.code != OUTBOX_OK || result.arena.total == 0, "message %u", shape);
        conf_require(fixture, result.code == OUTBOX_OK || result.code == OUTBOX_E_NO_MEMORY || result.error.text[0],
                     "message %u: code %d without a reason", shape, result.code);
        obx_arena_free(&result.arena);
    }
    obx_instance_free(transform);
}
