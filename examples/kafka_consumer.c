/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/kafka_consumer.c - reads a topic in a consumer group, and has each batch applied in one transaction
 *
 *     kafka_consumer_postgres NAME INSTANCE BROKERS TOPIC CONNINFO
 *     kafka_consumer_mysql NAME INSTANCE BROKERS TOPIC HOST PORT USER DATABASE
 *
 * NAME is the consumer's in the inbox, and its group, of this topic alone. INSTANCE is a name that stays the same after
 * a restart, so that a restarted consumer has its partitions at once. Offsets are in the database; the group only
 * distributes partitions.
 *
 * Happy path: a rebalance opens the window of each partition, reading begins where the window begins, and each batch is
 * judged, applied and saved in one transaction. It prints a line after each commit.
 * Failure modes: any error ends it with exit code 75, and whoever supervises it starts it again. With OUTBOX_UNTIL_END
 * in the environment it ends with 0 when it has read all partitions to their ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "kafka_consumer.h"

enum { BATCH = 500, PARTITIONS = 1000, TIMEOUT_MS = 10000 };

struct partition {
    struct outbox_window *window;
    bool judged, at_end;
};

static const char *consumer, *topic;
static struct partition partitions[PARTITIONS];
static rd_kafka_message_t *batch[BATCH];
static int batched, assigned;
static bool failed;

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "kafka_consumer: %s: %s\n", what, why);
    failed = true;
    return false;
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

/* 0: it failed. */
static int32_t count_partitions(rd_kafka_t *kafka)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(kafka, topic, NULL);
    rd_kafka_resp_err_t error = rd_kafka_metadata(kafka, 0, handle, &metadata, TIMEOUT_MS);
    rd_kafka_topic_destroy(handle);
    if (error) {
        fail("read the metadata of the topic", rd_kafka_err2str(error));
        return 0;
    }
    error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    int32_t count = error ? 0 : metadata->topics[0].partition_cnt;
    if (error)
        fail("read the metadata of the topic", rd_kafka_err2str(error));
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static bool open_window(rd_kafka_t *kafka, int32_t count, rd_kafka_topic_partition_t *assignment)
{
    int64_t first, last;
    struct outbox_error error;
    rd_kafka_resp_err_t failure =
        rd_kafka_query_watermark_offsets(kafka, topic, assignment->partition, &first, &last, TIMEOUT_MS);
    if (failure)
        return fail("read the watermarks", rd_kafka_err2str(failure));
    const struct outbox_window_place place = {.struct_size = sizeof place,
                                              .consumer = consumer,
                                              .topic = topic,
                                              .partition = assignment->partition,
                                              .partitions = count,
                                              .log_start = first,
                                              .log_end = last};
    if (strcmp(assignment->topic, topic) != 0)
        return fail("open a window", "the group was assigned another topic: give each topic its own NAME");
    if (count > PARTITIONS)
        return fail("open a window", "this example has room for 1,000 partitions");
    if (!database_open_window(&place, &partitions[assignment->partition].window, &error))
        return fail("open a window", error.text);
    assignment->offset = outbox_window_seek(partitions[assignment->partition].window);
    return true;
}

/* What was read and not applied is read again by whoever has the partition next. */
static void drop_batch(void)
{
    while (batched)
        rd_kafka_message_destroy(batch[--batched]);
}

static void close_windows(void)
{
    drop_batch();
    for (int i = 0; i < PARTITIONS; i++) {
        outbox_window_close(partitions[i].window);
        partitions[i] = (struct partition){0};
    }
    assigned = 0;
}

static void rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t *list, void *arg)
{
    (void)arg;
    close_windows();
    if (event != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_assign(kafka, NULL);
        return;
    }
    int32_t count = count_partitions(kafka);
    for (assigned = 0; !failed && assigned < list->cnt && open_window(kafka, count, &list->elems[assigned]);)
        assigned++;
    if (!failed)
        rd_kafka_assign(kafka, list);
}

/* ---- a batch ----------------------------------------------------------------------------------------------------- */

static struct outbox_bytes header(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    struct outbox_bytes value = {NULL, 0};
    if (!rd_kafka_message_headers(message, &headers))
        rd_kafka_header_get_last(headers, name, &value.data, &value.size);
    return value;
}

