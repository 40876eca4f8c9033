/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/signature.c - HMAC-SHA256 of a body, in the headers of the Standard Webhooks specification
 *
 *   webhook-id         the event id
 *   webhook-timestamp  seconds since 1970, of this request
 *   webhook-signature  "v1,BASE64", for each secret; with a space between them
 *
 * The signed text is "ID.TIMESTAMP.BODY". While receivers change to a new secret both are configured, and the receiver
 * accepts a request if one of the signatures fits. A secret "whsec_BASE64" stands for the decoded bytes.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#include "broker.h"

enum { SECRET_MIN = 16, MAC_SIZE = 32 };

static int read_secret(struct http_secret *secret, const char *name, const char *text, struct outbox_error *error)
{
    static const char prefix[] = "whsec_";
    size_t size = strlen(text);
    bool is_encoded = !strncmp(text, prefix, sizeof prefix - 1);
    unsigned char decoded[SECRET_MAX + 4];
    if (size > SECRET_MAX)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "%s: has %zu bytes, at most %d", name, size, SECRET_MAX);
    memcpy(decoded, text, size);
    if (is_encoded) {
        text += sizeof prefix - 1;
        int count = EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)strlen(text));
        size_t padding = strlen(text) - strcspn(text, "=");
        if (count < 0 || (size_t)count < padding)
            return outbox_error_set(error, OUTBOX_E_CONFIG, "%s: what follows whsec_ is not base64", name);
        size = (size_t)count - padding;
    }
    if (size < SECRET_MIN)
        return outbox_error_set(error, OUTBOX_E_CONFIG,
                                "%s: has %zu bytes, at least %d are needed; openssl rand -base64 32", name, size,
                                SECRET_MIN);
    memcpy(secret->bytes, decoded, secret->size = size);
    return OUTBOX_OK;
}

int http_read_secrets(struct http_broker *broker, struct outbox_error *error)
{
    if (broker->previous_secret && !broker->secret)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "previous_secret is set without secret");
    int code = broker->secret ? read_secret(&broker->secrets[0], "secret", broker->secret, error) : OUTBOX_OK;
    if (!code && broker->previous_secret)
        code = read_secret(&broker->secrets[1], "previous_secret", broker->previous_secret, error);
    return code;
}

/* "v1,BASE64"; NULL: no memory. The caller frees it. */
static char *sign(const struct http_secret *secret, const char *head, const void *body, size_t size)
{
    unsigned char mac[MAC_SIZE];
    size_t mac_size = sizeof mac;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, secret->bytes, secret->size);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = key && context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestSignUpdate(context, head, strlen(head)) == 1 &&
                   EVP_DigestSignUpdate(context, body, size) == 1 && EVP_DigestSignFinal(context, mac, &mac_size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return is_done ? http_base64(mac, mac_size) : NULL;
}

static int add_signatures(struct http_request *request, const char *head, const void *body)
{
    char line[SECRETS * (SIGNATURE_SIZE + 4)] = "";
    for (int i = 0; i < SECRETS && request->broker->secrets[i].size; i++) {
        char *signature = sign(&request->broker->secrets[i], head, body, request->body_size);
        if (!signature)
            return OUTBOX_E_NO_MEMORY;
        size_t used = strlen(line);
        snprintf(line + used, sizeof line - used, "%sv1,%s", i ? " " : "", signature);
        free(signature);
    }
    return http_add_header(request, "webhook-signature", line, strlen(line));
}

int http_add_signature(struct http_request *request, const struct outbox_message *event)
{
    char number[24], *head;
    if (!request->broker->secrets[0].size)
        return OUTBOX_OK;
    snprintf(number, sizeof number, "%lld", (long long)time(NULL));
    if (asprintf(&head, "%.*s.%s.", (int)event->id.size, (const char *)event->id.data, number) < 0)
        return OUTBOX_E_NO_MEMORY;
    int code = http_add_header(request, "webhook-id", event->id.data, event->id.size);
    if (!code)
        code = http_add_header(request, "webhook-timestamp", number, strlen(number));
    if (!code)
        code = add_signatures(request, head, request->body ? request->body : event->value.data);
    free(head);
    return code;
}
