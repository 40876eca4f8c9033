/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/connection.c - one connection: made on a worker, served by the host's watch, closed on a worker
 *
 * libnats does not reconnect: the host does, by stop() and start(). It requests events through add_read() and
 * add_write(), from any thread; the loop arms the watch. A server that is silent is found by PING, every 3 s, two
 * without an answer. libnats then closes its socket on a thread of its own, so the watch has a duplicate.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker.h"

enum { PING_MS = 3000, PINGS_OUT = 2 };

int nats_offload(struct nats_broker *broker, void (*work)(struct outbox_work *work),
                 void (*done)(struct outbox_work *work))
{
    broker->work = (struct outbox_work){.work = work, .done = done, .arg = broker};
    broker->work_error = (struct outbox_error){.code = OUTBOX_OK};
    broker->working = !broker->host->offload(broker->host, &broker->work);
    if (!broker->working)
        return outbox_error_set(&broker->work_error, OUTBOX_E_NO_MEMORY, "connect to %s: no worker thread is available",
                                broker->servers);
    return OUTBOX_OK;
}

/* ---- the watch --------------------------------------------------------------------------------------------------- */

/* Worker, within the connect. */
static natsStatus attach(void **user, void *loop, natsConnection *connection, natsSock socket)
{
    struct nats_broker *broker = loop;
    (void)connection;
    *user = broker;
    pthread_mutex_lock(&broker->mutex);
    broker->interest |= OUTBOX_READABLE; /* libnats does not request it */
    pthread_mutex_unlock(&broker->mutex);
    broker->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    return broker->socket < 0 ? NATS_IO_ERROR : NATS_OK;
}

static natsStatus detach(void *user)
{
    (void)user; /* the loop closes the watch */
    return NATS_OK;
}

static natsStatus change(struct nats_broker *broker, uint32_t event, bool add)
{
    pthread_mutex_lock(&broker->mutex);
    broker->interest = add ? broker->interest | event : broker->interest & ~event;
    pthread_mutex_unlock(&broker->mutex);
    broker->host->post(broker->host, &broker->task);
    return NATS_OK;
}

static natsStatus add_read(void *user, bool add)
{
    return change(user, OUTBOX_READABLE, add);
}

static natsStatus add_write(void *user, bool add)
{
    return change(user, OUTBOX_WRITABLE, add);
}

void nats_arm(struct nats_broker *broker)
{
    pthread_mutex_lock(&broker->mutex);
    uint32_t interest = broker->interest;
    pthread_mutex_unlock(&broker->mutex);
    if (broker->watch)
        broker->host->watch_arm(broker->watch, interest);
}

static void socket_ready(void *arg, uint32_t events)
{
    struct nats_broker *broker = arg;
    if (events & OUTBOX_READABLE)
        natsConnection_ProcessReadEvent(broker->connection);
    if (events & OUTBOX_WRITABLE)
        natsConnection_ProcessWriteEvent(broker->connection);
    nats_arm(broker);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static natsStatus set_login(natsOptions *options, const struct nats_broker *broker)
{
    natsStatus status = NATS_OK;
    if (broker->user)
        status = natsOptions_SetUserInfo(options, broker->user, broker->password ? broker->password : "");
    if (status == NATS_OK && broker->token)
        status = natsOptions_SetToken(options, broker->token);
    if (status == NATS_OK && broker->credentials)
        status = natsOptions_SetUserCredentialsFromFiles(options, broker->credentials, NULL);
    if (status == NATS_OK && (broker->tls || broker->tls_ca || broker->tls_cert))
        status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && broker->tls_ca)
        status = natsOptions_LoadCATrustedCertificates(options, broker->tls_ca);
    if (status == NATS_OK && broker->tls_cert)
        status = natsOptions_LoadCertificatesChain(options, broker->tls_cert, broker->tls_key);
    return status;
}

static natsStatus set_life(natsOptions *options, struct nats_broker *broker)
{
    natsStatus status = natsOptions_SetEventLoop(options, broker, attach, add_read, add_write, detach);
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(options, false);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, broker->connect_timeout_ms);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, broker->relay);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, PING_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(options, PINGS_OUT);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, nats_on_error, broker);
    if (status == NATS_OK)
        status = natsOptions_SetClosedCB(options, nats_on_closed, broker);
    return status;
}

/* "nats://a:4222, nats://b:4222" */
static natsStatus set_servers(natsOptions *options, const struct nats_broker *broker)
{
    enum { SERVERS_MAX = 32 };
    const char *list[SERVERS_MAX];
    char *copy = strdup(broker->servers), *rest = NULL;
    int count = 0;
    for (char *at = copy ? strtok_r(copy, ", ", &rest) : NULL; at && count < SERVERS_MAX;
         at = strtok_r(NULL, ", ", &rest))
        list[count++] = at;
    natsStatus status = natsOptions_SetServers(options, list, count);
    free(copy);
    return status;
}

static int error_code(natsStatus status)
{
    switch ((int)status) {
    case NATS_NOT_PERMITTED:
    case NATS_CONNECTION_AUTH_FAILED:
        return OUTBOX_E_PERMISSION;
    case NATS_SSL_ERROR:
    case NATS_INVALID_ARG:
    case NATS_SECURE_CONNECTION_REQUIRED:
    case NATS_SECURE_CONNECTION_WANTED:
        return OUTBOX_E_CONFIG;
    case NATS_NO_MEMORY:
        return OUTBOX_E_NO_MEMORY;
    default:
        return OUTBOX_E_NOT_CONNECTED;
    }
}

