/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/broker.h - the NATS broker: an event becomes a message of a JetStream stream
 *
 * Over libnats, attached to the host's loop: publishing appends to a buffer and never blocks. Only connecting and
 * closing block, on a worker. JetStream answers each message by itself and may refuse one in the middle: the capability
 * is CONCURRENT.
 *
 *     connection.c   connect on a worker, the host's watch, the end of a connection
 *     inbox.c        answers and errors, from threads of libnats to the loop, by a queue
 *     publish.c      messages out; those that wait for an answer; their deadline
 *     answer.c       what an answer of JetStream means for an event
 *
 * Threads of libnats run on_answer(), on_error() and on_closed() of inbox.c, and add_write() of connection.c. They
 * touch nothing but the queue, and what is under the mutex.
 */
#ifndef OBX_BROKERS_NATS_BROKER_H
#define OBX_BROKERS_NATS_BROKER_H

#include <nats/nats.h>
#include <pthread.h>

#include <outbox/plugin_util.h>

enum { INBOX_SIZE = 48, REASON_SIZE = 200 };

/* An event that was sent. Memory of the message. The number of the sending is the last part of the reply subject. */
struct nats_message {
    struct outbox_in_flight_item sent; /* first */
    struct nats_broker *broker;
    outbox_op_t op;
    const struct outbox_message *event;
    uint32_t index;
    uint32_t reserved[3];
};
_Static_assert(sizeof(struct nats_message) % 16 == 0, "an array of it has no gaps");

/* What a thread of libnats has for the loop. */
struct nats_note {
    struct outbox_queue_item item; /* first */
    struct nats_note *next;        /* while it is spare */
    natsMsg *answer;               /* owned; NULL: an error that the server reported, in text */
    char text[REASON_SIZE];
};

struct nats_broker {
    /* options */
    const char *servers, *user, *password, *token, *credentials, *tls_ca, *tls_cert, *tls_key;
    int64_t ack_timeout_ms, connect_timeout_ms;
    bool tls;

    const struct outbox_host *host;
    const char *relay;

    natsConnection *connection;
    natsSubscription *answers;
    char inbox_subject[INBOX_SIZE]; /* "_INBOX.x." */
    int64_t max_payload;
    int socket; /* a duplicate: libnats closes its own at any time, on any thread; -1: none */
    struct outbox_watch *watch;
    struct outbox_timer *timer;
    bool ready;
    struct outbox_queue notes;

    pthread_mutex_t mutex; /* of what follows, up to the blank line */
    pthread_cond_t ended;
    bool closed, answers_ended; /* no callback of the connection, of the subscription, comes any more */
    char closed_text[REASON_SIZE];
    struct nats_note *spare; /* used again, so that an answer allocates nothing */
    bool check_canceled;
    uint32_t interest; /* OUTBOX_READABLE | OUTBOX_WRITABLE */

    struct outbox_task task; /* arms the watch, and finds that the connection is closed */
    struct outbox_work work; /* connects, closes or checks; one at a time */
    bool working;
    struct outbox_error work_error;
    outbox_op_t start_op, stop_op, check_op;
    const struct outbox_check *check;
    struct outbox_findings findings; /* of the worker of check */

    struct outbox_in_flight in_flight; /* sent, without an answer */
    uint32_t publishes;
};

/* connection.c */
void nats_start(void *self, outbox_op_t op, const struct outbox_broker_start *start);
void nats_stop(void *self, outbox_op_t op);
void nats_cancel(void *self, outbox_op_t op);
void nats_end_stop(struct nats_broker *broker);
void nats_connection_lost(struct nats_broker *broker, const struct outbox_error *error);
void nats_arm(struct nats_broker *broker);
int nats_offload(struct nats_broker *broker, void (*work)(struct outbox_work *work),
                 void (*done)(struct outbox_work *work));

/* inbox.c: threads of libnats; the last three: the loop */
void nats_on_answer(natsConnection *connection, natsSubscription *subscription, natsMsg *answer, void *arg);
void nats_on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *arg);
void nats_on_closed(natsConnection *connection, void *arg);
void nats_on_answers_ended(void *arg);
void nats_read_note(void *arg, struct outbox_queue_item *item);
void nats_on_task(struct outbox_task *task);
void nats_free_notes(struct nats_broker *broker); /* none is in the queue */

/* publish.c */
void nats_publish(void *self, outbox_op_t op, const struct outbox_publish *publish);
int nats_admit(void *self, const struct outbox_message *message, struct outbox_error *error);
void nats_report(struct nats_message *message, uint32_t outcome, const struct outbox_error *error);
void nats_fail_all(struct nats_broker *broker, const struct outbox_error *error); /* UNKNOWN */
void nats_refuse_subject(struct nats_broker *broker, const char *reason);
void nats_on_timer(void *arg);

/* answer.c */
uint32_t nats_outcome(natsMsg *answer, struct outbox_error *error);

/* check.c */
void nats_check(void *self, outbox_op_t op, const struct outbox_check *check);
void nats_cancel_check(struct nats_broker *broker);

#endif
