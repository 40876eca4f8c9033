/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/target.c - the URL of an event; redirects on the same host
 *
 * "{topic}" in the path or query of the option `url` becomes the topic, percent-encoded but for '/'. It cannot be in
 * the name of the host: an event never chooses the host. Nor can it leave the folder of the URL: "." and ".." are
 * rejected.
 */
#include <ctype.h>
#include <stdlib.h>

#include "broker.h"

#define PLACE "{topic}"
enum { PLACE_SIZE = sizeof PLACE - 1, REDIRECTS_MAX = 5 };

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) ? NULL : text;
}

int http_target_check(const struct http_broker *broker, struct outbox_error *error)
{
    const char *place = strstr(broker->url, PLACE), *host = strstr(broker->url, "://");
    CURLU *parts = curl_url();
    char *url = http_target(broker, (struct outbox_bytes){"x", 1});
    char *user = NULL;
    int code = OUTBOX_OK;
    if (!parts || !url)
        code = outbox_error_set(error, OUTBOX_E_NO_MEMORY, "url: out of memory");
    else if ((strncmp(url, "http://", 7) && strncmp(url, "https://", 8)) || curl_url_set(parts, CURLUPART_URL, url, 0))
        code = outbox_error_set(error, OUTBOX_E_CONFIG, "url: '%s' is no URL that begins with https:// or http://",
                                broker->url);
    else if (place && (!strchr(host + 3, '/') || place < strchr(host + 3, '/')))
        code = outbox_error_set(error, OUTBOX_E_CONFIG, "url: " PLACE " can only be in the path or the query");
    else if ((user = part_of(parts, CURLUPART_USER)))
        code = outbox_error_set(error, OUTBOX_E_CONFIG, "url: it has a login; set user and password instead");
    curl_free(user);
    curl_url_cleanup(parts);
    free(url);
    return code;
}

int http_target_admit(const struct http_broker *broker, const struct outbox_message *event, struct outbox_error *error)
{
    const char *at = event->topic.data, *end = at + event->topic.size;
    while (strstr(broker->url, PLACE) && at <= end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t size = (size_t)((slash ? slash : end) - at);
        if ((size == 1 && at[0] == '.') || (size == 2 && at[0] == '.' && at[1] == '.'))
            return outbox_error_set(error, OUTBOX_E_REJECTED,
                                    "the topic has the path segment '%.*s', which leads out of "
                                    "the url",
                                    (int)size, at);
        at += size + 1;
    }
    return OUTBOX_OK;
}

static char *encode(char *out, struct outbox_bytes topic)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *in = topic.data;
    for (size_t i = 0; i < topic.size; i++) {
        if (isalnum(in[i]) || (in[i] && strchr("-._~/", in[i]))) {
            *out++ = (char)in[i];
        } else {
            *out++ = '%';
            *out++ = digits[in[i] >> 4];
            *out++ = digits[in[i] & 15];
        }
    }
    return out;
}

char *http_target(const struct http_broker *broker, struct outbox_bytes topic)
{
    size_t places = 0;
    for (const char *at = broker->url; (at = strstr(at, PLACE)); at += PLACE_SIZE)
        places++;
    char *url = malloc(strlen(broker->url) + places * 3 * topic.size + 1), *out = url;
    const char *at = broker->url;
    for (const char *place; url && (place = strstr(at, PLACE)); at = place + PLACE_SIZE) {
        memcpy(out, at, (size_t)(place - at));
        out = encode(out + (place - at), topic);
    }
    if (url)
        memcpy(out, at, strlen(at) + 1);
    return url;
}

/* ---- redirects --------------------------------------------------------------------------------------------------- */

static bool is_same(CURLU *one, CURLU *other, CURLUPart part)
{
    char *a = part_of(one, part), *b = part_of(other, part);
    bool same = a && b && !strcasecmp(a, b);
    curl_free(a);
    curl_free(b);
    return same;
}

static bool is_same_host(const char *one, const char *other)
{
    CURLU *a = curl_url(), *b = curl_url();
    bool same = a && b && !curl_url_set(a, CURLUPART_URL, one, 0) && !curl_url_set(b, CURLUPART_URL, other, 0) &&
                is_same(a, b, CURLUPART_SCHEME) && is_same(a, b, CURLUPART_HOST) && is_same(a, b, CURLUPART_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

bool http_target_follow(struct http_request *request)
{
    long status = 0;
    char *location = NULL;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &location);
    bool keeps_post = status == 301 || status == 302 || status == 307 || status == 308;
    if (!request->broker->follow_redirects || !keeps_post || !location || request->redirects >= REDIRECTS_MAX ||
        !is_same_host(request->url, location))
        return false;
    char *url = strdup(location);
    if (!url)
        return false;
    free(request->url);
    request->url = url;
    request->redirects++;
    request->answer_size = request->answer_total = 0;
    return curl_easy_setopt(request->easy, CURLOPT_URL, url) == CURLE_OK;
}
