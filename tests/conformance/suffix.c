/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/suffix.c - a transform for the checks: appends a template to the value; rejects a tombstone */
#include <string.h>

#include <outbox/plugin_util.h>

struct suffix {
    const char *text; /* option; the host renders it */
};

static int init(void *self, const struct outbox_init *init_, struct outbox_error *error)
{
    (void)self;
    (void)init_;
    (void)error;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    (void)self;
}

static int transform(void *self, const struct outbox_transform *call, struct outbox_error *error)
{
    struct outbox_bytes *value = &call->message->value, suffix = call->values[0];
    (void)self;
    if (!value->data)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "append a suffix: the event is a tombstone");
    char *bytes = call->alloc(call, value->size + suffix.size);
    if (!bytes)
        return OUTBOX_E_NO_MEMORY;
    memcpy(bytes, value->data, value->size);
    if (suffix.size)
        memcpy(bytes + value->size, suffix.data, suffix.size);
    *value = (struct outbox_bytes){bytes, value->size + suffix.size};
    return OUTBOX_OK;
}

static const struct outbox_option options[] = {{.name = "text",
                                                .type = OUTBOX_OPT_STRING,
                                                .flags = OUTBOX_OPT_TEMPLATE | OUTBOX_OPT_VERBATIM,
                                                .offset = offsetof(struct suffix, text),
                                                .help = "template of the suffix"}};

static const struct outbox_transform_ops ops = {
    .struct_size = sizeof ops, .init = init, .fini = fini, .transform = transform};

OUTBOX_PLUGIN(transform, suffix) = {.abi_major = OUTBOX_ABI_MAJOR,
                                    .struct_size = sizeof(struct outbox_plugin),
                                    .kind = OUTBOX_TRANSFORM,
                                    .option_size = sizeof(struct outbox_option),
                                    .name = "suffix",
                                    .version = "1",
                                    .description = "appends a suffix",
                                    .instance_size = sizeof(struct suffix),
                                    .options = options,
                                    .option_count = 1,
                                    .ops = &ops};
