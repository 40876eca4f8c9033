/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/answer.c - what a status or an error means for an event
 *
 *   2xx                       delivered
 *   401 403 407               the login: no attempt is counted
 *   3xx 404 405 410           the URL: no attempt is counted
 *   408 409 421 423 424 425   later; an attempt is counted
 *   429 503                   later, after Retry-After; no attempt is counted
 *   502                       the server behind a proxy is down; it may have taken the event
 *   504                       the same, but an attempt is counted: the event may be the cause
 *   other 4xx                 the event is rejected
 *   other 5xx                 later; an attempt is counted
 *
 * Without an answer: a request that was not sent is tried again, and no attempt is counted. One that was sent may have
 * been delivered; a time-out counts as an attempt, a connection that ended does not.
 */
#include "broker.h"

static const struct meaning {
    long status;
    uint32_t outcome;
    int code;
} meanings[] = {
    {401, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
    {403, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
    {407, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
    {404, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {405, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {410, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
    {408, OUTBOX_RETRY, OUTBOX_E_IO},
    {409, OUTBOX_RETRY, OUTBOX_E_IO},
    {421, OUTBOX_RETRY, OUTBOX_E_IO},
    {423, OUTBOX_RETRY, OUTBOX_E_IO},
    {424, OUTBOX_RETRY, OUTBOX_E_IO},
    {425, OUTBOX_RETRY, OUTBOX_E_IO},
    {429, OUTBOX_RETRY, OUTBOX_E_AGAIN},
    {503, OUTBOX_RETRY, OUTBOX_E_AGAIN},
    {502, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_AGAIN},
    {504, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_TIMEOUT},
};

static struct meaning by_status(long status)
{
    for (unsigned i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].status == status)
            return meanings[i];
    if (status >= 200 && status < 300)
        return (struct meaning){status, OUTBOX_DELIVERED, OUTBOX_OK};
    if (status >= 300 && status < 400)
        return (struct meaning){status, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND};
    if (status >= 400 && status < 500)
        return (struct meaning){status, OUTBOX_REJECTED, OUTBOX_E_REJECTED};
    return (struct meaning){status, OUTBOX_RETRY, OUTBOX_E_IO};
}

static struct http_meaning status_outcome(const struct http_request *request, struct outbox_error *error)
{
    long status = 0;
    curl_off_t retry_after = 0; /* seconds; libcurl converts a date */
    char *location = NULL;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &location);
    struct meaning meaning = by_status(status);
    struct outbox_bytes detail = {request->answer, request->answer_size}; /* its last character may be incomplete */
    if (location)
        detail = (struct outbox_bytes){location, strlen(location)};
    if (meaning.code)
        outbox_error_set(error, meaning.code, "POST %s: the answer is %ld%s%.*s", request->url, status,
                         location               ? ", moved to "
                         : request->answer_size ? ": "
                                                : "",
                         outbox_cut_bytes(detail, location ? 160 : ANSWER_SIZE - 4), (const char *)detail.data);
    error->native = (int32_t)status;
    bool is_later = meaning.outcome == OUTBOX_RETRY || meaning.outcome == OUTBOX_RETRY_UNKNOWN;
    enum { HOUR = 3600 };
    /* a date of the past gives a negative number */
    uint32_t seconds = retry_after > HOUR ? HOUR : retry_after > 0 ? (uint32_t)retry_after : 0;
    return (struct http_meaning){meaning.outcome, is_later ? seconds * 1000 : 0};
}

/* Bytes of the request may have left. */
bool http_was_sent(const struct http_request *request)
{
    curl_off_t begun_us = 0;
    long size = 0;
    curl_easy_getinfo(request->easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
    curl_easy_getinfo(request->easy, CURLINFO_REQUEST_SIZE, &size);
    return begun_us > 0 || size > 0;
}

/* The cause that the relay counts: PERMISSION and AGAIN cost no attempt. */
static int error_code(CURLcode result)
{
    switch ((int)result) {
    case CURLE_OPERATION_TIMEDOUT:
        return OUTBOX_E_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return OUTBOX_E_NO_MEMORY;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return OUTBOX_E_PERMISSION;
    default:
        return OUTBOX_E_AGAIN;
    }
}

struct http_meaning http_outcome(const struct http_request *request, CURLcode result, struct outbox_error *error)
{
    long status = 0;
    *error = (struct outbox_error){.code = OUTBOX_OK};
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OK || (result == CURLE_WRITE_ERROR && status))
        return status_outcome(request, error);
    if (request->refused[0]) {
        outbox_error_set(error, OUTBOX_E_PERMISSION,
                         "POST %s: the address %s is not public; allow_private: true allows it", request->url,
                         request->refused);
        return (struct http_meaning){OUTBOX_RETRY, 0};
    }
    bool was_sent = http_was_sent(request);
    int code = error_code(result);
    if (!was_sent && code == OUTBOX_E_TIMEOUT)
        code = OUTBOX_E_AGAIN; /* an outage */
    outbox_error_set(error, code, "POST %s: %s%s", request->url,
                     request->reason[0] ? request->reason : curl_easy_strerror(result),
                     was_sent ? "; it may have been delivered" : "");
    error->native = (int32_t)result;
    return (struct http_meaning){was_sent ? OUTBOX_RETRY_UNKNOWN : OUTBOX_RETRY, 0};
}