/* Worker. Waits for the last callbacks: no thread of libnats knows the broker any more. */
static void close_now(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    if (!broker->connection)
        return;
    natsConnection_Close(broker->connection);
    pthread_mutex_lock(&broker->mutex);
    while (!broker->closed || (broker->answers && !broker->answers_ended))
        pthread_cond_wait(&broker->ended, &broker->mutex);
    pthread_mutex_unlock(&broker->mutex);
    natsSubscription_Destroy(broker->answers);
    natsConnection_Destroy(broker->connection);
    broker->answers = NULL;
    broker->connection = NULL;
}

/* Worker. */
static void connect_now(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    natsOptions *options = NULL;
    natsInbox *inbox = NULL;
    close_now(work); /* of a start that was canceled */
    broker->closed = broker->answers_ended = false;
    broker->interest = 0;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_servers(options, broker);
    if (status == NATS_OK)
        status = set_login(options, broker);
    if (status == NATS_OK)
        status = set_life(options, broker);
    if (status == NATS_OK)
        status = natsConnection_Connect(&broker->connection, options);
    if (status == NATS_OK)
        status = natsInbox_Create(&inbox);
    if (status != NATS_OK) {
        const char *why = nats_GetLastError(NULL);
        outbox_error_set(&broker->work_error, error_code(status), "connect to %s: %s%s%s", broker->servers,
                         natsStatus_GetText(status), why && *why ? ": " : "", why && *why ? why : "");
    } else {
        snprintf(broker->inbox_subject, sizeof broker->inbox_subject, "%.*s.", OUTBOX_CUT(inbox, 40));
    }
    natsInbox_Destroy(inbox);
    natsOptions_Destroy(options);
}

static int subscribe(struct nats_broker *broker, struct outbox_error *error)
{
    char subject[INBOX_SIZE + 2];
    snprintf(subject, sizeof subject, "%s*", broker->inbox_subject);
    broker->max_payload = natsConnection_GetMaxPayload(broker->connection);
    if (broker->host->watch_open(broker->host, broker->socket, socket_ready, broker, &broker->watch))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->servers);
    natsStatus status = natsConnection_Subscribe(&broker->answers, broker->connection, subject, nats_on_answer, broker);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(broker->answers, -1, -1);
    if (status == NATS_OK)
        status = natsSubscription_SetOnCompleteCB(broker->answers, nats_on_answers_ended, broker);
    if (status != NATS_OK)
        return outbox_error_set(error, error_code(status), "subscribe to answers at %s: %s", broker->servers,
                                natsStatus_GetText(status));
    if (natsConnection_HasHeaderSupport(broker->connection) != NATS_OK)
        return outbox_error_set(error, OUTBOX_E_UNSUPPORTED,
                                "connect to %s: the server knows no headers of messages; NATS 2.2 and later do",
                                broker->servers);
    nats_arm(broker);
    return OUTBOX_OK;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void closed(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    outbox_op_t op = broker->stop_op;
    broker->working = false;
    outbox_queue_flush(&broker->notes); /* for messages that are gone */
    broker->stop_op = 0;
    broker->host->op_done(broker->host, op, NULL);
}

static void leave_loop(struct nats_broker *broker)
{
    broker->ready = false;
    broker->host->watch_close(broker->watch);
    broker->watch = NULL;
    if (broker->socket >= 0)
        close(broker->socket);
    broker->socket = -1;
    broker->host->timer_clear(broker->timer);
}

void nats_end_stop(struct nats_broker *broker)
{
    if (!broker->stop_op || broker->publishes || broker->working)
        return;
    leave_loop(broker);
    if (nats_offload(broker, close_now, closed)) {
        close_now(&broker->work);
        closed(&broker->work);
    }
}

void nats_connection_lost(struct nats_broker *broker, const struct outbox_error *error)
{
    bool stopping = broker->stop_op != 0;
    leave_loop(broker);
    nats_fail_all(broker, error);
    if (!stopping)
        broker->host->lost(broker->host, error);
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static void end_start(struct nats_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->start_op;
    broker->start_op = 0;
    broker->host->op_done(broker->host, op, error);
}

static void connected(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    struct outbox_error error = broker->work_error;
    broker->working = false;
    if (!error.code)
        subscribe(broker, &error);
    broker->ready = !error.code && broker->start_op;
    if (!broker->ready)
        leave_loop(broker);
    if (broker->start_op)
        end_start(broker, &error);
    nats_end_stop(broker);
}

void nats_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct nats_broker *broker = self;
    (void)start;
    broker->start_op = op;
    if (broker->working) /* an earlier start, which was canceled, still connects: it serves this one */
        return;
    if (!broker->timer && broker->host->timer_open(broker->host, nats_on_timer, broker, &broker->timer))
        outbox_error_set(&broker->work_error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->servers);
    else if (nats_offload(broker, connect_now, connected) == OUTBOX_OK)
        return;
    end_start(broker, &broker->work_error);
}

/* The answers are waited for until their deadline. */
void nats_stop(void *self, outbox_op_t op)
{
    struct nats_broker *broker = self;
    broker->stop_op = op;
    nats_end_stop(broker);
}

void nats_cancel(void *self, outbox_op_t op)
{
    struct nats_broker *broker = self;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "canceled");
    if (op == broker->start_op)
        end_start(broker, &error);
    else if (op == broker->check_op)
        nats_cancel_check(broker);
    else
        nats_fail_all(broker, &error);
    nats_end_stop(broker);
}