static bool apply(const rd_kafka_message_t *message)
{
    struct outbox_error error;
    enum outbox_window_verdict verdict;
    struct partition *partition = &partitions[message->partition];
    struct outbox_bytes id = header(message, "id");
    char customer[64];
    partition->judged = true;
    if (outbox_window_judge(partition->window, message->offset, header(message, OUTBOX_WINDOW_HEADER), id, &verdict,
                            &error))
        return fail("judge", error.text);
    bool is_new = verdict == OUTBOX_WINDOW_NEW;
    if (verdict == OUTBOX_WINDOW_BY_ID && !database_take(consumer, id, &is_new, &error))
        return fail("take", error.text);
    snprintf(customer, sizeof customer, "%.*s", (int)message->key_len, message->key ? (const char *)message->key : "");
    return !is_new || database_count_order(customer);
}

static bool save_windows(void)
{
    struct outbox_error error;
    for (int i = 0; i < PARTITIONS; i++) {
        if (partitions[i].judged && !database_save_window(partitions[i].window, &error))
            return fail("save", error.text);
        partitions[i].judged = false;
    }
    return true;
}

static bool apply_batch(void)
{
    bool fine = database_begin();
    for (int i = 0; fine && i < batched; i++)
        fine = apply(batch[i]);
    if (!fine || !save_windows()) {
        database_rollback();
        return false;
    }
    if (!database_commit())
        return false;
    printf("%d\n", batched);
    drop_batch();
    return true;
}

/* ---- the topic --------------------------------------------------------------------------------------------------- */

/* False: there is nothing to read now. */
static bool read_one(rd_kafka_t *kafka, int timeout_ms)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(kafka, timeout_ms);
    if (!message)
        return false;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        partitions[message->partition].at_end = true;
    else if (message->err && rd_kafka_fatal_error(kafka, NULL, 0))
        fail("read", rd_kafka_message_errstr(message));
    else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        fail("read", "the broker has removed what was to be read");
    else if (!message->err) {
        partitions[message->partition].at_end = false;
        batch[batched++] = message;
        return true;
    }
    rd_kafka_message_destroy(message);
    return !failed;
}

static bool is_at_end(void)
{
    int at_end = 0;
    for (int i = 0; i < PARTITIONS; i++)
        at_end += partitions[i].at_end;
    return getenv("OUTBOX_UNTIL_END") && assigned && at_end == assigned;
}

static void consume(rd_kafka_t *kafka)
{
    while (!failed && !is_at_end()) {
        for (int timeout_ms = 100; !failed && batched < BATCH && read_one(kafka, timeout_ms);)
            timeout_ms = 0;
        if (!failed && batched && !apply_batch())
            failed = true;
    }
}

static rd_kafka_t *join(const char *instance, const char *brokers)
{
    const char *const settings[][2] = {{"bootstrap.servers", brokers},   {"group.id", consumer},
                                       {"group.instance.id", instance},  {"enable.auto.commit", "false"},
                                       {"auto.offset.reset", "error"},   {"isolation.level", "read_committed"},
                                       {"enable.partition.eof", "true"}, {"session.timeout.ms", "10000"}};
    char error[300] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error))
            fail(settings[i][0], error);
    rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!kafka) {
        fail("connect", error);
        return NULL;
    }
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t failure = rd_kafka_subscribe(kafka, topics);
    if (failure)
        fail("subscribe", rd_kafka_err2str(failure));
    rd_kafka_topic_partition_list_destroy(topics);
    return kafka;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: kafka_consumer_... NAME INSTANCE BROKERS TOPIC DATABASE...\n");
        return 64;
    }
    consumer = argv[1];
    topic = argv[4];
    setvbuf(stdout, NULL, _IOLBF, 0);
    rd_kafka_t *kafka = database_open(argv + 5) ? join(argv[2], argv[3]) : NULL;
    if (kafka) {
        consume(kafka);
        rd_kafka_consumer_close(kafka);
        close_windows();
        rd_kafka_destroy(kafka);
    }
    database_close();
    return kafka && !failed ? 0 : 75;
}
