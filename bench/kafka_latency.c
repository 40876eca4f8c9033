/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/kafka_latency.c - from the return of COMMIT to the append in the broker's log
 *
 *     kafka-latency DATABASE TABLE WHERE BROKERS TOPIC RATE SECONDS [received]
 *
 * DATABASE: postgres; postgres-emit, which calls TABLE_emit() for `capture`; mysql. BROKERS "-": only the writers' own
 * times. Writes an event a transaction at times fixed beforehand, over as many connections as the rate needs, and
 * records when COMMIT returned. It is an open loop: a slow commit does not delay later ones, and is counted from its
 * due time. Then it reads the topic and compares with the time at which the broker appended each event. That needs one
 * clock and message.timestamp.type=LogAppendTime. The time is in whole milliseconds, so half a millisecond is added. An
 * event that was appended before its COMMIT had returned counts as 0. With `received` a consumer of committed data runs
 * beside the writers, and its own clock counts: the topic must be there. Prints "COUNT P50 P99 MAX P50 P99 MAX" in
 * milliseconds: to the append, and of the commits themselves. Exit code 1 if an event did not arrive within 20 s.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "latency_db.h"
#include "timing.h"

#define PATIENCE_MS 20000
#define RATE_OF_ONE 50 /* rows/s that one connection commits easily on a disk that takes 10 ms to flush */
#define WRITERS_MAX 64

struct run {
    const struct latency_db *db;
    const char *table, *where;
    uint32_t count, writers;
    uint64_t begin_ns, gap_ns;
    char name[32];                        /* distinguishes this run's events from others in the topic */
    double *committed, *commit, *latency; /* milliseconds; latency: when it arrived, at first; < 0: not yet */
    uint32_t arrived;
    bool received;
    const char *brokers, *topic;
    bool complete; /* all events have arrived */
};

struct writer {
    struct run *run;
    uint32_t number;
    void *db;
    pthread_t thread;
    bool ok;
};

/* ---- the writers ------------------------------------------------------------------------------------------------- */

static bool insert_one(const struct writer *writer, uint32_t number)
{
    char key[16], payload[64];
    snprintf(key, sizeof key, "key-%u", number % 1000);
    snprintf(payload, sizeof payload, "%s %u", writer->run->name, number);
    return writer->run->db->add(writer->db, writer->run->table, key, payload);
}

static void *write_some(void *arg)
{
    struct writer *writer = arg;
    struct run *run = writer->run;
    for (uint32_t i = writer->number; writer->ok && i < run->count; i += run->writers) {
        uint64_t due = run->begin_ns + i * run->gap_ns;
        sleep_until(due);
        writer->ok = insert_one(writer, i);
        run->committed[i] = (double)now_ns(CLOCK_REALTIME) / 1e6;
        run->commit[i] = (double)(now_ns(CLOCK_MONOTONIC) - due) / 1e6;
    }
    return NULL;
}

static bool write_rows(struct run *run)
{
    struct writer writers[WRITERS_MAX] = {{0}};
    uint32_t started = 0;
    bool ok = true;
    for (uint32_t i = 0; i < run->writers; i++) {
        writers[i] = (struct writer){.run = run, .number = i, .db = run->db->open(run->where, run->table), .ok = true};
        ok = ok && writers[i].db;
    }
    run->begin_ns = now_ns(CLOCK_MONOTONIC) + 10000000;
    while (ok && started < run->writers &&
           !pthread_create(&writers[started].thread, NULL, write_some, &writers[started]))
        started++;
    ok = ok && started == run->writers;
    for (uint32_t i = 0; i < run->writers; i++) {
        if (i < started)
            pthread_join(writers[i].thread, NULL);
        run->db->close(writers[i].db);
        ok = ok && writers[i].ok;
    }
    return ok;
}

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static void take(struct run *run, const rd_kafka_message_t *message)
{
    char payload[64], name[32];
    uint32_t number;
    snprintf(payload, sizeof payload, "%.*s", (int)message->len, (const char *)message->payload);
    if (sscanf(payload, "%31s %u", name, &number) != 2 || strcmp(name, run->name) || number >= run->count ||
        run->latency[number] >= 0)
        return;
    double appended = (double)rd_kafka_message_timestamp(message, NULL) + 0.5;
    run->latency[number] = run->received ? (double)now_ns(CLOCK_REALTIME) / 1e6 : appended;
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

static void *read_back(void *arg)
{
    struct run *run = arg;
    rd_kafka_t *consumer = consume(run->brokers, run->topic);
    uint64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_MS * 1000000ull + run->count * run->gap_ns;
    while (run->arrived < run->count && now_ns(CLOCK_MONOTONIC) < end) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message && !message->err)
            take(run, message);
        if (message)
            rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    if (run->arrived < run->count)
        fprintf(stderr, "kafka-latency: %u of %u events came\n", run->arrived, run->count);
    run->complete = run->arrived == run->count;
    return NULL;
}

