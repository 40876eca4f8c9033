/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/broker.h - the Redis broker: an event becomes an entry of a stream, by XADD
 *
 * Over the asynchronous interface of hiredis. Everything runs on the loop thread but the look-up of the host's name.
 * The capability is CONCURRENT: Redis answers each XADD by itself and may refuse one in the middle of a pipeline.
 *
 *     connection.c   one connection: look-up, connect, the host's watch, time-outs, the end
 *     login.c        AUTH, SELECT, INFO
 *     publish.c      a publish: one XADD an event; with replicas: a WAIT behind them
 *     reply.c        what an error of the server means for an event
 */
#ifndef OBX_BROKERS_REDIS_BROKER_H
#define OBX_BROKERS_REDIS_BROKER_H

#include <hiredis/async.h>

#include <outbox/plugin_util.h>

enum { HEADERS_MAX = 256, WORDS_MAX = 32 + 2 * HEADERS_MAX, FIELD_SIZE = 256, PRODUCER_SIZE = 256 };

/* One command, which is built and sent in one step. */
struct redis_command {
    int count;
    const char *words[WORDS_MAX];
    size_t sizes[WORDS_MAX];
    char fields[HEADERS_MAX][FIELD_SIZE], length[24];
};

struct redis_broker {
    /* options */
    const char *server, *socket, *user, *password, *tls_ca;
    int64_t database, max_length, replicas, timeout_ms;
    bool tls;

    const struct outbox_host *host;
    const char *relay;

    /* the connection; all NULL when there is none */
    char name[256]; /* of the server */
    int port;
    void *addresses;    /* struct addrinfo, not tried yet */
    void *address_list; /* owned; NULL: none */
    struct outbox_work lookup;
    bool looking_up;
    redisAsyncContext *connection;
    struct outbox_watch *watch;
    uint32_t interest;          /* OUTBOX_READABLE | OUTBOX_WRITABLE */
    bool in_hiredis;            /* the watch is armed after the call */
    bool refused;               /* the address refused: the next one is tried after the call */
    bool warned;                /* of a password in clear text */
    struct outbox_timer *timer; /* until the start: of one address; then: of the next PING */
    uint64_t last_reply_ns;
    uint32_t commands; /* without a reply */
    bool ready;        /* started */

    outbox_op_t start_op, stop_op, check_op;
    struct outbox_error start_error;
    const struct outbox_check *check;
    uint32_t publishes; /* in flight */

    struct redis_command command;

    char producer[PRODUCER_SIZE]; /* for IDMP: the outbox, so that ids of another outbox are other ids */
    /* the server, by INFO */
    bool idempotent; /* XADD knows IDMP: Redis 8.6; until the server refuses it */
    bool append_only;
    char version[24], eviction[24];
};

/* connection.c */
void redis_connect(struct redis_broker *broker); /* goes on with redis_log_in(), or ends with redis_start_failed() */
void redis_connect_next(struct redis_broker *broker);
void redis_disconnect(struct redis_broker *broker); /* replies that are missing become NULL */
void redis_connection_lost(struct redis_broker *broker, const struct outbox_error *error);
void redis_start_failed(struct redis_broker *broker, const struct outbox_error *error);
void redis_started(struct redis_broker *broker);
/* Sends a command. NULL reply: the connection ended before the answer. */
void redis_send(struct redis_broker *broker, redisCallbackFn *done, void *arg, int count, const char **words,
                const size_t *sizes);
void redis_end_stop(struct redis_broker *broker);
/* Each reply callback calls this first. */
void redis_note_reply(struct redis_broker *broker);

/* login.c */
void redis_log_in(struct redis_broker *broker);
int redis_tls_begin(struct redis_broker *broker, redisAsyncContext *connection, struct outbox_error *error);

/* publish.c */
struct redis_publish {             /* memory of the op */
    struct outbox_answers answers; /* first */
    uint32_t count;
    struct redis_broker *broker;
    outbox_op_t op;
};
struct redis_message { /* memory of the message */
    struct redis_publish *publish;
    uint32_t index;
    bool added;  /* and not reported: replicas are waited for */
    bool proven; /* was sent with IDMP */
};
_Static_assert(sizeof(struct redis_message) % 16 == 0, "an array of it has no gaps");
void redis_publish(void *self, outbox_op_t op, const struct outbox_publish *publish);
int redis_admit(void *self, const struct outbox_message *message, struct outbox_error *error);

/* reply.c */
/* The outcome of an event whose XADD got this reply; error: why, for all but OUTBOX_DELIVERED. */
uint32_t redis_outcome(const redisReply *reply, struct outbox_error *error);
/* E_PERMISSION, E_NOT_CONNECTED...: of a command at start. */
int redis_error_code(const char *text);

/* check.c */
void redis_check(void *self, outbox_op_t op, const struct outbox_check *check);
void redis_cancel_check(struct redis_broker *broker);

#endif
