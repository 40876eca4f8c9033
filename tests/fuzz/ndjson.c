/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/ndjson.c - lines of `outbox add --ndjson`: the accepted values are those of another parser */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "cli/ndjson.h"

static void check_text(const json_t *object, const char *name, struct outbox_bytes got)
{
    const json_t *value = json_object_get(object, name);
    if (!got.data) {
        FUZZ_CHECK(!value || json_is_null(value));
        return;
    }
    FUZZ_CHECK(json_is_string(value) && json_string_length(value) == got.size);
    FUZZ_CHECK(!memcmp(json_string_value(value), got.data, got.size));
}

/* A value that is not a string is its text in the line. */
static void check_raw(const json_t *value, struct outbox_bytes got)
{
    json_t *again = json_loadb(got.data, got.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(json_equal(value, again));
    json_decref(again);
}

static void check_event(const json_t *object, const struct outbox_event *event)
{
    const json_t *payload = json_object_get(object, "payload");
    check_text(object, "aggregatetype", event->aggregate_type);
    check_text(object, "aggregateid", event->aggregate_id);
    check_text(object, "type", event->type);
    check_text(object, "event_id", event->event_id);
    if (payload && !json_is_string(payload) && !json_is_null(payload))
        check_raw(payload, event->payload);
    else
        check_text(object, "payload", event->payload);
    if (event->headers.data)
        check_raw(json_object_get(object, "headers"), event->headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct obx_parsed_event parsed = {0};
    struct outbox_error error = {0};
    struct outbox_bytes line = fuzz_bytes(&input);
    int code = obx_ndjson_parse(line.data, line.size, &parsed, &error);
    FUZZ_CHECK(!code == !error.text[0]);
    if (!code) {
        json_t *object = json_loadb(line.data, line.size, JSON_ALLOW_NUL, NULL);
        FUZZ_CHECK(json_is_object(object));
        check_event(object, &parsed.event);
        json_decref(object);
        obx_ndjson_free(&parsed);
    }
    fuzz_free(line.data);
    return 0;
}
