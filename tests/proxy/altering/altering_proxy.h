/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/altering/altering_proxy.h - a proxy that changes what a server answers, at random
 *
 * It takes the server's stream apart into the messages of its protocol, and now and then drops, repeats, replaces or
 * changes one, so that what comes out is mostly well-formed: a client library lets it pass, and the code behind it has
 * to deal with it. What a client sends goes through unchanged. Runs with the same seed alter the same messages.
 */
#ifndef OBX_TESTS_PROXY_ALTERING_ALTERING_PROXY_H
#define OBX_TESTS_PROXY_ALTERING_ALTERING_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alter;

/* What a protocol adds. */
struct alter_protocol {
    /* Bytes of the first whole message; 0: it has not come whole. */
    size_t (*message)(const uint8_t *data, size_t size);
    bool (*ends_login)(const uint8_t *message, size_t size);
    /* Emits what comes instead of the message: alter_emit() any number of times. */
    void (*alter)(struct alter *alter, const uint8_t *message, size_t size);
    /* Before a message goes out; may change it. */
    void (*renumber)(struct alter *alter, uint8_t *message, size_t size);
    void (*sent)(struct alter *alter, const uint8_t *data, size_t size); /* by the client */
};
extern const struct alter_protocol alter_postgres, alter_mysql; /* of the stores */

enum { ALTER_KEPT = 32, ALTER_MESSAGE = 1 << 16 };
struct alter { /* of one connection */
    const struct alter_protocol *protocol;
    uint64_t random;
    unsigned one_in; /* of so many messages one is altered */
    bool logged_in;
    uint8_t number; /* of the next message: MySQL */
    uint32_t id;    /* of the message that is altered: Kafka */
    size_t rest;    /* of the request that is being sent: Kafka */
    struct {
        uint32_t id;
        uint16_t what;
    } requests[64]; /* by the id: Kafka */
    uint8_t *in, *out;
    size_t in_size, in_room, out_size, out_room;
    struct {
        uint8_t *data;
        size_t size;
    } kept[ALTER_KEPT]; /* messages from before, to replace others */
    unsigned kept_count;
};

uint64_t alter_random(struct alter *alter, uint64_t below);
void alter_emit(struct alter *alter, const uint8_t *message, size_t size);
/* Emits a message that was sent before, or nothing. */
void alter_emit_kept(struct alter *alter);

struct alter_bytes {
    const char *data;
    size_t size;
};
#define ALTER_BYTES(text)      \
    {                          \
        text, sizeof(text) - 1 \
    }
/* For protocols without an idea of their own: emits nothing, the message twice, one from before, one of `others`, or
 * the message with some bytes changed or cut out; `head` bytes at its begin and `tail` at its end stay. */
void alter_any(struct alter *alter, struct alter_bytes message, size_t head, size_t tail,
               const struct alter_bytes *others, unsigned count);
/* The last two of these. */
void alter_emit_one(struct alter *alter, const struct alter_bytes *others, unsigned count);
void alter_change(struct alter *alter, struct alter_bytes message, size_t head, size_t tail);
/* Texts: bytes of the first line with its end; 0: it has not come whole. */
size_t alter_line(const uint8_t *data, size_t size);

struct altering_proxy {
    const struct alter_protocol *protocol;
    unsigned port;    /* 0: any; then the one it is */
    unsigned idle_ms; /* a connection on which nothing moves for so long is closed: for clients that wait for ever; 0 */
    int target, listener;
    pthread_t thread;
    _Atomic uint64_t seed; /* of the connections from now on */
    atomic_bool stop;
    _Atomic uint64_t messages, altered;
};
void altering_proxy_start(struct altering_proxy *proxy, const struct alter_protocol *protocol, int target);
void altering_proxy_stop(struct altering_proxy *proxy);
/* A number in the environment, such as OUTBOX_ALTERED_SEED. */
uint64_t altering_proxy_setting(const char *variable, uint64_t default_value);

#endif
