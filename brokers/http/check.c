/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/check.c - the verb check: can a connection be opened, by TLS where the URL has it?
 *
 * Nothing is sent: a request to a webhook may have effects. So a wrong path or login shows by the first event.
 */
#include <stdlib.h>

#include "broker.h"

void http_end_check(struct http_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->check_op;
    broker->check_op = 0;
    broker->host->op_done(broker->host, op, error);
}

void http_checked(struct http_request *request, CURLcode result)
{
    struct http_broker *broker = request->broker;
    const struct outbox_check *check = broker->check;
    struct outbox_error error;
    char text[400], *address = NULL;
    curl_easy_getinfo(request->easy, CURLINFO_PRIMARY_IP, &address);
    if (result == CURLE_OK) {
        snprintf(text, sizeof text, "connected to %s, %s; no event was sent", broker->url, address ? address : "");
        outbox_report_finding(check, OUTBOX_SEVERITY_OK, "url", text, NULL);
        if (!strncmp(broker->url, "http://", 7) && address && strncmp(address, "127.", 4) && strcmp(address, "::1"))
            outbox_report_finding(check, OUTBOX_SEVERITY_WARNING, "url",
                                  "events and logins are sent without encryption",
                                  "use a URL that begins with https://");
    } else {
        http_outcome(request, result, &error);
        if (error.code != OUTBOX_E_PERMISSION)
            error.code = OUTBOX_E_NOT_CONNECTED;
        outbox_report_failure(check, "url", &error, "check url, tls_ca and allow_private, and the network");
    }
    http_end_check(broker, NULL);
}

void http_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct http_broker *broker = self;
    struct http_request *request = http_request_open(broker);
    struct outbox_error error;
    broker->check_op = op;
    broker->check = check;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "check %s: out of memory", broker->url);
    if (!request) {
        http_end_check(broker, &error);
        return;
    }
    broker->in_flight++;
    request->reason[0] = request->refused[0] = '\0';
    if ((request->url = http_target(broker, (struct outbox_bytes){"check", 5}))) {
        curl_easy_setopt(request->easy, CURLOPT_URL, request->url);
        curl_easy_setopt(request->easy, CURLOPT_CONNECT_ONLY, 1L);
        if (curl_multi_add_handle(broker->multi, request->easy) == CURLM_OK)
            return;
    }
    broker->in_flight--;
    http_request_close(request);
    http_end_check(broker, &error);
}
