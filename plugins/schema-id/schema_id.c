/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/schema-id/schema_id.c - a transform that puts Confluent's prefix before the value
 *
 * A zero byte, then the id of the schema in four bytes, the highest first. Consumers with a schema registry read the
 * value by that schema. The relay neither encodes nor checks the value: the application stores it in the schema's
 * format.
 *
 * The id is `id`, or that of `subject` in `registry`: fetched once by a worker, then cached. Workers with
 * other subjects go on meanwhile. If that fails, the key waits
 * and no attempt is counted; it is fetched again after 5 s.
 */
#include <stdlib.h>

#include "schema_id.h"

enum { PREFIX_SIZE = 5 };
#define FAILURE_NS 5000000000u

/* ---- the id ------------------------------------------------------------------------------------------------------ */

/* The template, else "TOPIC-value". */
static bool name_subject(const struct outbox_transform *transform, char *subject)
{
    struct outbox_bytes topic = transform->message->topic, given = transform->values[0];
    int size = given.data ? snprintf(subject, SUBJECT_SIZE, "%.*s", (int)given.size, (const char *)given.data)
                          : snprintf(subject, SUBJECT_SIZE, "%.*s-value", (int)topic.size, (const char *)topic.data);
    return size > 0 && size < SUBJECT_SIZE;
}

static struct schema *find(struct schema_id *self, const char *subject)
{
    struct schema *schema = self->schemas;
    while (schema && strcmp(schema->subject, subject) != 0)
        schema = schema->next;
    if (schema || !(schema = calloc(1, sizeof *schema)))
        return schema;
    snprintf(schema->subject, sizeof schema->subject, "%s", subject);
    schema->failure.code = OUTBOX_E_AGAIN; /* not fetched yet */
    schema->next = self->schemas;
    self->schemas = schema;
    return schema;
}

/* Under the mutex, which is released while a subject is fetched. Schemas are never freed before fini(). */
static void fetch(struct schema_id *self, struct schema *schema)
{
    struct outbox_error failure;
    uint32_t id = 0;
    schema->fetching = true;
    pthread_mutex_unlock(&self->mutex);
    schema_fetch(self, schema->subject, &id, &failure);
    pthread_mutex_lock(&self->mutex);
    schema->id = id;
    schema->failure = failure;
    schema->fetched_ns = self->host->now(self->host);
    schema->fetching = false;
    pthread_cond_broadcast(&self->answered);
}

/* Under the mutex. */
static int look_up(struct schema_id *self, const char *subject, uint32_t *id, struct outbox_error *error)
{
    struct schema *schema = find(self, subject);
    if (!schema)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "look up subject %s: out of memory", subject);
    while (schema->fetching)
        pthread_cond_wait(&self->answered, &self->mutex);
    uint64_t now = self->host->now(self->host);
    if (schema->failure.code && (!schema->fetched_ns || now - schema->fetched_ns >= FAILURE_NS))
        fetch(self, schema);
    *id = schema->id;
    if (schema->failure.code)
        *error = schema->failure;
    return schema->failure.code;
}

static int get_id(struct schema_id *self, const struct outbox_transform *transform, uint32_t *id,
                  struct outbox_error *error)
{
    char subject[SUBJECT_SIZE];
    *id = (uint32_t)self->id;
    if (self->id >= 0)
        return OUTBOX_OK;
    if (!name_subject(transform, subject))
        return outbox_error_set(error, OUTBOX_E_REJECTED, "look up a schema: the subject has more than %d bytes",
                                SUBJECT_SIZE - 1);
    pthread_mutex_lock(&self->mutex);
    int code = look_up(self, subject, id, error);
    pthread_mutex_unlock(&self->mutex);
    return code;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static int transform(void *arg, const struct outbox_transform *transform, struct outbox_error *error)
{
    struct outbox_bytes *value = &transform->message->value;
    uint32_t id;
    if (!value->data) /* a tombstone has no schema */
        return OUTBOX_OK;
    int code = get_id(arg, transform, &id, error);
    if (code)
        return code;
    char *bytes = transform->alloc(transform, PREFIX_SIZE + value->size);
    if (!bytes)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "add the id of a schema: out of memory");
    const unsigned char prefix[PREFIX_SIZE] = {0, (unsigned char)(id >> 24), (unsigned char)(id >> 16),
                                               (unsigned char)(id >> 8), (unsigned char)id};
    memcpy(bytes, prefix, PREFIX_SIZE);
    memcpy(bytes + PREFIX_SIZE, value->data, value->size);
    *value = (struct outbox_bytes){bytes, PREFIX_SIZE + value->size};
    return OUTBOX_OK;
}

