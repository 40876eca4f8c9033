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

#define AT(member) offsetof(struct http_broker, member)
#define TEXT_OPTION(key, member, flag, what)                                                      \
    {                                                                                             \
        .name = key, .type = OUTBOX_OPT_STRING, .flags = flag, .offset = AT(member), .help = what \
    }

static const char *const modes[] = {"plain", "cloudevents-binary", "cloudevents-structured", NULL};

static const struct outbox_option options[] = {
    TEXT_OPTION("url", url, OUTBOX_OPT_REQUIRED, "where events are posted; {topic} in path or query becomes the topic"),
    {.name = "mode",
     .type = OUTBOX_OPT_ENUM,
     .offset = AT(mode),
     .choices = modes,
     .default_value = "plain",
     .help = "the payload with headers of outbox, or a CloudEvent with its attributes in headers or in the body"},
    TEXT_OPTION("source", source, 0, "attribute source of CloudEvents; unset: the relay's name"),
    {.name = "content_type",
     .type = OUTBOX_OPT_STRING,
     .offset = AT(content_type),
     .default_value = "application/json",
     .help = "type of the payload of events without a header content-type"},
    {.name = "headers",
     .type = OUTBOX_OPT_MAP,
     .offset = AT(headers),
     .help = "more headers, the same for each request"},
    TEXT_OPTION("secret", secret, OUTBOX_OPT_SECRET,
                "signs requests with HMAC-SHA256, as Standard Webhooks: 16 bytes or more, or whsec_ and base64"),
    TEXT_OPTION("previous_secret", previous_secret, OUTBOX_OPT_SECRET,
                "a second secret: requests have both signatures while receivers change"),
    TEXT_OPTION("authorization", authorization, OUTBOX_OPT_SECRET, "value of the header Authorization"),
    TEXT_OPTION("user", user, 0, "user of basic authentication"),
    TEXT_OPTION("password", password, OUTBOX_OPT_SECRET, "password of the user"),
    TEXT_OPTION("tls_ca", tls_ca, 0, "file of trusted certificates; unset: those of the system"),
    TEXT_OPTION("tls_cert", tls_cert, 0, "file of the client's certificate"),
    TEXT_OPTION("tls_key", tls_key, 0, "file of the key of tls_cert"),
    {.name = "max_requests",
     .type = OUTBOX_OPT_INT,
     .offset = AT(max_requests),
     .default_value = "64",
     .min = 1,
     .max = 10000,
     .help = "requests in flight at a time; slow answers need more"},
    {.name = "timeout",
     .type = OUTBOX_OPT_DURATION,
     .offset = AT(timeout_ms),
     .default_value = "10s",
     .min = 100,
     .max = 3600000,
     .help = "how long a request may take, with its connection and answer"},
    {.name = "connect_timeout",
     .type = OUTBOX_OPT_DURATION,
     .offset = AT(connect_timeout_ms),
     .default_value = "5s",
     .min = 100,
     .max = 3600000,
     .help = "how long a connection may take until it can be used"},
    {.name = "redirects",
     .type = OUTBOX_OPT_BOOL,
     .offset = AT(follow_redirects),
     .default_value = "false",
     .help = "follow redirects of the same scheme, host and port"},
    {.name = "allow_private",
     .type = OUTBOX_OPT_BOOL,
     .offset = AT(allow_private),
     .default_value = "false",
     .help = "also connect to private, loopback and link-local addresses"},
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
    .op_size = sizeof(struct http_publish),
    .message_size = sizeof(struct http_message),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
    .library = library,
};
