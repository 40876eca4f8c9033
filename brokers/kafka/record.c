/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/record.c - one message as librdkafka takes it
 *
 * Keys and values are not copied: they stay in the store's memory until the publish completes. librdkafka owns the
 * headers once it has accepted the message.
 */
#include "broker.h"

#define FIELDS 7u

/* NULL with *failed: no memory. librdkafka owns the headers once it has accepted the message. */
static rd_kafka_headers_t *headers_of(const struct outbox_message *message, bool *failed)
{
    *failed = false;
    if (!message->header_count)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (uint32_t i = 0; i < message->header_count; i++) {
        const struct outbox_header *header = &message->headers[i];
        if (rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size, header->value.data,
                                (ssize_t)header->value.size))
            *failed = true;
    }
    return headers;
}

static rd_kafka_vu_t memory_field(rd_kafka_vtype_t type, struct outbox_bytes bytes)
{
    rd_kafka_vu_t field = {.vtype = type};
    field.u.mem.ptr = (void *)(uintptr_t)bytes.data;
    field.u.mem.size = bytes.size;
    return field;
}

/* librdkafka takes 0 for "none" and puts the time of sending: the first millisecond of 1970 is sent as the second. */
static int64_t milliseconds(int64_t us)
{
    int64_t ms = us / 1000 - (us % 1000 < 0);
    return ms ? ms : 1;
}

static size_t fill(rd_kafka_vu_t *fields, const struct outbox_message *message, rd_kafka_headers_t *headers,
                   int64_t timestamp_us)
{
    size_t n = 0;
    fields[n++] = memory_field(RD_KAFKA_VTYPE_VALUE, message->value);
    fields[n++] = memory_field(RD_KAFKA_VTYPE_KEY, message->key);
    if (message->partition >= 0)
        fields[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = message->partition};
    if (timestamp_us != INT64_MIN)
        fields[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = milliseconds(timestamp_us)};
    if (headers)
        fields[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
    return n;
}

static int64_t timestamp_of(const struct kafka_broker *self, const struct kafka_topic *topic,
                            const struct outbox_message *message)
{
    if (self->out_of_range != KAFKA_CLAMP_TIMESTAMP || message->timestamp_us == INT64_MIN)
        return message->timestamp_us;
    return kafka_limits_clamp(&topic->limits, message->timestamp_us);
}

static rd_kafka_resp_err_t produce(rd_kafka_t *rk, rd_kafka_vu_t *fields, size_t count)
{
    rd_kafka_error_t *error = rd_kafka_produceva(rk, fields, count);
    rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    return err;
}

rd_kafka_resp_err_t kafka_enqueue(struct kafka_broker *self, const struct outbox_message *message,
                                  struct kafka_topic *topic, bool alone, void *opaque)
{
    bool failed;
    rd_kafka_t *rk;
    rd_kafka_topic_t *handle = kafka_topic_handle(self, topic, alone, &rk);
    rd_kafka_headers_t *headers = headers_of(message, &failed);
    rd_kafka_vu_t fields[FIELDS] = {{.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = handle},
                                    {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque}};
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    if (failed)
        err = RD_KAFKA_RESP_ERR__INVALID_ARG;
    else if (handle)
        err = produce(rk, fields, 2 + fill(fields + 2, message, headers, timestamp_of(self, topic, message)));
    if (err && headers)
        rd_kafka_headers_destroy(headers);
    return err;
}