static int init(void *arg, const struct outbox_init *init, struct outbox_error *error)
{
    struct schema_id *self = arg;
    self->host = init->host;
    if ((self->id >= 0) == (self->registry != NULL))
        return outbox_error_set(error, OUTBOX_E_CONFIG, "set registry or id, and not both");
    if (self->registry && strncmp(self->registry, "http://", 7) != 0 && strncmp(self->registry, "https://", 8) != 0)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "registry: must begin with http:// or https://");
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->answered, NULL);
    self->ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return self->ready ? OUTBOX_OK : outbox_error_set(error, OUTBOX_E_NO_MEMORY, "libcurl cannot be initialised");
}

static void fini(void *arg)
{
    struct schema_id *self = arg;
    struct schema *next;
    if (!self->ready)
        return;
    for (struct schema *schema = self->schemas; schema; schema = next) {
        next = schema->next;
        free(schema);
    }
    pthread_cond_destroy(&self->answered);
    pthread_mutex_destroy(&self->mutex);
}

static const char *library(void)
{
    return "libcurl " LIBCURL_VERSION;
}

#define TEXT_OPTION(key, field, bits, what)                                                                 \
    {                                                                                                       \
        .name = key, .type = OUTBOX_OPT_STRING, .flags = bits, .offset = offsetof(struct schema_id, field), \
        .help = what                                                                                        \
    }

static const struct outbox_option options[] = {
    TEXT_OPTION("registry", registry, 0, "URL of the schema registry"),
    TEXT_OPTION("subject", subject, OUTBOX_OPT_TEMPLATE | OUTBOX_OPT_VERBATIM,
                "subject of the schema: a template; unset: TOPIC-value"),
    {.name = "version",
     .type = OUTBOX_OPT_STRING,
     .offset = offsetof(struct schema_id, version),
     .default_value = "latest",
     .help = "version of the schema: a number, or latest at the first event"},
    {.name = "id",
     .type = OUTBOX_OPT_INT,
     .offset = offsetof(struct schema_id, id),
     .default_value = "-1",
     .min = -1,
     .max = UINT32_MAX,
     .help = "id of the schema, instead of a registry; -1: unset"},
    TEXT_OPTION("user", user, 0, "user at the registry"),
    TEXT_OPTION("password", password, OUTBOX_OPT_SECRET, "password of the user"),
    TEXT_OPTION("tls_ca", tls_ca, 0, "file of trusted certificates; unset: those of the system"),
    {.name = "timeout",
     .type = OUTBOX_OPT_DURATION,
     .offset = offsetof(struct schema_id, timeout_ms),
     .default_value = "5s",
     .min = 100,
     .max = 60000,
     .help = "how long the registry may take to answer"},
};

static const struct outbox_transform_ops ops = {.struct_size = sizeof(struct outbox_transform_ops),
                                                .init = init,
                                                .fini = fini,
                                                .transform = transform,
                                                .check = schema_check};

OUTBOX_PLUGIN(transform, schema_id) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_TRANSFORM,
    .option_size = sizeof(struct outbox_option),
    .name = "schema-id",
    .version = "0.1.0",
    .description = "puts the id of a schema before each value, in Confluent's format",
    .instance_size = sizeof(struct schema_id),
    .op_size = sizeof(struct schema_check),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};