/* The reader is beside the writers, or after them. */
static bool write_and_read(struct run *run)
{
    pthread_t reader = 0;
    bool wrote;
    if (run->received && pthread_create(&reader, NULL, read_back, run))
        return false;
    wrote = write_rows(run);
    if (run->received)
        pthread_join(reader, NULL);
    else if (wrote && run->brokers)
        read_back(run);
    for (uint32_t i = 0; i < run->count; i++)
        run->latency[i] = run->latency[i] > run->committed[i] ? run->latency[i] - run->committed[i] : 0;
    return wrote && (run->complete || !run->brokers);
}

/* ---- the figures ------------------------------------------------------------------------------------------------- */

static void print(double *ms, uint32_t count, const char *end)
{
    sort(ms, count);
    printf(" %.3f %.3f %.3f%s", ms[count / 2], ms[(uint64_t)count * 99 / 100], ms[count - 1], end);
}

static const struct latency_db *find(const char *name)
{
    static const struct latency_db *const all[] = {
#ifdef WITH_POSTGRES
        &latency_postgres, &latency_postgres_emit,
#endif
#ifdef WITH_MYSQL
        &latency_mysql,
#endif
        NULL};
    const struct latency_db *const *at = all;
    while (*at && strcmp((*at)->name, name))
        at++;
    return *at;
}

int main(int argc, char **argv)
{
    bool received = argc == 9 && !strcmp(argv[8], "received");
    uint32_t rate = argc == 8 || received ? (uint32_t)strtoul(argv[6], NULL, 10) : 0;
    if (!rate || !find(argv[1])) {
        fputs("usage: kafka-latency DATABASE TABLE WHERE BROKERS TOPIC RATE SECONDS [received]\n", stderr);
        return 64;
    }
    struct run run = {.db = find(argv[1]),
                      .table = argv[2],
                      .where = argv[3],
                      .brokers = strcmp(argv[4], "-") ? argv[4] : NULL,
                      .topic = argv[5],
                      .received = received,
                      .count = rate * (uint32_t)strtoul(argv[7], NULL, 10),
                      .writers = 1 + rate / RATE_OF_ONE,
                      .gap_ns = 1000000000u / rate};
    run.writers = run.writers < WRITERS_MAX ? run.writers : WRITERS_MAX;
    run.committed = calloc(run.count + 1, sizeof *run.committed);
    run.commit = calloc(run.count + 1, sizeof *run.commit);
    run.latency = calloc(run.count + 1, sizeof *run.latency);
    if (!run.count || !run.committed || !run.commit || !run.latency)
        exit(1);
    snprintf(run.name, sizeof run.name, "run-%ld", (long)getpid());
    for (uint32_t i = 0; i < run.count; i++)
        run.latency[i] = -1;
    if (!write_and_read(&run))
        return 1;
    printf("%u", run.count);
    print(run.latency, run.count, "");
    print(run.commit, run.count, "\n");
    free(run.committed);
    free(run.commit);
    free(run.latency);
    return 0;
}
