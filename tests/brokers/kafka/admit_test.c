/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/admit_test.c - what is refused before it is sent */
#include <criterion/criterion.h>
#include <string.h>

#include "../../../brokers/kafka/broker.h"

static struct kafka_broker plugin = {.message_max = 1000};
static struct outbox_error error;

static struct outbox_message message_to(const char *topic)
{
    return (struct outbox_message){.topic = {topic, topic ? strlen(topic) : 0}, .key = {"k", 1}, .value = {"v", 1}};
}

static int admit(const struct outbox_message *message)
{
    error = (struct outbox_error){0};
    return kafka_admit(&plugin, message, &error);
}

Test(kafka_admit, admits_every_name_that_kafka_allows)
{
    struct outbox_message message = message_to("outbox.event.Order-1_x");
    cr_assert_eq(admit(&message), OUTBOX_OK);
    message.value.data = NULL;
    cr_assert_eq(admit(&message), OUTBOX_OK);
    message.key.data = NULL;
    cr_assert_eq(admit(&message), OUTBOX_OK);
}

Test(kafka_admit, refuses_impossible_topics)
{
    char longest[251];
    memset(longest, 'x', sizeof longest);
    longest[250] = '\0';
    struct outbox_message message = message_to(NULL);
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "the topic is empty");
    message = message_to("..");
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "topic '..' is a name that Kafka does not allow");
    message = message_to("a b");
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "topic 'a b' has a character (0x20 at 1) that Kafka does not allow: only letters, "
                                 "digits, '.', '_' and '-'");
    message = message_to(longest);
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text,
                     "topic 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' has 250 characters, Kafka allows 249");
    message.topic.size = 249;
    cr_assert_eq(admit(&message), OUTBOX_OK);
}

Test(kafka_admit, counts_key_value_and_headers)
{
    static char bytes[1000];
    struct outbox_header header = {.name = {"name", 4}, .value = {bytes, 100}};
    struct outbox_message message = message_to("t");
    message.value = (struct outbox_bytes){bytes, 1000 - 36 - 1};
    cr_assert_eq(admit(&message), OUTBOX_OK);
    message.value.size++;
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "the event takes 1001 bytes as a Kafka record, message.max.bytes is 1000");
    message.value.size -= 1 + 114;
    message.headers = &header;
    message.header_count = 1;
    cr_assert_eq(admit(&message), OUTBOX_OK);
    header.value.size++;
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
}

Test(kafka_admit, refuses_headers_without_a_name)
{
    struct outbox_header headers[] = {{.name = {"a", 1}}, {.name = {"", 0}}};
    struct outbox_message message = message_to("t");
    message.headers = headers;
    message.header_count = 2;
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "header 2 has no name");
}

Test(kafka_admit, refuses_a_missing_key_where_one_is_required)
{
    struct outbox_message message = message_to("t");
    message.key = (struct outbox_bytes){NULL, 0};
    plugin.require_key = true;
    cr_assert_eq(admit(&message), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "the event has no key, and require_key is set");
    message.key = (struct outbox_bytes){"", 0};
    cr_assert_eq(admit(&message), OUTBOX_OK);
}
