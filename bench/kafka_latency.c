/*
 * bench/kafka_latency.c - from the return of COMMIT to the append in the broker's log
 *
 *     kafka-latency CONNINFO BROKERS TOPIC RATE SECONDS
 *
 * Inserts a row a transaction at times fixed beforehand (an open loop: a slow commit does not slow the ones behind it)
 * and notes when COMMIT returned; then reads the topic back and compares with the time at which the broker appended
 * each event, which needs message.timestamp.type=LogAppendTime and one clock. That time is in whole milliseconds, so
 * half of one is added. Prints "COUNT P50 P99 MAX" in milliseconds; exit code 1 when an event did not come within 20 s.
 */
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000

struct run {
    uint32_t count;
    uint64_t gap_ns;
    char name[32];               /* tells this run's events from others in the topic */
    double *committed, *latency; /* milliseconds; latency < 0: not yet */
    uint32_t arrived;
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
        ;
}

static bool insert_one(PGconn *conn, const struct run *run, uint32_t number)
{
    char key[16], payload[64];
    const char *values[] = {key, payload};
    snprintf(key, sizeof key, "key-%u", number % 1000);
    snprintf(payload, sizeof payload, "%s %u", run->name, number);
    PGresult *result = PQexecPrepared(conn, "add", 2, values, NULL, NULL, 0);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return ok;
}

static bool write_rows(const char *conninfo, struct run *run)
{
    PGconn *conn = PQconnectdb(conninfo);
    PQclear(PQprepare(conn, "add",
                      "insert into outbox (aggregatetype, aggregateid, type, payload) "
                      "values ('bench', $1, 'measured', $2)",
                      0, NULL));
    uint64_t begin = now_ns(CLOCK_MONOTONIC);
    bool ok = PQstatus(conn) == CONNECTION_OK;
    for (uint32_t i = 0; ok && i < run->count; i++) {
        sleep_until(begin + i * run->gap_ns);
        ok = insert_one(conn, run, i);
        run->committed[i] = (double)now_ns(CLOCK_REALTIME) / 1e6;
    }
    if (!ok)
        fprintf(stderr, "kafka-latency: insert: %s", PQerrorMessage(conn));
    PQfinish(conn);
    return ok;
}

static void take(struct run *run, const rd_kafka_message_t *message)
{
    char payload[64], name[32];
    uint32_t number;
    snprintf(payload, sizeof payload, "%.*s", (int)message->len, (const char *)message->payload);
    if (sscanf(payload, "%31s %u", name, &number) != 2 || strcmp(name, run->name) || number >= run->count ||
        run->latency[number] >= 0)
        return;
    double appended = (double)rd_kafka_message_timestamp(message, NULL) + 0.5;
    run->latency[number] = appended > run->committed[number] ? appended - run->committed[number] : 0;
    run->arrived++;
}

static rd_kafka_t *consume(const char *brokers, const char *topic)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text);
    rd_kafka_conf_set(conf, "group.id", "kafka-latency", text, sizeof text);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof text);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(12);
    rd_kafka_poll_set_consumer(consumer);
    for (int32_t i = 0; i < 12; i++)
        rd_kafka_topic_partition_list_add(partitions, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, partitions);
    rd_kafka_topic_partition_list_destroy(partitions);
    return consumer;
}

static bool read_back(const char *brokers, const char *topic, struct run *run)
{
    rd_kafka_t *consumer = consume(brokers, topic);
    uint64_t begin = now_ns(CLOCK_MONOTONIC);
    while (run->arrived < run->count && now_ns(CLOCK_MONOTONIC) - begin < PATIENCE_MS * 1000000ull) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message && !message->err)
            take(run, message);
        if (message)
            rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return run->arrived == run->count;
}

static int compare(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 64;
    uint32_t rate = (uint32_t)strtoul(argv[4], NULL, 10);
    struct run run = {.count = rate * (uint32_t)strtoul(argv[5], NULL, 10), .gap_ns = 1000000000u / (rate ? rate : 1)};
    run.committed = calloc(run.count + 1, sizeof *run.committed);
    run.latency = calloc(run.count + 1, sizeof *run.latency);
    if (!run.count || !run.committed || !run.latency)
        return 1;
    snprintf(run.name, sizeof run.name, "run-%ld", (long)getpid());
    for (uint32_t i = 0; i < run.count; i++)
        run.latency[i] = -1;
    if (!write_rows(argv[1], &run) || !read_back(argv[2], argv[3], &run)) {
        fprintf(stderr, "kafka-latency: %u of %u events came\n", run.arrived, run.count);
        return 1;
    }
    qsort(run.latency, run.count, sizeof *run.latency, compare);
    printf("%u %.3f %.3f %.3f\n", run.count, run.latency[run.count / 2], run.latency[run.count * 99 / 100],
           run.latency[run.count - 1]);
    free(run.committed);
    free(run.latency);
    return 0;
}
