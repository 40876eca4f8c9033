/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/altered.c - altered answers of Kafka: a size, the number of the request, a body
 *
 * Each has the size of its bytes and the number of a request, so that librdkafka reads it. The sections: without and
 * with transactions, whose progress records are read at the start.
 *
 * Answers to Fetch stay as they are: librdkafka (2.0.2) ends the process by an assertion, "refcnt sub-zero" in rd.h,
 * when one of them is wrong. What our own code reads from them, tests/fuzz/progress.c alters. And it reads one byte
 * past the end of an answer to Metadata that ends with a string: copies of its own are not checked here.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../altered.h"

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the name that the sanitizer calls */
const char *__asan_default_suppressions(void);

const char *__asan_default_suppressions(void)
{
    return "interceptor_via_lib:librdkafka\n";
}

enum { HEAD = 8, FETCH = 1 };
static uint32_t get4(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put4(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t message(const uint8_t *data, size_t size)
{
    size_t whole = size < HEAD ? HEAD : 4 + (size_t)get4(data);
    return size < whole ? 0 : whole;
}

static bool ends_login(const uint8_t *data, size_t size)
{
    (void)data, (void)size;
    return true;
}

static void renumber(struct alter *alter, uint8_t *data, size_t size)
{
    put4(data, (uint32_t)size - 4);
    if (alter->id)
        put4(data + 4, alter->id);
}

/* Notes which request has which number. A head that is sent in two parts is missed. */
static void sent(struct alter *alter, const uint8_t *data, size_t size)
{
    size_t at = alter->rest;
    for (; at + 12 <= size; at += 4 + (size_t)get4(data + at)) {
        uint32_t id = get4(data + at + 8);
        alter->requests[id % 64].id = id;
        alter->requests[id % 64].what = (uint16_t)(data[at + 4] << 8 | data[at + 5]);
    }
    alter->rest = at > size ? at - size : 0;
}

static int request_of(const struct alter *alter, uint32_t id)
{
    return alter->requests[id % 64].id == id ? alter->requests[id % 64].what : -1;
}

static void alter(struct alter *alter, const uint8_t *data, size_t size)
{
    static const struct alter_bytes others[] = {
        ALTER_BYTES("\0\0\0\0\0\0\0\0"),
        ALTER_BYTES("\0\0\0\0\0\0\0\0\0\x23\0\0\0\0"),
        ALTER_BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ALTER_BYTES("\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ALTER_BYTES("\0\0\0\0\0\0\0\0\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff"),
    };
    uint32_t id = get4(data + 4);
    if (request_of(alter, id) == FETCH || request_of(alter, id) < 0) {
        alter_emit(alter, data, size);
        return;
    }
    alter->id = id;
    alter_any(alter, (struct alter_bytes){(const char *)data, size}, HEAD, 0, others, sizeof others / sizeof *others);
    alter->id = 0;
}

/* The broker advertises the address of the proxy. */
static void begin(struct altering_proxy *proxy, int *target)
{
    const char *port = getenv("OUTBOX_TEST_KAFKA_PROXY"), *behind = getenv("OUTBOX_TEST_KAFKA_BEHIND");
    static const char create[] =
        "topic() { \"$OUTBOX_TEST_KAFKA_SERVICE\" tool \"$OUTBOX_TEST_KAFKA_DIR\" "
        "org.apache.kafka.tools.TopicCommand --create --if-not-exists --topic \"$@\" >/dev/null 2>&1; }; "
        "topic altered && topic altered-progress --config cleanup.policy=compact";
    cr_assert_eq(system(create), 0);
    proxy->port = port ? (unsigned)atoi(port) : 0;
    *target = behind ? atoi(behind) : 0;
}

static const struct alter_protocol protocol = {message, ends_login, alter, renumber, sent};
#define SECTION "plugin: kafka\n bootstrap.servers: \"127.0.0.1:PORT\"\n options: { socket.timeout.ms: 400 }"
const struct altered_broker altered_broker = {
    &protocol, "altered", {SECTION, SECTION "\n transactional.id: altered\n progress_topic: altered-progress"},
    1500,      600,       100,
    begin};
