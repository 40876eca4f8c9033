/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/fixture_transform.c - a transform that appends a suffix to the value and adds a header
 *
 * The header "by" has the rendered template `by`. What it does with single events the knobs of fixture.h say.
 */
#include "base/mem.h"
#include "fixture_internal.h"

struct suffix {
    const struct outbox_host *host;
    const char *suffix;
    const char *by;
};

static int init(void *self, const struct outbox_init *init_, struct outbox_error *error)
{
    (void)error;
    ((struct suffix *)self)->host = init_->host;
    return OUTBOX_OK;
}

static bool value_is(const struct outbox_message *message, const char *text)
{
    return text && message->value.size == strlen(text) && !memcmp(message->value.data, text, message->value.size);
}

static int append(const struct suffix *suffix, const struct outbox_transform *transform)
{
    struct outbox_bytes *value = &transform->message->value;
    size_t more = strlen(suffix->suffix);
    char *text = transform->alloc(transform, value->size + more);
    if (!text)
        return OUTBOX_E_NO_MEMORY;
    memcpy(text, value->data, value->size);
    memcpy(text + value->size, suffix->suffix, more);
    *value = (struct outbox_bytes){text, value->size + more};
    return OUTBOX_OK;
}

static int add_header(const struct outbox_transform *transform)
{
    struct outbox_message *message = transform->message;
    struct outbox_header *headers = transform->alloc(transform, (message->header_count + 1) * sizeof *message->headers);
    if (!headers)
        return OUTBOX_E_NO_MEMORY;
    memcpy(headers, message->headers, message->header_count * sizeof *headers);
    headers[message->header_count] = (struct outbox_header){{"by", 2}, transform->values[0]};
    message->headers = headers;
    message->header_count++;
    return OUTBOX_OK;
}

static void move(struct outbox_message *message, const char *field)
{
    static const struct outbox_bytes elsewhere = {"elsewhere", 9};
    if (!strcmp(field, "topic"))
        message->topic = elsewhere;
    else if (!strcmp(field, "key"))
        message->key = elsewhere;
    else if (!strcmp(field, "id"))
        message->id = elsewhere;
    else if (!strcmp(field, "partition"))
        message->partition = 7;
    else
        message->position.minor++;
}

static int reject(struct outbox_error *error)
{
    *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "no such schema"};
    return OUTBOX_E_REJECTED;
}

static int apply(void *self, const struct outbox_transform *transform, struct outbox_error *error)
{
    const struct outbox_message *message = transform->message;
    the_fixture->transformed++;
    if (value_is(message, the_fixture->untransformable))
        return reject(error);
    if (value_is(message, the_fixture->not_now) && the_fixture->not_now_times) {
        the_fixture->not_now_times--;
        *error = (struct outbox_error){.code = the_fixture->not_now_code, .text = "registry is away"};
        return the_fixture->not_now_code;
    }
    if (value_is(message, the_fixture->moves_event)) {
        move(transform->message, the_fixture->moves);
        if (the_fixture->moves_and_fails)
            return reject(error);
    }
    int code = append(self, transform);
    return code ? code : add_header(transform);
}

static const struct outbox_option options[] = {
    {.name = "suffix",
     .type = OUTBOX_OPT_STRING,
     .offset = offsetof(struct suffix, suffix),
     .default_value = "!",
     .help = "what is appended"},
    {.name = "by",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_TEMPLATE | OUTBOX_OPT_VERBATIM,
     .offset = offsetof(struct suffix, by),
     .help = "template of the header"},
};

static const struct outbox_transform_ops ops = {
    .struct_size = sizeof ops, .init = init, .fini = fixture_fini, .transform = apply};

const struct outbox_plugin fixture_transform_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                                       .struct_size = sizeof fixture_transform_plugin,
                                                       .kind = OUTBOX_TRANSFORM,
                                                       .option_size = sizeof(struct outbox_option),
                                                       .name = "suffix",
                                                       .version = "1",
                                                       .description = "appends a suffix",
                                                       .instance_size = sizeof(struct suffix),
                                                       .options = options,
                                                       .option_count = OBX_COUNT(options),
                                                       .ops = &ops};
