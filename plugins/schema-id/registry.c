/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/schema-id/registry.c - fetches the id of a subject from a schema registry
 *
 *     GET REGISTRY/subjects/SUBJECT/versions/VERSION  ->  {"subject": "...", "version": 3, "id": 17, ...}
 *
 * Redirects are not followed. An answer larger than 1 MiB is refused.
 */
#include <jansson.h>
#include <stdlib.h>

#include "schema_id.h"

enum { ANSWER_MAX = 1 << 20 };

struct answer {
    char *text;
    size_t size;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    size_t more = size * count;
    char *text = answer->size + more > ANSWER_MAX ? NULL : realloc(answer->text, answer->size + more);
    if (!text)
        return 0;
    memcpy(text + answer->size, bytes, more);
    answer->text = text;
    answer->size += more;
    return more;
}

static bool set_up(const struct schema_id *self, CURL *curl, const char *url, struct answer *answer)
{
    bool fine = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)self->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "outbox");
    if (self->tls_ca) { /* and no other certificates */
        fine &= curl_easy_setopt(curl, CURLOPT_CAINFO, self->tls_ca) == CURLE_OK;
        curl_easy_setopt(curl, CURLOPT_CAPATH, (char *)NULL);
    }
    if (self->user)
        fine &= curl_easy_setopt(curl, CURLOPT_USERNAME, self->user) == CURLE_OK;
    if (self->password)
        fine &= curl_easy_setopt(curl, CURLOPT_PASSWORD, self->password) == CURLE_OK;
    return fine;
}

static void read_id(const char *subject, const struct answer *answer, uint32_t *id, struct outbox_error *failure)
{
    json_t *body = json_loadb(answer->text ? answer->text : "", answer->size, 0, NULL);
    const json_t *value = json_object_get(body, "id");
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
        outbox_error_set(failure, OUTBOX_E_AGAIN, "look up subject %s: the registry's answer has no id", subject);
    *id = (uint32_t)number;
    json_decref(body);
}

/* No failure counts an attempt of the event: the registry or the subject is at fault. what: the attempt. */
static void read_failure(const char *what, CURLcode code, long status, struct outbox_error *failure)
{
    if (code != CURLE_OK)
        outbox_error_set(failure, code == CURLE_OPERATION_TIMEDOUT ? OUTBOX_E_TIMEOUT : OUTBOX_E_NOT_CONNECTED,
                         "%s: %s", what, curl_easy_strerror(code));
    else if (status == 404)
        outbox_error_set(failure, OUTBOX_E_AGAIN, "%s: the registry has no such subject or version; register a schema",
                         what);
    else if (status != 200)
        outbox_error_set(failure, OUTBOX_E_AGAIN, "%s: the registry answered %ld", what, status);
}

static size_t base_length(const struct schema_id *self)
{
    size_t size = strlen(self->registry);
    while (size && self->registry[size - 1] == '/')
        size--;
    return size;
}

/* False: no memory, or too long. */
static bool write_url(const struct schema_id *self, CURL *curl, const char *subject, char *url, size_t size)
{
    char *escaped = curl_easy_escape(curl, subject, 0), *version = curl_easy_escape(curl, self->version, 0);
    int used = snprintf(url, size, "%.*s/subjects/%s/versions/%s", (int)base_length(self), self->registry,
                        escaped ? escaped : "", version ? version : "");
    bool fine = escaped && version && used < (int)size;
    curl_free(escaped);
    curl_free(version);
    return fine;
}

/* answer: to be freed by the caller, also after a failure. */
static void get(const struct schema_id *self, CURL *curl, const char *url, const char *what, struct answer *answer,
                struct outbox_error *failure)
{
    long status = 0;
    if (!set_up(self, curl, url, answer)) {
        outbox_error_set(failure, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
        return;
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    read_failure(what, code, status, failure);
}

/* A handle for each look-up: each subject has one, and several workers may look up at a time. */
void schema_fetch(const struct schema_id *self, const char *subject, uint32_t *id, struct outbox_error *failure)
{
    char url[2048], what[SUBJECT_SIZE + 32];
    struct answer answer = {NULL, 0};
    CURL *curl = curl_easy_init();
    *failure = (struct outbox_error){.code = OUTBOX_OK};
    snprintf(what, sizeof what, "look up subject %s", subject);
    if (!curl || !write_url(self, curl, subject, url, sizeof url))
        outbox_error_set(failure, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    else
        get(self, curl, url, what, &answer, failure);
    if (!failure->code)
        read_id(subject, &answer, id, failure);
    curl_easy_cleanup(curl);
    free(answer.text);
}

void schema_reach(const struct schema_id *self, struct outbox_error *failure)
{
    static const char what[] = "list the subjects of the registry";
    char url[2048];
    struct answer answer = {NULL, 0};
    CURL *curl = curl_easy_init();
    *failure = (struct outbox_error){.code = OUTBOX_OK};
    if (!curl || snprintf(url, sizeof url, "%.*s/subjects", (int)base_length(self), self->registry) >= (int)sizeof url)
        outbox_error_set(failure, OUTBOX_E_NO_MEMORY, "%s: out of memory", what);
    else
        get(self, curl, url, what, &answer, failure);
    curl_easy_cleanup(curl);
    free(answer.text);
}
