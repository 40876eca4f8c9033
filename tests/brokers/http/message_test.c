/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/http/message_test.c - what a request contains: modes, headers, signature, login; what is rejected */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "../fixture.h"

static struct publishing publishing;

#define PLAIN "plugin: http\n url: %s/hook/{topic}\n allow_private: true\n "

static void clear(void)
{
    service("clear");
}

TestSuite(http_message, .init = clear, .timeout = 300);

static const char *text_of(const json_t *event, const char *name)
{
    return json_string_value(json_object_get(event, name));
}

/* Publishes messages[0 .. count - 1] of `publishing`, and returns what was accepted. */
static json_t *deliver(uint32_t count)
{
    fixture_submit(&publishing, count);
    fixture_wait(&publishing);
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(publishing.results[i].outcome, OUTBOX_DELIVERED, "%s", publishing.results[i].error.text);
    json_t *events = stored("");
    cr_assert_eq(json_array_size(events), count);
    return events;
}

Test(http_message, topic_is_a_path_and_a_header)
{
    fixture_open(PLAIN, server());
    event_set(&publishing, 0, "a b/\xc3\xbc?", "key", "{\"a\": 1}");
    json_t *events = deliver(1), *event = json_array_get(events, 0);
    cr_assert_str_eq(text_of(event, "path"), "/hook/a%20b/%C3%BC%3F");
    cr_assert_str_eq(header_of(event, "Outbox-Topic"), "a b/\xc3\xbc?");
    cr_assert_str_eq(header_of(event, "Outbox-Key"), "key");
    cr_assert_str_eq(header_of(event, "Outbox-Type"), "placed");
    cr_assert_str_eq(header_of(event, "Outbox-Id"), "id-0");
    cr_assert_str_eq(header_of(event, "Content-Type"), "application/json");
    cr_assert_null(header_of(event, "webhook-signature"));
    json_decref(events);
    fixture_close();
}

Test(http_message, key_that_a_header_cannot_carry_goes_as_base64)
{
    fixture_open(PLAIN, server());
    event_set(&publishing, 0, "t", "two\nlines", "{}");
    event_set(&publishing, 1, "t", " spaces ", "{}");
    event_set(&publishing, 2, "t", "\xff", "{}");
    json_t *events = deliver(3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_null(header_of(json_array_get(events, i), "Outbox-Key"));
        cr_assert_not_null(header_of(json_array_get(events, i), "Outbox-Key-Base64"));
    }
    json_decref(events);
    fixture_close();
}

Test(http_message, cloudevent_has_its_attributes_in_headers)
{
    fixture_open(PLAIN "mode: cloudevents-binary\n source: /shop", server());
    event_set(&publishing, 0, "orders", "\xe2\x82\xac 1", "{}");
    event_set(&publishing, 1, "orders", NULL, NULL);
    json_t *events = deliver(2), *event = json_array_get(events, 0);
    if (strcmp(text_of(event, "id"), "id-0") != 0)
        event = json_array_get(events, 1);
    cr_assert_str_eq(header_of(event, "ce-specversion"), "1.0");
    cr_assert_str_eq(header_of(event, "ce-source"), "/shop");
    cr_assert_str_eq(header_of(event, "ce-type"), "placed");
    cr_assert_str_eq(header_of(event, "ce-topic"), "orders");
    cr_assert_str_eq(header_of(event, "ce-time"), "2023-11-14T22:13:20.123456Z");
    cr_assert_str_eq(header_of(event, "ce-partitionkey"), "%E2%82%AC%201");
    cr_assert_null(header_of(event, "ce-tombstone"));
    cr_assert_null(header_of(event, "Outbox-Id"));
    event = json_array_get(events, event == json_array_get(events, 0));
    cr_assert_str_eq(header_of(event, "ce-tombstone"), "true");
    cr_assert_null(header_of(event, "ce-partitionkey"));
    json_decref(events);
    fixture_close();
}

/* The body of the accepted event, which is a CloudEvent in JSON. */
static json_t *body_of(const json_t *event)
{
    const char *text = text_of(event, "payload_base64");
    unsigned char body[4096];
    int size = EVP_DecodeBlock(body, (const unsigned char *)text, (int)strlen(text));
    size -= (int)(strlen(text) - strcspn(text, "="));
    json_t *object = json_loadb((const char *)body, (size_t)size, 0, NULL);
    cr_assert_not_null(object, "%.*s", size, (const char *)body);
    return object;
}

static void check_structured(const char *content_type, const char *value, const char *member, const char *expected)
{
    memset(&publishing, 0, sizeof publishing);
    service("clear");
    struct outbox_header header = {{"Content-Type", 12}, {content_type, strlen(content_type)}};
    event_set(&publishing, 0, "orders", "k", value);
    publishing.messages[0].headers = &header;
    publishing.messages[0].header_count = 1;
    json_t *events = deliver(1), *body = body_of(json_array_get(events, 0));
    char *data = json_dumps(json_object_get(body, member), JSON_COMPACT | JSON_ENCODE_ANY);
    cr_assert(data && !strcmp(data, expected), "%s of '%s' is %s", member, value, data);
    cr_assert_str_eq(header_of(json_array_get(events, 0), "Content-Type"),
                     "application/cloudevents+json; charset=UTF-8");
    cr_assert_str_eq(text_of(body, "specversion"), "1.0");
    cr_assert_str_eq(text_of(body, "id"), "id-0");
    cr_assert_str_eq(text_of(body, "source"), "test");
    cr_assert_str_eq(text_of(body, "partitionkey"), "k");
    cr_assert(!json_object_get(body, "data") || !json_object_get(body, "data_base64"));
    free(data);
    json_decref(body);
    json_decref(events);
}

