/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/headers.c - the headers of an event; which events have none
 *
 *   plain                    Outbox-Id, Outbox-Topic, Outbox-Type, Outbox-Key, Outbox-Tombstone
 *   cloudevents-binary       ce-id, ce-source, ce-type, ce-time, ce-topic, ce-partitionkey, ce-tombstone
 *   cloudevents-structured   none of them: the body has the attributes
 *
 * In each mode: Content-Type, the route's headers, those of the options `headers` and `authorization`. A key that is no
 * text goes as Outbox-Key-Base64, or as the attribute partitionkeybase64.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#include "broker.h"

/* ---- what can be sent -------------------------------------------------------------------------------------------- */

static bool is_line(struct outbox_bytes text)
{
    const unsigned char *at = text.data;
    for (size_t i = 0; i < text.size; i++)
        if ((at[i] < ' ' && at[i] != '\t') || at[i] == 0x7f)
            return false;
    return true;
}

bool http_is_text(struct outbox_bytes text)
{
    if (!is_line(text) || (text.size && memchr(text.data, '\t', text.size)))
        return false;
    json_t *string = json_stringn(text.size ? text.data : "", text.size); /* NULL: not UTF-8 */
    json_decref(string);
    return string != NULL;
}

static bool is_name(struct outbox_bytes name)
{
    const unsigned char *at = name.data;
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum(at[i]) && (!at[i] || !strchr("!#$%&'*+-.^_`|~", at[i])))
            return false;
    return name.size > 0;
}

static bool is_named(struct outbox_bytes name, const char *text)
{
    return name.size == strlen(text) && !strncasecmp(text, name.data, name.size);
}

