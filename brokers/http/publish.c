/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/publish.c - the queue of events, requests in flight, outcomes
 *
 * At most `max_requests` requests are in flight; the other events wait in the order of submission. An event is never
 * in flight beside another of its key: the host sees to that.
 */
#include "broker.h"

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void report(struct http_broker *broker, const struct http_message *message, struct http_meaning meaning,
                   const struct outbox_error *error)
{
    const struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes,
                                             .outcome = meaning.outcome,
                                             .first = message->index,
                                             .count = 1,
                                             .error = meaning.outcome == OUTBOX_DELIVERED ? NULL : error,
                                             .retry_after_ms = meaning.retry_after_ms};
    broker->host->outcomes(broker->host, message->op, &outcomes);
    broker->publishes -= outbox_answers_count(broker->host, message->op);
}

/* While the server is down each key fails by itself: that is logged once, at most once a minute. */
static void log_outage(struct http_broker *broker, CURLcode result, uint32_t outcome, const struct outbox_error *error)
{
    const uint64_t minute_ns = 60000000000;
    uint64_t now = broker->host->now(broker->host);
    if (result != CURLE_OK && outcome == OUTBOX_RETRY) {
        broker->failures++;
        if (broker->is_down || now < broker->quiet_until_ns)
            return;
        broker->is_down = true;
        broker->quiet_until_ns = now + minute_ns;
        broker->host->log(broker->host, OUTBOX_LOG_WARN, "%s; events wait, and are sent again", error->text);
    } else if (result == CURLE_OK) {
        if (broker->is_down)
            broker->host->log(broker->host, OUTBOX_LOG_INFO, "%s answers again after %u failed requests", broker->url,
                              broker->failures);
        broker->is_down = false;
        broker->failures = 0;
    }
}

/* Takes the request out of flight; its message has an outcome by then. */
static void end_request(struct http_request *request)
{
    struct http_broker *broker = request->broker;
    curl_multi_remove_handle(broker->multi, request->easy);
    broker->in_flight--;
    http_request_close(request);
}

void http_finish(struct http_request *request, CURLcode result)
{
    struct http_broker *broker = request->broker;
    struct outbox_error error;
    if (!request->message) {
        http_checked(request, result);
        end_request(request);
        return;
    }
    if (result == CURLE_OK && http_target_follow(request)) {
        curl_multi_remove_handle(broker->multi, request->easy);
        if (curl_multi_add_handle(broker->multi, request->easy) == CURLM_OK)
            return;
    }
    struct http_meaning meaning = http_outcome(request, result, &error);
    log_outage(broker, result, meaning.outcome, &error);
    report(broker, request->message, meaning, &error);
    end_request(request);
}

void http_abort(struct http_broker *broker, bool check_only)
{
    struct outbox_error error;
    struct http_request *next;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "send to %s: canceled", broker->url);
    for (struct http_request *request = broker->requests; request; request = next) {
        struct http_meaning meaning = {http_was_sent(request) ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED, 0};
        next = request->next;
        if (check_only && request->message)
            continue;
        if (request->message)
            report(broker, request->message, meaning, &error);
        else
            http_end_check(broker, &error);
        end_request(request);
    }
}

void http_drop_queue(struct http_broker *broker)
{
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "send to %s: the broker stops", broker->url);
    for (struct http_message *message; (message = broker->first);) {
        broker->first = message->next;
        report(broker, message, (struct http_meaning){OUTBOX_NOT_CONNECTED, 0}, &error);
    }
    broker->last = &broker->first;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static int begin(struct http_broker *broker, struct http_message *message, struct outbox_error *error)
{
    struct http_request *request = http_request_open(broker);
    if (!request)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "send to %s: out of memory", broker->url);
    broker->in_flight++;
    if (http_request_begin(request, message, error) == OUTBOX_OK) {
        if (curl_multi_add_handle(broker->multi, request->easy) == CURLM_OK)
            return OUTBOX_OK;
        outbox_error_set(error, OUTBOX_E_NO_MEMORY, "send to %s: libcurl does not take the request", broker->url);
    }
    broker->in_flight--;
    http_request_close(request);
    return error->code;
}

void http_send_queued(struct http_broker *broker)
{
    struct http_message *message;
    while ((message = broker->first) && broker->in_flight < broker->max_requests) {
        struct outbox_error error;
        if (!(broker->first = message->next))
            broker->last = &broker->first;
        if (begin(broker, message, &error))
            report(broker, message, (struct http_meaning){OUTBOX_RETRY, 0}, &error);
    }
}

static void queue(struct http_broker *broker, struct http_message *message)
{
    struct outbox_error error;
    if (http_admit(broker, message->event, &error)) {
        report(broker, message, (struct http_meaning){OUTBOX_REJECTED, 0}, &error);
        return;
    }
    *broker->last = message;
    broker->last = &message->next;
}

void http_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct http_broker *broker = self;
    struct http_message *messages = broker->host->op_messages(broker->host, op);
    outbox_answers_begin(broker->host, op, publish->count);
    broker->publishes++;
    for (uint32_t i = 0; i < publish->count; i++) {
        messages[i] = (struct http_message){.op = op, .index = i, .event = outbox_message_at(publish, i)};
        queue(broker, &messages[i]);
    }
    http_send_queued(broker);
    broker->publishes -= outbox_answers_end(broker->host, op);
}
