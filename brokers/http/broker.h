/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/broker.h - the HTTP broker: an event becomes a POST request, a webhook
 *
 * Over the multi interface of libcurl, on the loop thread. libcurl looks names up on threads of its own. Each request
 * has its own answer, so the capability is CONCURRENT.
 *
 *     connection.c   libcurl on the host's watches and timer; start and stop
 *     publish.c      the queue of events, requests in flight, outcomes
 *     request.c      one request: its handle, its settings, the bytes of the answer
 *     target.c       the URL of an event; redirects on the same host
 *     headers.c      the headers of an event; which events have none
 *     body.c         the body: the payload, or a CloudEvent in JSON
 *     signature.c    HMAC of a body
 *     answer.c       what a status or an error means for an event
 *     address.c      which addresses are not public
 */
#ifndef OBX_BROKERS_HTTP_BROKER_H
#define OBX_BROKERS_HTTP_BROKER_H

#include <curl/curl.h>
#include <sys/socket.h>

#include <outbox/plugin_util.h>

enum http_mode { HTTP_PLAIN = 0, HTTP_CLOUDEVENTS_BINARY, HTTP_CLOUDEVENTS_STRUCTURED };

enum { SECRETS = 2, SECRET_MAX = 256, ADDRESS_SIZE = 48, ANSWER_SIZE = 120, SIGNATURE_SIZE = 48 };

struct http_secret {
    unsigned char bytes[SECRET_MAX];
    size_t size; /* 0: none */
};

/* An event that waits or is sent. Memory of the message. */
struct http_message {
    struct http_message *next; /* in the queue */
    outbox_op_t op;
    const struct outbox_message *event;
    uint32_t index;
    uint32_t reserved;
};
_Static_assert(sizeof(struct http_message) % 16 == 0, "an array of it has no gaps");

/* One request in flight, or a spare one, whose handle is used again. */
struct http_request {
    struct http_request *next, **link; /* of the list it is in: in flight, or spare */
    struct http_broker *broker;
    struct http_message *message; /* NULL: the connection of check() */
    CURL *easy;
    char *url;
    struct curl_slist *headers;
    char *body; /* owned; NULL: the payload of the event is the body */
    size_t body_size;
    uint32_t redirects;
    char reason[CURL_ERROR_SIZE];
    char refused[ADDRESS_SIZE]; /* an address that is not public; "": none */
    char answer[ANSWER_SIZE];   /* the beginning of the answer's body */
    size_t answer_size, answer_total;
};

struct http_broker {
    /* options */
    const char *url, *source, *content_type, *user, *password, *authorization, *secret, *previous_secret;
    const char *tls_ca, *tls_cert, *tls_key;
    struct outbox_map headers;
    int64_t mode, max_requests, timeout_ms, connect_timeout_ms;
    bool allow_private, follow_redirects;

    const struct outbox_host *host;
    const char *relay;
    struct http_secret secrets[SECRETS];

    CURLM *multi;
    struct outbox_timer *timer;
    struct http_request *requests, *spare;
    uint32_t in_flight;
    struct http_message *first, **last; /* the queue: events that wait for a request */
    uint32_t publishes;
    outbox_op_t stop_op, check_op;
    const struct outbox_check *check;

    bool is_down; /* the last requests could not be sent */
    uint32_t failures;
    uint64_t quiet_until_ns; /* no warning before */
};

/* connection.c */
void http_start(void *self, outbox_op_t op, const struct outbox_broker_start *start);
void http_stop(void *self, outbox_op_t op);
void http_cancel(void *self, outbox_op_t op);
void http_end_stop(struct http_broker *broker);

/* publish.c */
void http_publish(void *self, outbox_op_t op, const struct outbox_publish *publish);
void http_finish(struct http_request *request, CURLcode result);
void http_send_queued(struct http_broker *broker);
void http_drop_queue(struct http_broker *broker); /* NOT_CONNECTED */
/* UNKNOWN, or NOT_CONNECTED if nothing was sent. check_only: the connection of check() alone. */
void http_abort(struct http_broker *broker, bool check_only);

/* request.c */
struct http_request *http_request_open(struct http_broker *broker); /* NULL: no memory */
int http_request_begin(struct http_request *request, struct http_message *message, struct outbox_error *error);
void http_request_close(struct http_request *request); /* becomes a spare one */
void http_request_free(struct http_request *request);

/* target.c */
int http_target_check(const struct http_broker *broker, struct outbox_error *error);
int http_target_admit(const struct http_broker *broker, const struct outbox_message *event, struct outbox_error *error);
char *http_target(const struct http_broker *broker,
                  struct outbox_bytes topic);          /* owned by the caller; NULL: no memory */
bool http_target_follow(struct http_request *request); /* the answer is a redirect that is followed: the URL is set */

/* headers.c */
int http_admit(void *self, const struct outbox_message *event, struct outbox_error *error);
int http_add_headers(struct http_request *request, const struct outbox_message *event);
const char *http_content_type(const struct http_broker *broker, const struct outbox_message *event, size_t *size);
bool http_is_text(struct outbox_bytes text);       /* UTF-8 without control characters */
char *http_base64(const void *bytes, size_t size); /* owned by the caller; NULL: no memory */

/* body.c */
int http_structured_body(struct http_request *request, const struct outbox_message *event);

/* signature.c */
int http_read_secrets(struct http_broker *broker, struct outbox_error *error);
int http_add_signature(struct http_request *request, const struct outbox_message *event);
int http_add_header(struct http_request *request, const char *name, const void *value, size_t size);

/* answer.c */
struct http_meaning {
    uint32_t outcome;
    uint32_t retry_after_ms;
};
struct http_meaning http_outcome(const struct http_request *request, CURLcode result, struct outbox_error *error);
bool http_was_sent(const struct http_request *request);

/* address.c */
bool http_is_public(const struct sockaddr *address, char text[ADDRESS_SIZE]);

/* check.c */
void http_check(void *self, outbox_op_t op, const struct outbox_check *check);
void http_checked(struct http_request *request, CURLcode result);
void http_end_check(struct http_broker *broker, const struct outbox_error *error);

#endif
