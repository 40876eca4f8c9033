/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/request.c - one request: its handle, its settings, the bytes of the answer
 *
 * Safe by default: certificates are verified, no redirect is followed by libcurl, no proxy is taken from the
 * environment, only http and https are spoken, and a socket to an address that is not public is not opened.
 */
#include <stdlib.h>
#include <unistd.h>

#include "broker.h"

enum { ANSWER_MAX = 64 << 10, BUFFER = 4 << 10 };

/* ---- callbacks of libcurl ---------------------------------------------------------------------------------------- */

/* Keeps the beginning, for the error's text. A larger answer ends the transfer; its status counts. */
static size_t on_answer(char *bytes, size_t one, size_t size, void *arg)
{
    struct http_request *request = arg;
    size_t room = sizeof request->answer - 1 - request->answer_size;
    (void)one;
    for (size_t i = 0; i < size && i < room; i++) {
        bool is_visible = (unsigned char)bytes[i] >= ' ' && (unsigned char)bytes[i] < 0x7f;
        request->answer[request->answer_size++] = is_visible ? bytes[i] : ' ';
    }
    request->answer_total += size;
    return request->answer_total <= ANSWER_MAX ? size : 0;
}

/* The address is that of the connection: no second look-up can give another one. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_request *request = arg;
    (void)purpose;
    if (!request->broker->allow_private && !http_is_public(&address->addr, request->refused))
        return CURL_SOCKET_BAD;
    request->refused[0] = '\0';
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* The strings live as long as the broker; libcurl copies them. */
static void set_login(CURL *easy, const struct http_broker *broker)
{
    if (broker->tls_ca) { /* and no other certificates */
        curl_easy_setopt(easy, CURLOPT_CAINFO, broker->tls_ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, (char *)NULL);
    }
    curl_easy_setopt(easy, CURLOPT_SSLCERT, broker->tls_cert);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, broker->tls_key);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!broker->user)
        return;
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, broker->user);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, broker->password ? broker->password : "");
}

static void set_limits(CURL *easy, const struct http_broker *broker)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a time-out does not wait for a look-up of a name */
#endif
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not that of the environment */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)broker->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)broker->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* Rather a stream of HTTP/2 than a connection. Without TLS it would wait for the first answer to know. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, strncmp(broker->url, "https://", 8) ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

static void set_up(struct http_request *request)
{
    CURL *easy = request->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->reason);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "outbox/0.1");
    set_limits(easy, request->broker);
    set_login(easy, request->broker);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void enter(struct http_request *request, struct http_request **list)
{
    if ((request->next = *list))
        request->next->link = &request->next;
    request->link = list;
    *list = request;
}

static void leave(struct http_request *request)
{
    if ((*request->link = request->next))
        request->next->link = request->link;
}

struct http_request *http_request_open(struct http_broker *broker)
{
    struct http_request *request = broker->spare;
    if (request) {
        leave(request);
    } else {
        request = calloc(1, sizeof *request);
        if (!request || !(request->easy = curl_easy_init())) {
            free(request);
            return NULL;
        }
        request->broker = broker;
        set_up(request);
    }
    enter(request, &broker->requests);
    return request;
}

void http_request_close(struct http_request *request)
{
    leave(request);
    curl_slist_free_all(request->headers);
    free(request->body);
    free(request->url);
    request->headers = NULL;
    request->body = request->url = NULL;
    request->message = NULL;
    request->redirects = 0;
    curl_easy_setopt(request->easy, CURLOPT_CONNECT_ONLY, 0L);
    enter(request, &request->broker->spare);
}

void http_request_free(struct http_request *request)
{
    curl_easy_cleanup(request->easy);
    free(request);
}

int http_request_begin(struct http_request *request, struct http_message *message, struct outbox_error *error)
{
    const struct http_broker *broker = request->broker;
    const struct outbox_message *event = message->event;
    request->message = message;
    request->answer_size = request->answer_total = 0;
    request->reason[0] = request->refused[0] = '\0';
    bool is_structured = broker->mode == HTTP_CLOUDEVENTS_STRUCTURED;
    request->body_size = event->value.size;
    int code = is_structured ? http_structured_body(request, event) : OUTBOX_OK;
    if (!code)
        code = http_add_headers(request, event);
    if (!code)
        code = http_add_signature(request, event);
    if (!code && !(request->url = http_target(broker, event->topic)))
        code = OUTBOX_E_NO_MEMORY;
    if (code)
        return outbox_error_set(error, code, "send to %s: out of memory", broker->url);
    curl_easy_setopt(request->easy, CURLOPT_URL, request->url);
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(request->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS,
                     is_structured       ? request->body
                     : event->value.size ? (const char *)event->value.data
                                         : "");
    return OUTBOX_OK;
}
