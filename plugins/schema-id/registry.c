/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/schema-id/registry.c - asking a schema registry for the id of a subject
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
    curl_easy_reset(curl);
    bool fine = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)self->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "outbox");
    if (self->tls_ca)
        fine &= curl_easy_setopt(curl, CURLOPT_CAINFO, self->tls_ca) == CURLE_OK;
    if (self->user)
        fine &= curl_easy_setopt(curl, CURLOPT_USERNAME, self->user) == CURLE_OK;
    if (self->password)
        fine &= curl_easy_setopt(curl, CURLOPT_PASSWORD, self->password) == CURLE_OK;
    return fine;
}

static void read_id(struct schema *schema, const struct answer *answer)
{
    json_t *body = json_loadb(answer->text ? answer->text : "", answer->size, 0, NULL);
    const json_t *id = json_object_get(body, "id");
    json_int_t number = json_integer_value(id);
    if (!json_is_integer(id) || number < 0 || number > UINT32_MAX)
        outbox_error_set(&schema->failure, OUTBOX_E_AGAIN, "look up subject %s: the registry's answer has no id",
                         schema->subject);
    schema->id = (uint32_t)number;
    json_decref(body);
}

/* No failure counts an attempt of the event: the registry or the subject is at fault. */
static void read_answer(struct schema *schema, CURL *curl, CURLcode code, const struct answer *answer)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        outbox_error_set(&schema->failure, code == CURLE_OPERATION_TIMEDOUT ? OUTBOX_E_TIMEOUT : OUTBOX_E_NOT_CONNECTED,
                         "look up subject %s: %s", schema->subject, curl_easy_strerror(code));
    else if (status == 404)
        outbox_error_set(&schema->failure, OUTBOX_E_AGAIN,
                         "look up subject %s: the registry has no such subject or version; register a schema",
                         schema->subject);
    else if (status != 200)
        outbox_error_set(&schema->failure, OUTBOX_E_AGAIN, "look up subject %s: the registry answered %ld",
                         schema->subject, status);
    else
        read_id(schema, answer);
}

void schema_ask(struct schema_id *self, struct schema *schema)
{
    char url[2048];
    struct answer answer = {NULL, 0};
    size_t base = strlen(self->registry);
    schema->failure = (struct outbox_error){.code = OUTBOX_OK};
    if (!self->curl)
        self->curl = curl_easy_init();
    char *subject = self->curl ? curl_easy_escape(self->curl, schema->subject, 0) : NULL;
    char *version = self->curl ? curl_easy_escape(self->curl, self->version, 0) : NULL;
    while (base && self->registry[base - 1] == '/')
        base--;
    int size = snprintf(url, sizeof url, "%.*s/subjects/%s/versions/%s", (int)base, self->registry,
                        subject ? subject : "", version ? version : "");
    if (!subject || !version || size >= (int)sizeof url || !set_up(self, self->curl, url, &answer))
        outbox_error_set(&schema->failure, OUTBOX_E_NO_MEMORY, "look up subject %s: out of memory", schema->subject);
    else
        read_answer(schema, self->curl, curl_easy_perform(self->curl), &answer);
    curl_free(subject);
    curl_free(version);
    free(answer.text);
}
