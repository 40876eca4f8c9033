/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/http/plugin.c - the HTTP broker: options, memory, descriptor */
#include <stdlib.h>

#include "broker.h"

static int check_headers(const struct http_broker *broker, struct outbox_error *error)
{
    for (uint32_t i = 0; i < broker->headers.count; i++) {
        const struct outbox_pair *pair = &broker->headers.items[i];
        if (strpbrk(pair->name, ": \t\r\n") || strpbrk(pair->value, "\r\n") || !*pair->name)
            return outbox_error_set(error, OUTBOX_E_CONFIG, "headers: '%s' is no header of HTTP with one line",
                                    pair->name);
    }
    if (broker->authorization && strpbrk(broker->authorization, "\r\n"))
        return outbox_error_set(error, OUTBOX_E_CONFIG, "authorization: it has more than one line");
    return OUTBOX_OK;
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct http_broker *broker = self;
    broker->host = init->host;
    broker->relay = init->relay;
    broker->last = &broker->first;
    if (!broker->source)
        broker->source = init->relay;
    if (!broker->user != !broker->password)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "set user and password, or neither");
    if (broker->user && broker->authorization)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "set user and password, or authorization, not both");
    if (!broker->tls_cert != !broker->tls_key)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "set tls_cert and tls_key, or neither");
    int code = check_headers(broker, error);
    if (!code)
        code = http_read_secrets(broker, error);
    return code ? code : http_target_check(broker, error);
}

static void fini(void *self)
{
    struct http_broker *broker = self;
    if (broker->host)
        broker->host->timer_close(broker->timer);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

#define OPTION(key, kind, member, ...) OUTBOX_OPTION(struct http_broker, key, kind, member, __VA_ARGS__)

static const char *const modes[] = {"plain", "cloudevents-binary", "cloudevents-structured", NULL};

static const struct outbox_option options[] = {
    OPTION("url", STRING, url, .flags = OUTBOX_OPT_REQUIRED,
           .help = "where events are posted; {topic} in path or query becomes the topic"),
    OPTION("mode", ENUM, mode, .choices = modes, .default_value = "plain",
           .help = "the payload with headers of outbox, or a CloudEvent with its attributes in headers or in the body"),
    OPTION("source", STRING, source, .help = "attribute source of CloudEvents; unset: the relay's name"),
    OPTION("content_type", STRING, content_type, .default_value = "application/json",
           .help = "type of the payload of events without a header content-type"),
    OPTION("headers", MAP, headers, .help = "more headers, the same for each request"),
    OPTION("secret", STRING, secret, .flags = OUTBOX_OPT_SECRET,
           .help = "signs requests with HMAC-SHA256, as Standard Webhooks: 16 bytes or more, or whsec_ and base64"),
    OPTION("previous_secret", STRING, previous_secret, .flags = OUTBOX_OPT_SECRET,
           .help = "a second secret: requests have both signatures while receivers change"),
    OPTION("authorization", STRING, authorization, .flags = OUTBOX_OPT_SECRET,
           .help = "value of the header Authorization"),
    OPTION("user", STRING, user, .help = "user of basic authentication"),
    OPTION("password", STRING, password, .flags = OUTBOX_OPT_SECRET, .help = "password of the user"),
    OPTION("tls_ca", STRING, tls_ca, .help = "file of trusted certificates; unset: those of the system"),
    OPTION("tls_cert", STRING, tls_cert, .help = "file of the client's certificate"),
    OPTION("tls_key", STRING, tls_key, .help = "file of the key of tls_cert"),
    OPTION("max_requests", INT, max_requests, .default_value = "64", .min = 1, .max = 10000,
           .help = "requests in flight at a time; slow answers need more"),
    OPTION("timeout", DURATION, timeout_ms, .default_value = "10s", .min = 100, .max = 3600000,
           .help = "how long a request may take, with its connection and answer"),
    OPTION("connect_timeout", DURATION, connect_timeout_ms, .default_value = "5s", .min = 100, .max = 3600000,
           .help = "how long a connection may take until it can be used"),
    OPTION("redirects", BOOL, follow_redirects, .default_value = "false",
           .help = "follow redirects of the same scheme, host and port"),
    OPTION("allow_private", BOOL, allow_private, .default_value = "false",
           .help = "also connect to private, loopback and link-local addresses"),
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = init,
    .fini = fini,
    .start = http_start,
    .stop = http_stop,
    .cancel = http_cancel,
    .publish = http_publish,
    .admit = http_admit,
    .check = http_check,
};

static const char *library(void)
{
    static char text[100];
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    snprintf(text, sizeof text, "libcurl %s, %s", info->version, info->ssl_version ? info->ssl_version : "no TLS");
    return text;
}

OUTBOX_PLUGIN(broker, http) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_CONCURRENT,
    .name = "http",
    .version = "0.1.0",
    .description = "posts events to webhooks",
    .instance_size = sizeof(struct http_broker),
    .op_size = sizeof(struct outbox_answers),
    .message_size = sizeof(struct http_message),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};