Test(http_message, structured_cloudevent_contains_the_payload)
{
    fixture_open(PLAIN "mode: cloudevents-structured", server());
    check_structured("application/json", "{\"a\": [1, 2]}", "data", "{\"a\":[1,2]}");
    check_structured("application/order+json; charset=utf-8", "7", "data", "7");
    check_structured("application/json", "no json", "data_base64", "\"bm8ganNvbg==\"");
    check_structured("text/plain", "a \"b\"", "data", "\"a \\\"b\\\"\"");
    check_structured("text/plain", "\xff", "data_base64", "\"/w==\"");
    check_structured("application/json", NULL, "tombstone", "true");
    fixture_close();
}

/* ---- signature and login ----------------------------------------------------------------------------------------- */

static void sign(char *out, const void *secret, int secret_size, const char *text)
{
    unsigned char mac[32];
    unsigned size = sizeof mac;
    HMAC(EVP_sha256(), secret, secret_size, (const unsigned char *)text, strlen(text), mac, &size);
    strcpy(out, "v1,");
    EVP_EncodeBlock((unsigned char *)out + 3, mac, (int)size);
}

Test(http_message, request_is_signed_with_both_secrets)
{
    static const unsigned char decoded[] = "0123456789abcdef0123456789abcdef";
    char text[300], signatures[2][64], both[130];
    fixture_open(PLAIN
                 "secret: whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n previous_secret: an-older-secret-of-us",
                 server());
    event_set(&publishing, 0, "orders", "k", "{\"a\": 1}");
    json_t *events = deliver(1), *event = json_array_get(events, 0);
    cr_assert_str_eq(header_of(event, "webhook-id"), "id-0");
    long age = time(NULL) - atol(header_of(event, "webhook-timestamp"));
    cr_assert(age >= 0 && age < 60);
    snprintf(text, sizeof text, "id-0.%s.{\"a\": 1}", header_of(event, "webhook-timestamp"));
    sign(signatures[0], decoded, 32, text);
    sign(signatures[1], "an-older-secret-of-us", 21, text);
    snprintf(both, sizeof both, "%s %s", signatures[0], signatures[1]);
    cr_assert_str_eq(header_of(event, "webhook-signature"), both);
    json_decref(events);
    fixture_close();
}

Test(http_message, login_and_more_headers_are_sent)
{
    fixture_open(PLAIN "user: me\n password: you\n headers: { X-Tenant: seven }", server());
    event_set(&publishing, 0, "orders", "k", "{}");
    json_t *events = deliver(1);
    cr_assert_str_eq(header_of(json_array_get(events, 0), "Authorization"), "Basic bWU6eW91");
    cr_assert_str_eq(header_of(json_array_get(events, 0), "X-Tenant"), "seven");
    json_decref(events);
    fixture_close();
    service("clear");
    memset(&publishing, 0, sizeof publishing);
    fixture_open(PLAIN "authorization: Bearer abc", server());
    event_set(&publishing, 0, "orders", "k", "{}");
    events = deliver(1);
    cr_assert_str_eq(header_of(json_array_get(events, 0), "Authorization"), "Bearer abc");
    json_decref(events);
    fixture_close();
}

/* ---- what is rejected -------------------------------------------------------------------------------------------- */

static void check_rejected(const char *topic, const char *name, const char *value)
{
    struct outbox_error error;
    struct outbox_header header = {{name, strlen(name)}, {value, strlen(value)}};
    memset(&publishing, 0, sizeof publishing);
    event_set(&publishing, 0, topic, "k", "{}");
    publishing.messages[0].headers = &header;
    publishing.messages[0].header_count = 1;
    cr_assert_eq(obx_broker_admit(broker, &publishing.messages[0], &error), OUTBOX_E_REJECTED, "%s %s", topic, name);
    fixture_submit(&publishing, 1);
    fixture_wait(&publishing);
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_REJECTED);
}

Test(http_message, event_that_would_change_the_request_is_rejected)
{
    fixture_open(PLAIN, server());
    check_rejected("", "a", "b");
    check_rejected("..", "a", "b");
    check_rejected("a/../../b", "a", "b");
    check_rejected("two\r\nlines", "a", "b");
    check_rejected("t", "a", "two\r\nlines: here");
    check_rejected("t", "a: b", "c");
    check_rejected("t", "Host", "evil.example");
    check_rejected("t", "Content-Length", "0");
    check_rejected("t", "Authorization", "Bearer mine");
    check_rejected("t", "webhook-signature", "v1,mine");
    check_rejected("t", "Outbox-Id", "another");
    fixture_close();
}
