/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/settings.c - the option tables of a relay and of its routes, and the parsing of relays.NAME */
#include "relay/settings.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

static const char *const orders[] = {"key", "global", "none", NULL};
static const char *const deliveries[] = {"at-least-once", "exactly-once", NULL};
static const char *const tombstones[] = {"true", "false", "empty", NULL};
static const char *const policies[] = {"block-key", "park", "park-key", "stop", NULL};

#define FIELD(name) offsetof(struct obx_relay_settings, name)
#define NUMBER(name_, type_, default_value_, min_, max_, help_)                                              \
    {                                                                                                        \
        .name = #name_, .type = type_, .offset = FIELD(name_), .default_value = default_value_, .min = min_, \
        .max = max_, .help = help_                                                                           \
    }
#define TIME(name_, default_value_, min_, max_, help_)                                                             \
    {                                                                                                              \
        .name = #name_, .type = OUTBOX_OPT_DURATION, .offset = FIELD(name_##_ms), .default_value = default_value_, \
        .min = min_, .max = max_, .help = help_                                                                    \
    }

const struct outbox_option obx_relay_options[] = {
    {.name = "order",
     .type = OUTBOX_OPT_ENUM,
     .offset = FIELD(order),
     .default_value = "key",
     .choices = orders,
     .help = "which events keep their order: those of one key, all, or none"},
    {.name = "delivery",
     .type = OUTBOX_OPT_ENUM,
     .offset = FIELD(delivery),
     .default_value = "at-least-once",
     .choices = deliveries,
     .help = "how often an event reaches the broker: at least once, or exactly once for consumers that read committed "
             "data; the latter needs a broker with the capability"},
    {.name = "on_reject",
     .type = OUTBOX_OPT_ENUM,
     .offset = FIELD(on_reject),
     .default_value = "block-key",
     .choices = policies,
     .help = "what happens to an event that the broker can never accept: its key is blocked, it is dead-lettered, "
             "its key is dead-lettered, or the relay stops"},
    NUMBER(claim_rows, OUTBOX_OPT_INT, "2000", 1, 100000, "most rows of one claim"),
    NUMBER(max_in_flight_bytes, OUTBOX_OPT_SIZE, "16MiB", 65536, INT64_C(1) << 40,
           "most bytes of events in flight; claiming pauses at this limit; one larger event passes alone"),
    NUMBER(max_blocked_events, OUTBOX_OPT_INT, "100000", 1, 100000000,
           "most events that wait for blocked keys, up to 300 bytes of memory each; claiming pauses at this limit"),
    NUMBER(max_attempts, OUTBOX_OPT_INT, "10", 1, 1000000,
           "failed attempts of one event before on_reject applies to it; outages do not count"),
    TIME(retry_min, "100ms", 1, 3600000, "first pause before a failed event is tried again; doubles, with full jitter"),
    TIME(retry_max, "30s", 1, 86400000, "longest pause before a failed event is tried again"),
    TIME(poll_interval_max, "25ms", 1, 60000,
         "longest pause between polls of an idle outbox whose store has no wake-up"),
    TIME(lease, "10s", 1000, 3600000, "a standby may take over from an owner that has not renewed for this long"),
    TIME(standby_poll_interval, "500ms", 10, 60000, "pause between the attempts of a standby to become the owner"),
    TIME(store_timeout, "30s", 100, 3600000, "timeout of one operation of the store, and of the start of the broker"),
    TIME(stop_timeout, "10s", 0, 3600000,
         "from SIGTERM to the exit; events that are not settled by then stay in the outbox"),
};
const uint32_t obx_relay_option_count = OBX_COUNT(obx_relay_options);

#undef FIELD
#define FIELD(name) offsetof(struct obx_route_settings, name)

const struct outbox_option obx_route_options[] = {
    {.name = "topic",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_VERBATIM,
     .offset = FIELD(topic),
     .default_value = "outbox.event.${aggregatetype}",
     .help = "template of the topic; ${name} is a column of the row, ${json(name)}, ${lower(name)}, ${default(name, "
             "'text')} and ${match(name, 'expression')} are made of it"},
    {.name = "key",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_VERBATIM,
     .offset = FIELD(key),
     .default_value = "${aggregateid}",
     .help = "template of the key; a single column that is null gives a null key"},
    {.name = "value",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_VERBATIM,
     .offset = FIELD(value),
     .default_value = "${payload}",
     .help = "template of the value; a single column is published byte for byte; a value that begins with { or [ in "
             "the template must be valid JSON"},
    {.name = "partition",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_VERBATIM,
     .offset = FIELD(partition),
     .help = "template of the partition number; absent or null: partition by the key"},
    {.name = "timestamp",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_VERBATIM,
     .offset = FIELD(timestamp),
     .default_value = "${created_at}",
     .help = "column of the event's time: a time, or milliseconds since 1970"},
    {.name = "headers",
     .type = OUTBOX_OPT_MAP,
     .flags = OUTBOX_OPT_VERBATIM,
     .offset = FIELD(headers),
     .default_value = "{id: \"${event_id}\"}",
     .help = "templates of headers by name; a single column that is null omits the header"},
    {.name = "tombstone",
     .type = OUTBOX_OPT_ENUM,
     .offset = FIELD(tombstone),
     .default_value = "true",
     .choices = tombstones,
     .help = "true: a null value is published as a tombstone; false: it is rejected; empty: empty and blank values are "
             "tombstones, too"},
    {.name = "position",
     .type = OUTBOX_OPT_BOOL,
     .offset = FIELD(position),
     .default_value = "false",
     .help = "add the header outbox-position: the event's place in the outbox, and up to where no event comes again; "
             "for consumers with an inbox that keeps a window"},
};
const uint32_t obx_route_option_count = OBX_COUNT(obx_route_options);

static int check_retry(const struct obx_section *section, const struct obx_relay_settings *settings,
                       struct outbox_error *error)
{
    if (settings->retry_min_ms <= settings->retry_max_ms)
        return OUTBOX_OK;
    return obx_section_error(section, "retry_min", error, "retry_min is longer than retry_max; make retry_min shorter");
}

int obx_relay_check_name(const struct obx_section *section, const char *name, struct outbox_error *error)
{
    size_t size = strlen(name);
    if (size > OBX_RELAY_NAME_MAX)
        return obx_section_error(section, NULL, error, "the relay's name '%.*s...' has %zu bytes; give it at most %d",
                                 OUTBOX_CUT(name, 20), size, OBX_RELAY_NAME_MAX);
    for (size_t i = 0; i < size; i++)
        if (obx_utf8_is_control(name + i))
            return obx_section_error(section, NULL, error,
                                     "the relay's name has a control character as its byte %zu; take it out", i + 1);
    return OUTBOX_OK;
}

int obx_relay_settings_parse(const struct obx_section *section, struct obx_relay_settings *settings,
                             struct outbox_error *error)
{
    static const char *const others[] = {"store", "broker", "route", "transforms", NULL};
    const struct obx_section *route;
    int code = obx_options_apply(obx_relay_options, obx_relay_option_count, sizeof *obx_relay_options, others, section,
                                 settings, error);
    if (!code)
        code = check_retry(section, settings, error);
    if (!code)
        code = obx_section_child(section, "route", &route, error);
    if (!code)
        code = obx_options_apply(obx_route_options, obx_route_option_count, sizeof *obx_route_options, NULL, route,
                                 &settings->route, error);
    return code;
}
