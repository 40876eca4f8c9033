/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/cloudevents/cloudevents.c - a transform that makes each message a CloudEvent 1.0
 *
 *   binary       the value stays; attributes are headers: ce_id, ce_source, ce_type, ce_time and more
 *   structured   the value becomes a JSON object with the attributes and the data: structured.c
 *
 * The templates of the options are rendered by the host, in the order of the table. An attribute without a value is
 * left out. A message without type or source is rejected: CloudEvents requires both.
 */
#include "cloudevents.h"

/* ---- attributes -------------------------------------------------------------------------------------------------- */

static int read_attributes(const struct outbox_transform *transform, struct attributes *all, struct outbox_error *error)
{
    const struct outbox_message *message = transform->message;
    const struct outbox_bytes *values = transform->values;
    size_t time_size = outbox_time_text(all->time, message->created_us);
    memset(all->list, 0, sizeof all->list);
    all->list[CE_SPECVERSION] = (struct attribute){"specversion", NULL, transform_text("1.0")};
    all->list[CE_ID] = (struct attribute){"id", NULL, message->id};
    all->list[CE_SOURCE] = (struct attribute){"source", NULL, values[SOURCE]};
    all->list[CE_TYPE] = (struct attribute){"type", NULL, values[TYPE].data ? values[TYPE] : message->type};
    all->list[CE_SUBJECT] = (struct attribute){"subject", NULL, values[SUBJECT]};
    all->list[CE_TIME] = (struct attribute){"time", NULL, {time_size ? all->time : NULL, time_size}};
    all->list[CE_DATASCHEMA] = (struct attribute){"dataschema", NULL, values[DATASCHEMA]};
    all->list[CE_PARTITIONKEY] = (struct attribute){"partitionkey", "partitionkeybase64", message->key};
    for (unsigned i = 0; i < CE_COUNT; i++)
        if (!all->list[i].binary_name)
            all->list[i].binary_name = all->list[i].name;
    if (!all->list[CE_SOURCE].value.size)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "make a CloudEvent: source is empty for this event");
    if (!all->list[CE_TYPE].value.size)
        return outbox_error_set(error, OUTBOX_E_REJECTED, "make a CloudEvent: the event has no type; set type:");
    return OUTBOX_OK;
}

/* ---- binary ------------------------------------------------------------------------------------------------------ */

static const char *const header_names[][CE_COUNT] = {
    {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_dataschema", "ce_partitionkey"},
    {"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-dataschema", "ce-partitionkey"}};

static bool copy(const struct outbox_transform *transform, struct outbox_bytes *value)
{
    char *text = transform->alloc(transform, value->size ? value->size : 1);
    if (!text)
        return false;
    memcpy(text, value->data, value->size);
    value->data = text;
    return true;
}

static int make_binary(const struct cloudevents *self, const struct outbox_transform *transform, struct attributes *all)
{
    const struct outbox_message *message = transform->message;
    struct transform_headers headers;
    if (!transform_headers(transform, CE_COUNT + 1, &headers) ||
        (all->list[CE_TIME].value.data && !copy(transform, &all->list[CE_TIME].value)))
        return OUTBOX_E_NO_MEMORY;
    for (unsigned i = 0; i < CE_COUNT; i++)
        if (all->list[i].value.data)
            transform_set(&headers, header_names[self->prefix][i], all->list[i].value);
    if (message->value.data)
        transform_set(&headers, "content-type", transform_text(self->content_type));
    transform_use(transform, &headers);
    return OUTBOX_OK;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static int transform(void *arg, const struct outbox_transform *transform, struct outbox_error *error)
{
    const struct cloudevents *self = arg;
    struct attributes all;
    int code = read_attributes(transform, &all, error);
    if (code)
        return code;
    code = self->mode == BINARY ? make_binary(self, transform, &all) : ce_make_structured(self, transform, &all);
    return code ? outbox_error_set(error, code, "make a CloudEvent: out of memory") : OUTBOX_OK;
}

static int init(void *arg, const struct outbox_init *init, struct outbox_error *error)
{
    const struct cloudevents *self = arg;
    (void)init;
    if (!*self->source)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "source: is empty; give a URI, such as /shop");
    return OUTBOX_OK;
}

static void fini(void *arg)
{
    (void)arg;
}

#define TEMPLATE (OUTBOX_OPT_TEMPLATE | OUTBOX_OPT_VERBATIM)
#define AT(member) offsetof(struct cloudevents, member)

static const char *const modes[] = {"binary", "structured", NULL};
static const char *const prefixes[] = {"ce_", "ce-", NULL};

/* The templates in the order of enum ce_template. */
static const struct outbox_option options[] = {
    {.name = "source",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED | TEMPLATE,
     .offset = AT(source),
     .help = "attribute source: a URI; a template"},
    {.name = "type",
     .type = OUTBOX_OPT_STRING,
     .flags = TEMPLATE,
     .offset = AT(type),
     .help = "attribute type: a template; unset: the type of the event"},
    {.name = "subject",
     .type = OUTBOX_OPT_STRING,
     .flags = TEMPLATE,
     .offset = AT(subject),
     .help = "attribute subject: a template; unset: none"},
    {.name = "dataschema",
     .type = OUTBOX_OPT_STRING,
     .flags = TEMPLATE,
     .offset = AT(dataschema),
     .help = "attribute dataschema: a URI; a template; unset: none"},
    {.name = "mode",
     .type = OUTBOX_OPT_ENUM,
     .offset = AT(mode),
     .default_value = "binary",
     .choices = modes,
     .help = "binary: attributes as headers; structured: one JSON object"},
    {.name = "prefix",
     .type = OUTBOX_OPT_ENUM,
     .offset = AT(prefix),
     .default_value = "ce_",
     .choices = prefixes,
     .help = "what the names of attributes in headers begin with: ce_ for Kafka, ce- for others"},
    {.name = "content_type",
     .type = OUTBOX_OPT_STRING,
     .offset = AT(content_type),
     .default_value = "application/json",
     .help = "content type of the payload"},
};

static const struct outbox_transform_ops ops = {
    .struct_size = sizeof(struct outbox_transform_ops), .init = init, .fini = fini, .transform = transform};

OUTBOX_PLUGIN(transform, cloudevents) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_TRANSFORM,
    .option_size = sizeof(struct outbox_option),
    .name = "cloudevents",
    .version = "0.1.0",
    .description = "makes each message a CloudEvent",
    .instance_size = sizeof(struct cloudevents),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};
