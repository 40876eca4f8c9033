/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/topic_limits.c - what a topic's broker refuses: size, timestamp, missing key
 *
 * See topic_limits.h. A limit that is not known admits everything; the broker then decides.
 */
#include "topic_limits.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FRESH_NS 30000000000u /* settings older than that may have changed */
#define CLAMP_MARGIN_MS 1000  /* for a broker's clock that differs from ours */

/* librdkafka's worst case: attributes, time and offset differences, and four lengths as varints. */
#define RECORD_OVERHEAD 36u
#define HEADER_OVERHEAD 10u
/* The best case: a batch header, and a record in which every number takes one byte. */
#define BATCH_HEADER 61u
#define RECORD_MIN 7u
#define HEADER_MIN 2u

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static uint64_t record_size(const struct outbox_message *message, uint64_t record, uint64_t header)
{
    uint64_t size = record + message->key.size + message->value.size;
    for (uint32_t i = 0; i < message->header_count; i++)
        size += header + message->headers[i].name.size + message->headers[i].value.size;
    return size;
}

uint64_t kafka_record_size_max(const struct outbox_message *message)
{
    return record_size(message, RECORD_OVERHEAD, HEADER_OVERHEAD);
}

uint64_t kafka_record_size_min(const struct outbox_message *message)
{
    return record_size(message, BATCH_HEADER + RECORD_MIN, HEADER_MIN);
}

