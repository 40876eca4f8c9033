/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/connection.c - libcurl on the host's watches and timer; start and stop
 *
 * libcurl reports for each socket what it waits for, and one time-out for all. Connections are opened by requests and
 * kept for the next ones. So start() connects to nothing, and a server that is down shows by the requests.
 *
 * stop() waits for the requests in flight; each has its time-out. Events of the queue were not sent.
 */
#include <pthread.h>
#include <stdlib.h>

#include "broker.h"

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

struct socket_watch {
    struct http_broker *broker;
    struct outbox_watch *watch;
    curl_socket_t socket;
    uint32_t interest; /* OUTBOX_READABLE | OUTBOX_WRITABLE */
};

static void read_results(struct http_broker *broker)
{
    CURLMsg *result;
    int left;
    while (broker->multi && (result = curl_multi_info_read(broker->multi, &left))) {
        struct http_request *request = NULL;
        CURLcode code = result->data.result; /* the call below may free it */
        curl_easy_getinfo(result->easy_handle, CURLINFO_PRIVATE, &request);
        http_finish(request, code);
    }
    http_send_queued(broker);
    http_end_stop(broker);
}

/* libcurl may close the watch in the call: it is armed before. */
static void on_socket(void *arg, uint32_t events)
{
    struct socket_watch *watch = arg;
    struct http_broker *broker = watch->broker;
    int running,
        flags = (events & OUTBOX_READABLE ? CURL_CSELECT_IN : 0) | (events & OUTBOX_WRITABLE ? CURL_CSELECT_OUT : 0);
    broker->host->watch_arm(watch->watch, watch->interest);
    curl_multi_socket_action(broker->multi, watch->socket, flags, &running);
    read_results(broker);
}

static void on_timer(void *arg)
{
    struct http_broker *broker = arg;
    int running;
    if (!broker->multi)
        return;
    curl_multi_socket_action(broker->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    read_results(broker);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_broker *broker = arg;
    (void)multi;
    if (timeout_ms < 0)
        broker->host->timer_clear(broker->timer);
    else
        broker->host->timer_set(broker->timer, (uint64_t)timeout_ms * 1000);
    return 0;
}

static void close_watch(struct socket_watch *watch)
{
    if (!watch)
        return;
    curl_multi_assign(watch->broker->multi, watch->socket, NULL);
    watch->broker->host->watch_close(watch->watch);
    free(watch);
}

static struct socket_watch *open_watch(struct http_broker *broker, curl_socket_t socket)
{
    struct socket_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    *watch = (struct socket_watch){.broker = broker, .socket = socket};
    if (broker->host->watch_open(broker->host, socket, on_socket, watch, &watch->watch)) {
        free(watch);
        return NULL;
    }
    curl_multi_assign(broker->multi, socket, watch);
    return watch;
}

/* Without memory for a watch the requests of this socket end by their time-out. */
static int set_watch(CURL *easy, curl_socket_t socket, int what, void *arg, void *user)
{
    struct http_broker *broker = arg;
    struct socket_watch *watch = user;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        close_watch(watch);
    } else if (watch || (watch = open_watch(broker, socket))) {
        watch->interest = (what & CURL_POLL_IN ? OUTBOX_READABLE : 0) | (what & CURL_POLL_OUT ? OUTBOX_WRITABLE : 0);
        broker->host->watch_arm(watch->watch, watch->interest);
    }
    return 0;
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static void begin_libcurl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool open_multi(struct http_broker *broker)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin_libcurl);
    if (!broker->timer && broker->host->timer_open(broker->host, on_timer, broker, &broker->timer))
        return false;
    if (!(broker->multi = curl_multi_init()))
        return false;
    curl_multi_setopt(broker->multi, CURLMOPT_SOCKETFUNCTION, set_watch);
    curl_multi_setopt(broker->multi, CURLMOPT_SOCKETDATA, broker);
    curl_multi_setopt(broker->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(broker->multi, CURLMOPT_TIMERDATA, broker);
    curl_multi_setopt(broker->multi, CURLMOPT_MAXCONNECTS, (long)broker->max_requests);
    return true;
}

void http_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct http_broker *broker = self;
    struct outbox_error error;
    (void)start;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "start libcurl: out of memory");
    broker->host->op_done(broker->host, op, broker->multi || open_multi(broker) ? NULL : &error);
}

static void close_multi(struct http_broker *broker)
{
    if (broker->multi)
        curl_multi_cleanup(broker->multi); /* closes the connections, and by that the watches */
    broker->multi = NULL;
    for (struct http_request *request; (request = broker->spare);) {
        broker->spare = request->next;
        http_request_free(request);
    }
    broker->host->timer_clear(broker->timer);
}

void http_end_stop(struct http_broker *broker)
{
    outbox_op_t op = broker->stop_op;
    if (!op || broker->publishes || broker->in_flight)
        return;
    broker->stop_op = 0;
    close_multi(broker);
    broker->host->op_done(broker->host, op, NULL);
}

void http_stop(void *self, outbox_op_t op)
{
    struct http_broker *broker = self;
    broker->stop_op = op;
    http_drop_queue(broker);
    http_end_stop(broker);
}

/* Of stop or of a publish: nothing is waited for. */
void http_cancel(void *self, outbox_op_t op)
{
    struct http_broker *broker = self;
    if (op != broker->check_op)
        http_drop_queue(broker);
    http_abort(broker, op == broker->check_op);
    http_end_stop(broker);
}
