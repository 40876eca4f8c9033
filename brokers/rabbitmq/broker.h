/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/broker.h - the RabbitMQ broker: an event becomes a persistent message of an exchange
 *
 * AMQP 0-9-1 over librabbitmq, whose calls block. So one thread owns the connection, and the loop never touches it. The
 * loop gives it events by the queue, and gets them back with their outcomes. RabbitMQ confirms each message by itself
 * and may refuse one in the middle: the capability is CONCURRENT.
 *
 *     loop     life.c        start, stop, cancel; what the thread reports
 *              publish.c     events to the thread; outcomes to the host; which events can be sent
 *     thread   thread.c      its work: connect, send, read, wait
 *              connection.c  connect, log in, open the channel
 *              message.c     one event as a message
 *              confirm.c     messages without confirmation; confirmations, returned messages, errors of the channel
 *              check.c       the verb check; its end runs on the loop
 */
#ifndef OBX_BROKERS_RABBITMQ_BROKER_H
#define OBX_BROKERS_RABBITMQ_BROKER_H

#include <pthread.h>

#include <outbox/plugin_util.h>

#include "librabbitmq.h"

enum { REASON_SIZE = 192, SUSPECTS = 8192, CHANNEL = 1, CHECK_CHANNEL = 2, SHORT_MAX = 255, FRAME_MAX = 131072 };

/* An event in the hands of the thread. Memory of the message; a multiple of 16 bytes: an array of it has no gaps. */
struct rabbit_message {
    struct outbox_in_flight_item sent; /* first; its number is the tag of the confirmation */
    struct rabbit_message *next;       /* in the queue, or the results */
    const struct outbox_message *event;
    outbox_op_t op;
    uint32_t index;
    uint32_t outcome;
    int32_t code;
    bool is_returned; /* no queue is bound: its confirmation follows */
    char reason[REASON_SIZE];
    char reserved[3];
};
_Static_assert(sizeof(struct rabbit_message) % 16 == 0, "an array of it has no gaps");

struct rabbit_list {
    struct rabbit_message *first, *last;
};

/* What both threads see, under the mutex. */
struct rabbit_shared {
    pthread_mutex_t mutex;
    struct rabbit_list queue;   /* to be sent */
    struct rabbit_list results; /* with an outcome */
    bool stop;                  /* send no more, wait for confirmations, end */
    bool give_up;               /* end at once */
    bool is_connected, has_ended;
    bool must_check, has_checked;
    int socket;                /* to shut down from the loop; -1: none */
    struct outbox_error error; /* why it ended; OK: it was stopped */
};

struct rabbit_broker {
    /* options */
    const char *servers, *user, *password, *virtual_host, *exchange, *content_type, *tls_ca, *tls_cert, *tls_key;
    int64_t confirm_timeout_ms, connect_timeout_ms, max_unconfirmed;
    bool tls, mandatory;

    const struct outbox_host *host;
    const char *relay;

    /* loop */
    struct outbox_task task;
    struct outbox_timer *timer; /* of stop */
    pthread_t thread;
    bool has_thread;
    bool is_ready; /* started, and not stopped or lost */
    int wake[2];   /* a pipe: the loop writes, the thread reads */
    outbox_op_t start_op, stop_op, check_op;
    const struct outbox_check *check;
    uint32_t publishes;

    struct rabbit_shared shared;

    /* thread */
    amqp_connection_state_t connection;
    char server[SHORT_MAX];
    size_t headers_max; /* bytes of key and headers; the loop reads it once connected */
    struct rabbit_list unsent;
    struct outbox_in_flight in_flight;
    uint8_t suspects[SUSPECTS]; /* by hash of the event id; 1: it may have closed the channel, and is sent alone */
    bool is_blocked;
    bool has_expired; /* a message of this channel waited too long: it may be the one that closes the channel */
    struct outbox_findings findings; /* the loop's after has_checked */
};

static inline void rabbit_append(struct rabbit_list *list, struct rabbit_message *message)
{
    message->next = NULL;
    *(list->last ? &list->last->next : &list->first) = message;
    list->last = message;
}

/* NULL: it is empty. */
static inline struct rabbit_message *rabbit_take(struct rabbit_list *list)
{
    struct rabbit_message *message = list->first;
    if (message && !(list->first = message->next))
        list->last = NULL;
    return message;
}

static inline struct rabbit_message *rabbit_oldest(const struct rabbit_broker *broker)
{
    return (struct rabbit_message *)(void *)broker->in_flight.first;
}

static inline amqp_bytes_t rabbit_bytes(struct outbox_bytes bytes)
{
    amqp_bytes_t copy = {bytes.size, NULL};
    memcpy(&copy.bytes, &bytes.data, sizeof copy.bytes); /* librabbitmq only reads it */
    return copy;
}

/* life.c */
void rabbit_start(void *self, outbox_op_t op, const struct outbox_broker_start *start);
void rabbit_stop(void *self, outbox_op_t op);
void rabbit_cancel(void *self, outbox_op_t op);
void rabbit_on_task(struct outbox_task *task);
void rabbit_on_timer(void *arg);
void rabbit_wake(const struct rabbit_broker *broker);

/* publish.c */
void rabbit_publish(void *self, outbox_op_t op, const struct outbox_publish *publish);
int rabbit_admit(void *self, const struct outbox_message *event, struct outbox_error *error);
void rabbit_report_results(struct rabbit_broker *broker);

/* thread.c */
void *rabbit_run(void *arg);

/* connection.c */
int rabbit_connect(struct rabbit_broker *broker, struct outbox_error *error);
int rabbit_open_channel(struct rabbit_broker *broker, struct outbox_error *error);
void rabbit_disconnect(struct rabbit_broker *broker, bool politely);
int rabbit_reply_error(struct outbox_error *error, const char *attempt, amqp_rpc_reply_t reply);
int rabbit_status_error(struct outbox_error *error, const char *attempt, int status);

/* message.c */
int rabbit_send(struct rabbit_broker *broker, const struct rabbit_message *message); /* amqp_status_enum */

/* confirm.c */
uint8_t *rabbit_suspect(struct rabbit_broker *broker, const struct rabbit_message *message);
void rabbit_resolve(struct rabbit_broker *broker, struct rabbit_message *message, uint32_t outcome, int code,
                    const char *format, ...) OUTBOX_PRINTF(5, 6);
int rabbit_on_frame(struct rabbit_broker *broker, const amqp_frame_t *frame, struct outbox_error *error);
void rabbit_expire(struct rabbit_broker *broker); /* messages that wait too long */

/* check.c */
void rabbit_check(void *self, outbox_op_t op, const struct outbox_check *check);
void rabbit_check_now(struct rabbit_broker *broker); /* thread */
void rabbit_end_check(struct rabbit_broker *broker, const struct outbox_error *error);

#endif
