/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/zstd/zstd.c - a transform that compresses the value with Zstandard
 *
 * A compressed message has the header "content-encoding: zstd". A value that is null, smaller than `min_size`, or that
 * would not get smaller, stays as it is, without the header. So does a value that has a content-encoding already. A
 * consumer looks at the header of each message.
 *
 * Worker threads. A context of the library serves one thread at a time: idle ones wait in a list under a mutex.
 */
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "transform.h"

struct context {
    struct context *next;
    ZSTD_CCtx *zstd;
    char *room; /* the result, before its size is known */
    size_t room_size;
};

struct zstd_transform {
    int64_t level, min_size; /* options */
    pthread_mutex_t mutex;
    bool ready;
    struct context *idle;
};

static void free_context(struct context *context)
{
    if (!context)
        return;
    ZSTD_freeCCtx(context->zstd);
    free(context->room);
    free(context);
}

static struct context *new_context(void)
{
    struct context *context = calloc(1, sizeof *context);
    if (context && !(context->zstd = ZSTD_createCCtx())) {
        free(context);
        context = NULL;
    }
    return context;
}

static struct context *borrow(struct zstd_transform *self)
{
    pthread_mutex_lock(&self->mutex);
    struct context *context = self->idle;
    if (context)
        self->idle = context->next;
    pthread_mutex_unlock(&self->mutex);
    return context ? context : new_context();
}

static void give_back(struct zstd_transform *self, struct context *context)
{
    pthread_mutex_lock(&self->mutex);
    context->next = self->idle;
    self->idle = context;
    pthread_mutex_unlock(&self->mutex);
}

static bool make_room(struct context *context, size_t size)
{
    if (context->room_size >= size)
        return true;
    free(context->room);
    context->room = malloc(size);
    context->room_size = context->room ? size : 0;
    return context->room != NULL;
}

/* The value is replaced when the header has memory, too. */
static int replace(const struct outbox_transform *transform, const char *data, size_t size)
{
    struct outbox_message *message = transform->message;
    struct transform_headers headers;
    char *value = transform->alloc(transform, size);
    if (!value || !transform_headers(transform, 1, &headers))
        return OUTBOX_E_NO_MEMORY;
    memcpy(value, data, size); /* NOLINT(clang-analyzer-core.NonNullParamChecker): compress() has made the room */
    message->value = (struct outbox_bytes){value, size};
    transform_set(&headers, "content-encoding", transform_text("zstd"));
    transform_use(transform, &headers);
    return OUTBOX_OK;
}

static int compress(const struct zstd_transform *self, struct context *context,
                    const struct outbox_transform *transform, struct outbox_error *error)
{
    struct outbox_bytes value = transform->message->value;
    size_t bound = ZSTD_compressBound(value.size);
    if (!make_room(context, bound))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "compress %zu bytes: out of memory", value.size);
    size_t size = ZSTD_compressCCtx(context->zstd, context->room, bound, value.data, value.size, (int)self->level);
    if (ZSTD_isError(size))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "compress %zu bytes: %s", value.size,
                                ZSTD_getErrorName(size));
    if (size >= value.size)
        return OUTBOX_OK;
    int code = replace(transform, context->room, size);
    return code ? outbox_error_set(error, code, "compress %zu bytes: out of memory", value.size) : OUTBOX_OK;
}

/* By the application, or by an earlier transform. */
static bool is_encoded(const struct outbox_message *message)
{
    for (uint32_t i = 0; i < message->header_count; i++)
        if (transform_is_named(&message->headers[i], "content-encoding") && message->headers[i].value.size)
            return true;
    return false;
}

static int transform(void *arg, const struct outbox_transform *transform, struct outbox_error *error)
{
    struct zstd_transform *self = arg;
    const struct outbox_message *message = transform->message;
    if (!message->value.data || (int64_t)message->value.size < self->min_size || is_encoded(message))
        return OUTBOX_OK;
    struct context *context = borrow(self);
    if (!context)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "compress: out of memory");
    int code = compress(self, context, transform, error);
    give_back(self, context);
    return code;
}

static int init(void *arg, const struct outbox_init *init, struct outbox_error *error)
{
    struct zstd_transform *self = arg;
    (void)init, (void)error;
    pthread_mutex_init(&self->mutex, NULL);
    self->ready = true;
    return OUTBOX_OK;
}

static void fini(void *arg)
{
    struct zstd_transform *self = arg;
    struct context *next;
    if (!self->ready)
        return;
    for (struct context *context = self->idle; context; context = next) {
        next = context->next;
        free_context(context);
    }
    pthread_mutex_destroy(&self->mutex);
}

static const char *library(void)
{
    return "libzstd " ZSTD_VERSION_STRING;
}

static const struct outbox_option options[] = {
    {.name = "level",
     .type = OUTBOX_OPT_INT,
     .offset = offsetof(struct zstd_transform, level),
     .default_value = "3",
     .min = 1,
     .max = 19,
     .help = "level of compression: higher is smaller and slower"},
    {.name = "min_size",
     .type = OUTBOX_OPT_SIZE,
     .offset = offsetof(struct zstd_transform, min_size),
     .default_value = "256",
     .min = 0,
     .max = INT64_MAX,
     .help = "a value with fewer bytes is not compressed"},
};

static const struct outbox_transform_ops ops = {
    .struct_size = sizeof(struct outbox_transform_ops), .init = init, .fini = fini, .transform = transform};

OUTBOX_PLUGIN(transform, zstd) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_TRANSFORM,
    .option_size = sizeof(struct outbox_option),
    .name = "zstd",
    .version = "0.1.0",
    .description = "compresses values with Zstandard",
    .instance_size = sizeof(struct zstd_transform),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};