/* Headers that frame the request, log in, or vouch for the event; not that of route.position. */
static bool is_reserved(struct outbox_bytes name)
{
    static const char *const names[] = {"host",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "expect",
                                        "te",
                                        "trailer",
                                        "upgrade",
                                        "keep-alive",
                                        "proxy-authorization",
                                        "authorization",
                                        "webhook-id",
                                        "webhook-timestamp",
                                        "webhook-signature"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (is_named(name, names[i]))
            return true;
    return name.size >= 7 && !strncasecmp("outbox-", name.data, 7) && !is_named(name, "outbox-position");
}

int http_admit(void *self, const struct outbox_message *event, struct outbox_error *error)
{
    const struct http_broker *broker = self;
    if (!event->topic.size || !http_is_text(event->topic) || !http_is_text(event->id) || !http_is_text(event->type))
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "the topic is empty, or topic, id or type is not UTF-8 or has control characters");
    for (uint32_t i = 0; i < event->header_count; i++) {
        const struct outbox_header *header = &event->headers[i];
        if (!is_name(header->name) || !is_line(header->value))
            return outbox_error_set(error, OUTBOX_E_REJECTED,
                                    "header %u: HTTP takes names of letters, digits and '-', and values of one line",
                                    i);
        if (is_reserved(header->name))
            return outbox_error_set(error, OUTBOX_E_REJECTED, "header %u: an event cannot set the header %.*s", i,
                                    (int)header->name.size, (const char *)header->name.data);
    }
    return http_target_admit(broker, event, error);
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

char *http_base64(const void *bytes, size_t size)
{
    char *text = malloc(OUTBOX_BASE64_SIZE(size));
    if (text)
        outbox_base64(text, bytes, size);
    return text;
}

/* The event's own, or that of the option. */
const char *http_content_type(const struct http_broker *broker, const struct outbox_message *event, size_t *size)
{
    static const char name[] = "content-type";
    for (uint32_t i = 0; i < event->header_count; i++) {
        const struct outbox_header *header = &event->headers[i];
        if (header->value.size && header->name.size == sizeof name - 1 &&
            !strncasecmp(name, header->name.data, sizeof name - 1)) {
            *size = header->value.size;
            return header->value.data;
        }
    }
    *size = strlen(broker->content_type);
    return broker->content_type;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* libcurl sends "Name;" with an empty value, and "Name:" not at all. */
int http_add_header(struct http_request *request, const char *name, const void *value, size_t size)
{
    char *line = malloc(strlen(name) + size + 3);
    struct curl_slist *list = NULL;
    if (line) {
        int used = sprintf(line, size ? "%s: " : "%s;", name);
        memcpy(line + used, size ? value : "", size);
        line[(size_t)used + size] = '\0';
        list = curl_slist_append(request->headers, line);
    }
    free(line);
    if (!list)
        return OUTBOX_E_NO_MEMORY;
    request->headers = list;
    return OUTBOX_OK;
}

static int add_text(struct http_request *request, const char *name, const char *text)
{
    return http_add_header(request, name, text, strlen(text));
}

/* An attribute of CloudEvents: what is not visible ASCII, '"' and '%' are percent-encoded. */
static int add_attribute(struct http_request *request, const char *name, struct outbox_bytes value)
{
    const unsigned char *in = value.data;
    char *text = malloc(value.size * 3 + 1), *out = text;
    if (!text)
        return OUTBOX_E_NO_MEMORY;
    for (size_t i = 0; i < value.size; i++)
        if (in[i] <= ' ' || in[i] > '~' || in[i] == '"' || in[i] == '%')
            out += sprintf(out, "%%%02X", in[i]);
        else
            *out++ = (char)in[i];
    int code = http_add_header(request, name, text, (size_t)(out - text));
    free(text);
    return code;
}

static int add_base64(struct http_request *request, const char *name, struct outbox_bytes value)
{
    char *text = http_base64(value.data, value.size);
    int code = text ? add_text(request, name, text) : OUTBOX_E_NO_MEMORY;
    free(text);
    return code;
}

/* HTTP drops spaces at the ends of a value. */
static bool keeps_as_header(struct outbox_bytes key)
{
    const char *at = key.data;
    return http_is_text(key) && (!key.size || (at[0] != ' ' && at[key.size - 1] != ' '));
}

static int add_plain(struct http_request *request, const struct outbox_message *event)
{
    int code = http_add_header(request, "Outbox-Id", event->id.data, event->id.size);
    if (!code)
        code = http_add_header(request, "Outbox-Topic", event->topic.data, event->topic.size);
    if (!code && event->type.data)
        code = http_add_header(request, "Outbox-Type", event->type.data, event->type.size);
    if (!code && event->key.data)
        code = keeps_as_header(event->key) ? http_add_header(request, "Outbox-Key", event->key.data, event->key.size)
                                           : add_base64(request, "Outbox-Key-Base64", event->key);
    if (!code && !event->value.data)
        code = add_text(request, "Outbox-Tombstone", "true");
    return code;
}

static int add_binary(struct http_request *request, const struct outbox_message *event)
{
    char time[OUTBOX_TIME_SIZE];
    const char *source = request->broker->source;
    int code = add_text(request, "ce-specversion", "1.0");
    if (!code)
        code = add_attribute(request, "ce-id", event->id);
    if (!code)
        code = add_attribute(request, "ce-source", (struct outbox_bytes){source, strlen(source)});
    if (!code)
        code = add_attribute(request, "ce-type", event->type.size ? event->type : event->topic);
    if (!code && outbox_time_text(time, event->created_us))
        code = add_text(request, "ce-time", time);
    if (!code)
        code = add_attribute(request, "ce-topic", event->topic);
    if (!code && event->key.data)
        code = http_is_text(event->key) ? add_attribute(request, "ce-partitionkey", event->key)
                                        : add_base64(request, "ce-partitionkeybase64", event->key);
    if (!code && !event->value.data)
        code = add_text(request, "ce-tombstone", "true");
    return code;
}

/* libcurl has a Content-Type of its own, which "Content-Type:" takes away. */
static int add_content_type(struct http_request *request, const struct outbox_message *event)
{
    size_t size;
    const char *type = http_content_type(request->broker, event, &size);
    if (request->broker->mode == HTTP_CLOUDEVENTS_STRUCTURED)
        return add_text(request, "Content-Type", "application/cloudevents+json; charset=UTF-8");
    if (event->value.data)
        return http_add_header(request, "Content-Type", type, size);
    struct curl_slist *list = curl_slist_append(request->headers, "Content-Type:");
    request->headers = list ? list : request->headers;
    return list ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
}

static int add_route_headers(struct http_request *request, const struct outbox_message *event)
{
    int code = OUTBOX_OK;
    for (uint32_t i = 0; !code && i < event->header_count; i++) {
        const struct outbox_header *header = &event->headers[i];
        char *name = strndup(header->name.data, header->name.size);
        if (!name)
            return OUTBOX_E_NO_MEMORY;
        if (header->value.data && strcasecmp(name, "content-type") != 0)
            code = http_add_header(request, name, header->value.data, header->value.size);
        free(name);
    }
    return code;
}

int http_add_headers(struct http_request *request, const struct outbox_message *event)
{
    const struct http_broker *broker = request->broker;
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no wait for 100 Continue */
    request->headers = list;
    int code = list ? add_content_type(request, event) : OUTBOX_E_NO_MEMORY;
    if (!code && broker->mode == HTTP_PLAIN)
        code = add_plain(request, event);
    if (!code && broker->mode == HTTP_CLOUDEVENTS_BINARY)
        code = add_binary(request, event);
    if (!code)
        code = add_route_headers(request, event);
    for (uint32_t i = 0; !code && i < broker->headers.count; i++)
        code = add_text(request, broker->headers.items[i].name, broker->headers.items[i].value);
    if (!code && broker->authorization)
        code = add_text(request, "Authorization", broker->authorization);
    return code;
}
