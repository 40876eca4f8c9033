/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/limits_text.c - why a topic's broker refuses an event: the value, the setting, and what to do
 *
 * Any thread; a text that is too long is cut.
 */
#include "topic_limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define DAY_S 86400L

static void format_time(int64_t timestamp_us, char *text, size_t size)
{
    struct tm date;
    time_t seconds = (time_t)(timestamp_us / 1000000);
    if (!gmtime_r(&seconds, &date) || !strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &date))
        snprintf(text, size, "%" PRId64 " us", timestamp_us);
}

static void format_span(int64_t ms, char *text, size_t size)
{
    int64_t seconds = ms / 1000;
    if (seconds >= 2 * DAY_S)
        snprintf(text, size, "%" PRId64 " days", seconds / DAY_S);
    else if (seconds >= 3600)
        snprintf(text, size, "%" PRId64 " h %" PRId64 " min", seconds / 3600, seconds / 60 % 60);
    else
        snprintf(text, size, "%" PRId64 " s", seconds);
}

static void explain_size(const struct kafka_limits *limits, const struct outbox_message *message, char *text,
                         size_t size)
{
    char limit[64] = "the topic's max.message.bytes";
    if (limits->max_batch)
        snprintf(limit, sizeof limit, "the topic's max.message.bytes=%" PRIu64, limits->max_batch);
    snprintf(text, size, "the event takes %" PRIu64 " bytes as a Kafka record; raise %s, or make the event smaller",
             kafka_record_size_max(message), limit);
}

static void explain_bound(char *text, size_t size, const char *name, int64_t bound)
{
    if (bound && bound != INT64_MAX)
        snprintf(text, size, "%s=%" PRId64, name, bound);
    else
        snprintf(text, size, "%s", name);
}

static void explain_timestamp(const struct kafka_limits *limits, const struct outbox_message *message, char *text,
                              size_t size)
{
    char time[40], span[40], bound[64];
    int64_t skew = kafka_timestamp_skew_ms(message);
    bool late = skew >= 0;
    format_time(message->timestamp_us, time, sizeof time);
    format_span(late ? skew : -skew, span, sizeof span);
    explain_bound(bound, sizeof bound, late ? "message.timestamp.after.max.ms" : "message.timestamp.before.max.ms",
                  late ? limits->max_late_ms : limits->max_early_ms);
    snprintf(text, size,
             "the timestamp %s is %s %s the clock, beyond the topic's %s; correct the column of route.timestamp "
             "(created_at, is it in UTC?), or set timestamp_out_of_range: clamp",
             time, span, late ? "ahead of" : "before", bound);
}

void kafka_limits_explain(const struct kafka_limits *limits, const struct outbox_message *message,
                          rd_kafka_resp_err_t err, char *text, size_t size)
{
    text[0] = '\0';
    if (kafka_is_size_error(err))
        explain_size(limits, message, text, size);
    else if (err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP && message->timestamp_us != INT64_MIN)
        explain_timestamp(limits, message, text, size);
    else if (err == RD_KAFKA_RESP_ERR_INVALID_RECORD && !message->key.data)
        snprintf(text, size, "the event has no key, and the topic is compacted; give it a key");
}
