/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/reader/reader.c - outbox-reader BOOTSTRAP TOPIC: all records of a topic, as the oracle reads them
 *
 *     outbox-reader BOOTSTRAP TOPIC --create [--partitions N] [--config NAME=VALUE]      makes it
 *
 * One JSON object a line, as the file broker writes them, but always with payload_base64, since a payload may be any
 * bytes. Partition by partition, each in its order: so the distance of a duplicate is that within its partition. Exit
 * codes: 0 every partition was read to its end, 64 usage, 69 not all were.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../brokers/kafka/topic_reader.h"
#include "create.h"

static json_t *base64(const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc(size / 3 * 4 + 5), *to = text;
    if (!text)
        abort();
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned three = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0u) |
                         (left > 2 ? (unsigned)bytes[i + 2] : 0u);
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[three & 63] : '=';
    }
    json_t *string = json_stringn(text, (size_t)(to - text));
    free(text);
    return string;
}

static json_t *text(const void *bytes, size_t size)
{
    return bytes ? json_stringn(bytes, size) : json_null();
}

static json_t *headers_of(const rd_kafka_message_t *message)
{
    json_t *object = json_object();
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers))
        return object;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
        json_object_set_new(object, name, text(value, size));
    return object;
}

static bool print(const rd_kafka_message_t *message)
{
    json_t *line = json_object();
    json_object_set_new(line, "partition", json_integer(message->partition));
    json_object_set_new(line, "key", text(message->key, message->key_len));
    json_object_set_new(line, "time", json_integer(rd_kafka_message_timestamp(message, NULL)));
    json_object_set_new(line, "headers", headers_of(message));
    if (message->payload)
        json_object_set_new(line, "payload_base64", base64(message->payload, message->len));
    else
        json_object_set_new(line, "payload", json_null());
    bool fine = json_dumpf(line, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    json_decref(line);
    return fine;
}

static bool seek(struct topic_reader *reader, const rd_kafka_topic_partition_t *partition)
{
    reader->ends = 0;
    reader->partitions = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(reader->partitions, partition->topic, partition->partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    return rd_kafka_assign(reader->consumer, reader->partitions) == 0;
}

/* Reads up to the end that the partition had at the start: a partition under constant writes has no other end. */
static bool read_partition(struct topic_reader *reader, const rd_kafka_topic_partition_t *partition)
{
    rd_kafka_message_t *message;
    int64_t low = 0, high = 0;
    bool fine = !rd_kafka_query_watermark_offsets(reader->consumer, partition->topic, partition->partition, &low, &high,
                                                  20000) &&
                seek(reader, partition);
    bool ended = low >= high;
    while (fine && !ended && (message = topic_reader_next(reader, true))) {
        ended = message->offset >= high - 1;
        fine = print(message);
        rd_kafka_message_destroy(message);
    }
    fine = fine && (ended || reader->ends);
    if (reader->partitions)
        rd_kafka_topic_partition_list_destroy(reader->partitions);
    reader->partitions = NULL;
    if (!fine)
        fprintf(stderr, "outbox-reader: partition %" PRId32 " could not be read to its end\n", partition->partition);
    return fine;
}

int main(int argc, char **argv)
{
    struct topic_reader reader;
    if (argc >= 4 && !strcmp(argv[3], "--create"))
        return create_topic(argv[1], argv[2], argc - 4, argv + 4);
    if (argc != 3) {
        fputs("usage: outbox-reader BOOTSTRAP TOPIC [--create [--partitions N] [--config NAME=VALUE]]\n", stderr);
        return 64;
    }
    bool fine = topic_reader_open(&reader, argv[1], argv[2]);
    rd_kafka_topic_partition_list_t *all = reader.partitions;
    if (!fine)
        fprintf(stderr, "outbox-reader: topic %s at %s cannot be read\n", argv[2], argv[1]);
    reader.partitions = NULL;
    for (int i = 0; fine && i < all->cnt; i++)
        fine = read_partition(&reader, &all->elems[i]);
    reader.partitions = all;
    topic_reader_close(&reader);
    return fine && fflush(stdout) == 0 ? 0 : 69;
}
