/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/fixture.c - see fixture.h */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"

struct loop_fixture base;
struct obx_instance *broker;
char logged[4096];

const char *server(void)
{
    return getenv("OUTBOX_TEST_SERVER");
}

void service(const char *verb, ...)
{
    char words[512], command[1024];
    va_list list;
    va_start(list, verb);
    vsnprintf(words, sizeof words, verb, list);
    va_end(list);
    size_t size = strcspn(words, " ");
    snprintf(command, sizeof command, "'%s' %.*s '%s' %s >/dev/null", getenv("OUTBOX_TEST_SERVICE"), (int)size, words,
             getenv("OUTBOX_TEST_DIR"), words + size);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static void write_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    size_t used = strlen(logged);
    (void)arg, (void)subject;
    if (level <= OUTBOX_LOG_INFO)
        snprintf(logged + used, sizeof logged - used, "%d %s\n", (int)level, text);
}

static int open_with(struct outbox_error *error, const char *yaml, va_list list) __attribute__((format(printf, 2, 0)));
static int open_with(struct outbox_error *error, const char *yaml, va_list list)
{
    char text[4096];
    memset(error, 0, sizeof *error);
    int used = snprintf(text, sizeof text, "broker:\n ");
    vsnprintf(text + used, sizeof text - (size_t)used, yaml, list);
    int code = loop_fixture_open_uv(&base, getenv("OUTBOX_TEST_PLUGINS"), error);
    base.log.write = write_log;
    if (!code)
        code = loop_fixture_configure(&base, "test.yaml", text, error);
    return code ? code : loop_fixture_instance(&base, OUTBOX_BROKER, "broker", &broker, error);
}

int fixture_try(struct outbox_error *error, const char *yaml, ...)
{
    va_list list;
    va_start(list, yaml);
    int code = open_with(error, yaml, list);
    va_end(list);
    return code;
}

void fixture_open(const char *yaml, ...)
{
    struct outbox_error error;
    va_list list;
    va_start(list, yaml);
    cr_assert_eq(open_with(&error, yaml, list), OUTBOX_OK, "%s", error.text);
    va_end(list);
    fixture_must_start();
}

void fixture_must_start(void)
{
    struct outbox_error error;
    uint64_t end = obx_loop_now(base.loop) + LOOP_FIXTURE_TIMEOUT_MS * OBX_MS;
    int code;
    do
        code = loop_fixture_broker_start(&base, broker, &error);
    while ((code == OUTBOX_E_NOT_CONNECTED || code == OUTBOX_E_TIMEOUT) && obx_loop_now(base.loop) < end);
    cr_assert_eq(code, OUTBOX_OK, "%s", error.text);
}

int fixture_stop_within(uint32_t timeout_ms)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_instance_stop(broker, &call.call, timeout_ms);
    return loop_fixture_wait(&base, &call);
}

void fixture_close(void)
{
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    obx_instance_free(broker);
    cr_assert_eq(loop_fixture_close(&base), 0, "a handle of the loop was left open");
}

struct findings {
    char *text;
    size_t size;
};

static void note_finding(void *arg, const struct outbox_finding *finding)
{
    struct findings *findings = arg;
    size_t used = strlen(findings->text);
    snprintf(findings->text + used, findings->size - used, "%d %s\n", (int)finding->severity, finding->reason);
}

void fixture_check(char *text, size_t size)
{
    struct findings findings = {text, size};
    struct outbox_check check = {.struct_size = sizeof check, .report = note_finding, .arg = &findings};
    struct loop_fixture_call call = {0};
    text[0] = '\0';
    loop_fixture_reset(&call);
    obx_broker_check(broker, &call.call, 0, &check);
    cr_assert_eq(loop_fixture_wait(&base, &call), OUTBOX_OK, "%s", call.error.text);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void fixture_run_for(uint32_t ms)
{
    base.timeout_ms = ms;
    loop_fixture_until(&base, never, NULL);
    base.timeout_ms = 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static struct outbox_bytes bytes_of(const char *text)
{
    return (struct outbox_bytes){text, text ? strlen(text) : 0};
}

void event_set(struct publishing *publishing, uint32_t index, const char *topic, const char *key, const char *value)
{
    static char ids[EVENTS_MAX][16];
    snprintf(ids[index], sizeof ids[index], "id-%u", index);
    publishing->messages[index] = (struct outbox_message){.topic = bytes_of(topic),
                                                          .key = bytes_of(key),
                                                          .value = bytes_of(value),
                                                          .partition = -1,
                                                          .timestamp_us = INT64_MIN,
                                                          .id = bytes_of(ids[index]),
                                                          .type = bytes_of("placed"),
                                                          .created_us = 1700000000123456};
}

static void on_done(struct obx_call *call, const struct outbox_error *error)
{
    (void)error;
    ((struct publishing *)(void *)call)->is_done = true;
}

static void on_outcomes(struct obx_call *call, const struct outbox_outcomes *outcomes)
{
    struct publishing *publishing = (struct publishing *)(void *)call;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        struct result *result = &publishing->results[outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i];
        result->outcome = outcomes->outcome;
        result->reports++;
        result->retry_after_ms = outcomes->retry_after_ms;
        if (outcomes->error)
            result->error = *outcomes->error;
    }
}

void fixture_submit(struct publishing *publishing, uint32_t count)
{
    publishing->call = (struct obx_call){.done = on_done, .outcomes = on_outcomes};
    publishing->publish = (struct outbox_publish){.struct_size = sizeof publishing->publish,
                                                  .count = count,
                                                  .messages = publishing->messages,
                                                  .stride = sizeof publishing->messages[0]};
    obx_broker_publish(broker, &publishing->call, &publishing->publish);
}

bool fixture_is_done(void *arg)
{
    return ((struct publishing *)arg)->is_done;
}

void fixture_wait(struct publishing *publishing)
{
    cr_assert(loop_fixture_until(&base, fixture_is_done, publishing), "the publish did not complete");
    for (uint32_t i = 0; i < publishing->publish.count; i++)
        cr_assert_eq(publishing->results[i].reports, 1, "event %u has %u outcomes", i, publishing->results[i].reports);
}

struct result fixture_publish(const char *topic)
{
    static struct publishing publishing;
    memset(&publishing, 0, sizeof publishing);
    event_set(&publishing, 0, topic, "k", "{}");
    fixture_submit(&publishing, 1);
    fixture_wait(&publishing);
    return publishing.results[0];
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

json_t *stored(const char *queue)
{
    char command[1024];
    json_t *events = json_array(), *event;
    snprintf(command, sizeof command, "'%s' events '%s' %s", getenv("OUTBOX_TEST_SERVICE"), getenv("OUTBOX_TEST_DIR"),
             queue);
    FILE *from = popen(command, "re");
    cr_assert_not_null(from);
    while ((event = json_loadf(from, JSON_DISABLE_EOF_CHECK, NULL)))
        json_array_append_new(events, event);
    cr_assert_eq(pclose(from), 0, "%s", command);
    return events;
}

const char *header_of(const json_t *event, const char *name)
{
    json_t *headers = json_object_get(event, "headers");
    for (size_t i = 0; i + 1 < json_array_size(headers); i += 2)
        if (!strcasecmp(json_string_value(json_array_get(headers, i)), name))
            return json_string_value(json_array_get(headers, i + 1));
    return NULL;
}
