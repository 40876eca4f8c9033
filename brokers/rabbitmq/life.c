/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/life.c - start, stop, cancel; what the thread reports. Loop thread
 *
 * start() begins the thread, which connects; it ends by stop(), or when the connection ends, which is a loss. The host
 * then calls stop() and start(). stop() waits for confirmations; after `confirm_timeout` the socket is shut down, which
 * wakes the thread from any call.
 */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"

void rabbit_wake(const struct rabbit_broker *broker)
{
    ssize_t written = write(broker->wake[1], "", 1); /* a full pipe wakes as well */
    (void)written;
}

static void give_up(struct rabbit_broker *broker)
{
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.give_up = true;
    if (broker->shared.socket >= 0)
        shutdown(broker->shared.socket, SHUT_RDWR);
    pthread_mutex_unlock(&broker->shared.mutex);
    rabbit_wake(broker);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static void end_start(struct rabbit_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->start_op;
    broker->start_op = 0;
    if (op)
        broker->host->op_done(broker->host, op, error);
}

static void begin_thread(struct rabbit_broker *broker)
{
    struct outbox_error error;
    sigset_t all, before;
    struct rabbit_shared *shared = &broker->shared;
    shared->stop = shared->give_up = shared->is_connected = shared->has_ended = false;
    shared->must_check = shared->has_checked = false;
    shared->error = (struct outbox_error){.code = OUTBOX_OK};
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    broker->has_thread = !pthread_create(&broker->thread, NULL, rabbit_run, broker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (broker->has_thread)
        return;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "connect to RabbitMQ: no more threads");
    end_start(broker, &error);
}

/* The thread of a start that was canceled may still run: the next one begins after it. */
void rabbit_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct rabbit_broker *broker = self;
    (void)start;
    broker->start_op = op;
    if (!broker->has_thread)
        begin_thread(broker);
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */

static void end_stop(struct rabbit_broker *broker)
{
    outbox_op_t op = broker->stop_op;
    if (!op || broker->has_thread || broker->publishes)
        return;
    broker->stop_op = 0;
    broker->host->timer_clear(broker->timer);
    broker->host->op_done(broker->host, op, NULL);
}

void rabbit_stop(void *self, outbox_op_t op)
{
    struct rabbit_broker *broker = self;
    broker->stop_op = op;
    broker->is_ready = false;
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.stop = true;
    if (broker->start_op && broker->shared.socket >= 0)
        shutdown(broker->shared.socket, SHUT_RDWR); /* it still logs in, and nobody waits for that */
    pthread_mutex_unlock(&broker->shared.mutex);
    rabbit_wake(broker);
    broker->host->timer_set(broker->timer, (uint64_t)broker->confirm_timeout_ms * 1000);
    end_stop(broker);
}

void rabbit_on_timer(void *arg)
{
    give_up(arg);
}

void rabbit_cancel(void *self, outbox_op_t op)
{
    struct rabbit_broker *broker = self;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "canceled");
    give_up(broker);
    if (op == broker->start_op)
        end_start(broker, &error);
}

/* ---- reports of the thread --------------------------------------------------------------------------------------- */

static void on_ended(struct rabbit_broker *broker)
{
    struct outbox_error error = broker->shared.error;
    bool was_ready = broker->is_ready, was_canceled = broker->shared.give_up;
    pthread_join(broker->thread, NULL);
    broker->has_thread = broker->is_ready = false;
    rabbit_end_check(broker, &error);
    if (broker->start_op && was_canceled && !broker->stop_op)
        begin_thread(broker);
    else if (broker->start_op)
        end_start(broker, &error);
    else if (was_ready)
        broker->host->lost(broker->host, &error);
    end_stop(broker);
}

void rabbit_on_task(struct outbox_task *task)
{
    struct rabbit_broker *broker = task->arg;
    struct rabbit_shared *shared = &broker->shared;
    pthread_mutex_lock(&shared->mutex);
    bool is_connected = shared->is_connected && !shared->give_up, has_ended = shared->has_ended;
    bool has_checked = shared->has_checked;
    pthread_mutex_unlock(&shared->mutex);
    if (!broker->has_thread)
        return;
    rabbit_report_results(broker);
    if (is_connected && broker->start_op) {
        broker->is_ready = true;
        end_start(broker, NULL);
    }
    if (has_checked)
        rabbit_end_check(broker, NULL);
    if (has_ended)
        on_ended(broker);
}