/* ---- timestamps -------------------------------------------------------------------------------------------------- */

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t kafka_timestamp_skew_ms(const struct outbox_message *message)
{
    return message->timestamp_us == INT64_MIN ? 0 : message->timestamp_us / 1000 - clock_ms();
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

void kafka_limits_set(struct kafka_limits *limits, const char *name, const char *value)
{
    int64_t number = strtoll(value, NULL, 10);
    if (!strcmp(name, "max.message.bytes"))
        limits->max_batch = (uint64_t)number;
    else if (!strcmp(name, "message.timestamp.before.max.ms"))
        limits->max_early_ms = number;
    else if (!strcmp(name, "message.timestamp.after.max.ms"))
        limits->max_late_ms = number;
    else if (!strcmp(name, "message.timestamp.difference.max.ms")) /* of brokers before Kafka 4 */
        limits->max_difference_ms = number;
    else if (!strcmp(name, "message.timestamp.type"))
        limits->ignores_timestamps = !strcmp(value, "LogAppendTime");
    else if (!strcmp(name, "cleanup.policy"))
        limits->needs_key = strstr(value, "compact") != NULL;
}

static int64_t known_bound(const struct kafka_limits *limits, int64_t bound)
{
    if (limits->ignores_timestamps)
        return INT64_MAX;
    if (!bound)
        bound = limits->max_difference_ms;
    return bound ? bound : INT64_MAX;
}

/* What the settings explain need not be learned from refusals any more. */
static void forget_refusals(struct kafka_limits *limits)
{
    if (limits->max_batch)
        limits->refused_size = 0;
    if (limits->max_early_ms != INT64_MAX)
        limits->refused_early_ms = 0;
    if (limits->max_late_ms != INT64_MAX)
        limits->refused_late_ms = 0;
    if (limits->needs_key)
        limits->refused_null_key = false;
}

void kafka_limits_begin(struct kafka_limits *limits)
{
    limits->max_batch = 0;
    limits->max_early_ms = limits->max_late_ms = limits->max_difference_ms = 0;
    limits->ignores_timestamps = limits->needs_key = false;
}

void kafka_limits_known(struct kafka_limits *limits, uint64_t now)
{
    limits->max_early_ms = known_bound(limits, limits->max_early_ms);
    limits->max_late_ms = known_bound(limits, limits->max_late_ms);
    limits->state = KAFKA_LIMITS_KNOWN;
    limits->known_at = now;
    forget_refusals(limits);
}

void kafka_limits_close(struct kafka_limits *limits)
{
    if (limits->state != KAFKA_LIMITS_KNOWN)
        limits->state = KAFKA_LIMITS_UNKNOWN;
}

bool kafka_limits_stale(const struct kafka_limits *limits, uint64_t now)
{
    return limits->state == KAFKA_LIMITS_KNOWN && now - limits->known_at > FRESH_NS;
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

bool kafka_is_size_error(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           err == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE;
}

static void note_skew(struct kafka_limits *limits, int64_t skew)
{
    if (skew > 0 && (!limits->refused_late_ms || skew < limits->refused_late_ms))
        limits->refused_late_ms = skew;
    if (skew < 0 && (!limits->refused_early_ms || -skew < limits->refused_early_ms))
        limits->refused_early_ms = -skew;
}

void kafka_limits_note_refusal(struct kafka_limits *limits, const struct outbox_message *message,
                               rd_kafka_resp_err_t err)
{
    uint64_t size = kafka_record_size_max(message);
    if (kafka_is_size_error(err) && (!limits->refused_size || size < limits->refused_size))
        limits->refused_size = size;
    else if (err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP)
        note_skew(limits, kafka_timestamp_skew_ms(message));
    else if (err == RD_KAFKA_RESP_ERR_INVALID_RECORD && !message->key.data)
        limits->refused_null_key = true;
}

/* ---- admission --------------------------------------------------------------------------------------------------- */

/* settings: compare with the topic's settings; else with what was refused before. */
static bool is_too_large(const struct kafka_limits *limits, const struct outbox_message *message, bool settings,
                         bool compressed)
{
    if (settings)
        return limits->max_batch && !compressed && kafka_record_size_min(message) > limits->max_batch;
    return (limits->refused_size && kafka_record_size_max(message) >= limits->refused_size) ||
           (limits->max_batch && kafka_record_size_max(message) + BATCH_HEADER > limits->max_batch);
}

static bool is_out_of_range(const struct kafka_limits *limits, const struct outbox_message *message, bool settings)
{
    int64_t skew = kafka_timestamp_skew_ms(message);
    if (settings)
        return skew > limits->max_late_ms || (limits->max_early_ms != INT64_MAX && skew < -limits->max_early_ms);
    return (limits->refused_late_ms && skew >= limits->refused_late_ms) ||
           (limits->refused_early_ms && -skew >= limits->refused_early_ms);
}

static rd_kafka_resp_err_t find_violation(const struct kafka_limits *limits, const struct outbox_message *message,
                                          bool settings, bool compressed)
{
    if (is_too_large(limits, message, settings, compressed))
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    if (message->timestamp_us != INT64_MIN && is_out_of_range(limits, message, settings))
        return RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
    if (!message->key.data && (settings ? limits->needs_key : limits->refused_null_key))
        return RD_KAFKA_RESP_ERR_INVALID_RECORD;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void set_error(const struct kafka_limits *limits, const struct outbox_message *message, rd_kafka_resp_err_t err,
                      struct outbox_error *error)
{
    char text[OUTBOX_ERROR_TEXT_SIZE];
    kafka_limits_explain(limits, message, err, text, sizeof text);
    kafka_error(error, OUTBOX_E_REJECTED, err, "publish to topic '%.*s': %s: %s", (int)message->topic.size,
                (const char *)message->topic.data, rd_kafka_err2str(err), text);
}

enum kafka_admission kafka_limits_admit(const struct kafka_limits *limits, const struct outbox_message *message,
                                        bool compressed, uint64_t now, struct outbox_error *error)
{
    bool known = limits->state == KAFKA_LIMITS_KNOWN;
    rd_kafka_resp_err_t err = known ? find_violation(limits, message, true, compressed) : RD_KAFKA_RESP_ERR_NO_ERROR;
    bool certain = err && !kafka_limits_stale(limits, now);
    if (!err)
        err = find_violation(limits, message, false, compressed);
    if (!err)
        return KAFKA_ADMITTED;
    set_error(limits, message, err, error);
    return certain ? KAFKA_REFUSED : KAFKA_SUSPECT;
}

int64_t kafka_limits_clamp(const struct kafka_limits *limits, int64_t timestamp_us)
{
    int64_t now = clock_ms(), skew = timestamp_us / 1000 - now, late = INT64_MAX, early = INT64_MAX;
    if (limits->state == KAFKA_LIMITS_KNOWN) {
        late = limits->max_late_ms;
        early = limits->max_early_ms;
    }
    if (late == INT64_MAX && limits->refused_late_ms && skew >= limits->refused_late_ms)
        late = 0;
    if (early == INT64_MAX && limits->refused_early_ms && -skew >= limits->refused_early_ms)
        early = 0;
    if (late != INT64_MAX && skew > late - CLAMP_MARGIN_MS)
        return (now + (late > CLAMP_MARGIN_MS ? late - CLAMP_MARGIN_MS : 0)) * 1000;
    if (early != INT64_MAX && -skew > early - CLAMP_MARGIN_MS)
        return (now - (early > CLAMP_MARGIN_MS ? early - CLAMP_MARGIN_MS : 0)) * 1000;
    return timestamp_us;
}
