/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/thread.c - the thread's work: connect, send, read, wait
 *
 * Failure modes: an error of the connection ends the thread. Messages in flight are then UNKNOWN, those not sent
 * NOT_CONNECTED. While RabbitMQ blocks publishers (memory or disk is short) nothing more is sent; a call that sends may
 * block, and ends when RabbitMQ reads again, or when the loop shuts the socket down.
 */
#include <poll.h>
#include <unistd.h>

#include "broker.h"

enum { BURST = 64, WAIT_MS = 1000 };

static void take_queue(struct rabbit_broker *broker, bool *must_stop, bool *must_give_up, bool *must_check)
{
    struct rabbit_shared *shared = &broker->shared;
    pthread_mutex_lock(&shared->mutex);
    for (struct rabbit_message *message; (message = rabbit_take(&shared->queue));)
        rabbit_append(&broker->unsent, message);
    *must_stop = shared->stop;
    *must_give_up = shared->give_up;
    *must_check = shared->must_check;
    shared->must_check = false;
    pthread_mutex_unlock(&shared->mutex);
}

/* A suspect is alone in flight: if the channel closes, it is the cause. */
static bool may_send(struct rabbit_broker *broker)
{
    const struct rabbit_message *next = broker->unsent.first, *oldest = rabbit_oldest(broker);
    if (!next || broker->is_blocked || broker->in_flight.count >= broker->max_unconfirmed)
        return false;
    return !oldest || (!*rabbit_suspect(broker, next) && !*rabbit_suspect(broker, oldest));
}

static int lost(const struct rabbit_broker *broker, int status, struct outbox_error *error)
{
    char attempt[SHORT_MAX + 40];
    snprintf(attempt, sizeof attempt, "connection to %s", broker->server);
    return rabbit_status_error(error, attempt, status);
}

static int send_burst(struct rabbit_broker *broker, struct outbox_error *error)
{
    for (int i = 0; i < BURST && may_send(broker); i++) {
        struct rabbit_message *message = rabbit_take(&broker->unsent);
        message->is_returned = false;
        outbox_in_flight_add(&broker->in_flight, &message->sent, broker->host->now(broker->host));
        int status = rabbit_send(broker, message);
        if (status != AMQP_STATUS_OK)
            return lost(broker, status, error);
    }
    return OUTBOX_OK;
}

/* Reads all that is there, and sends heartbeats. */
static int read_frames(struct rabbit_broker *broker, struct outbox_error *error)
{
    for (;;) {
        amqp_frame_t frame;
        struct timeval now = {0, 0};
        int status = amqp_simple_wait_frame_noblock(broker->connection, &frame, &now);
        if (status == AMQP_STATUS_TIMEOUT)
            break;
        if (status != AMQP_STATUS_OK)
            return lost(broker, status, error);
        if (rabbit_on_frame(broker, &frame, error))
            return error->code;
        amqp_maybe_release_buffers(broker->connection); /* of each: a server that never pauses costs no memory */
    }
    return OUTBOX_OK;
}

static void wait(struct rabbit_broker *broker)
{
    struct pollfd files[] = {{.fd = amqp_get_sockfd(broker->connection), .events = POLLIN},
                             {.fd = broker->wake[0], .events = POLLIN}};
    char bytes[64];
    poll(files, 2, WAIT_MS);
    while (read(broker->wake[0], bytes, sizeof bytes) > 0)
        continue;
}

static void return_unsent(struct rabbit_broker *broker, const struct outbox_error *error)
{
    for (struct rabbit_message *message; (message = rabbit_take(&broker->unsent));)
        rabbit_resolve(broker, message, OUTBOX_NOT_CONNECTED, error->code ? error->code : OUTBOX_E_NOT_CONNECTED, "%s",
                       error->code ? error->text : "publish to RabbitMQ: the broker stops");
}

/* Until stop() or an error. */
static int serve(struct rabbit_broker *broker, struct outbox_error *error)
{
    for (;;) {
        bool must_stop, must_give_up, must_check;
        take_queue(broker, &must_stop, &must_give_up, &must_check);
        if (must_give_up)
            return outbox_error_set(error, OUTBOX_E_CANCELED, "canceled");
        if (must_stop)
            return_unsent(broker, error);
        if (must_stop && !broker->in_flight.count)
            return OUTBOX_OK;
        if (must_check)
            rabbit_check_now(broker);
        int code = send_burst(broker, error);
        if (!code)
            code = read_frames(broker, error);
        if (code)
            return code;
        rabbit_expire(broker);
        if (!may_send(broker))
            wait(broker);
    }
}

static void set_connected(struct rabbit_broker *broker)
{
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.is_connected = true;
    pthread_mutex_unlock(&broker->shared.mutex);
    broker->host->post(broker->host, &broker->task);
}

/* No event stays with the thread. */
static void end(struct rabbit_broker *broker, const struct outbox_error *error)
{
    bool unused[3];
    while (rabbit_oldest(broker))
        rabbit_resolve(broker, rabbit_oldest(broker), OUTBOX_UNKNOWN, error->code, "%s", error->text);
    take_queue(broker, &unused[0], &unused[1], &unused[2]);
    return_unsent(broker, error);
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.error = *error;
    broker->shared.has_ended = true;
    for (struct rabbit_message *message; (message = rabbit_take(&broker->shared.queue));) { /* came since */
        message->outcome = OUTBOX_NOT_CONNECTED;
        message->code = OUTBOX_E_NOT_CONNECTED;
        snprintf(message->reason, sizeof message->reason, "publish to RabbitMQ: the connection has ended");
        rabbit_append(&broker->shared.results, message);
    }
    broker->host->post(broker->host, &broker->task);
    pthread_mutex_unlock(&broker->shared.mutex);
}

void *rabbit_run(void *arg)
{
    struct rabbit_broker *broker = arg;
    struct outbox_error error = {.code = OUTBOX_OK};
    pthread_setname_np(pthread_self(), "outbox-amqp");
    broker->in_flight.next_number = 1;
    broker->is_blocked = false;
    if (!rabbit_connect(broker, &error)) {
        set_connected(broker);
        serve(broker, &error);
    }
    rabbit_disconnect(broker, !error.code);
    end(broker, &error);
    return NULL;
}
