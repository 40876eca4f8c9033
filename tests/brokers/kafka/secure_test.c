/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/secure_test.c - TLS, logins and access lists, against a real broker
 *
 * SCRAM of librdkafka before 2.6.1 repeats the client's nonce, which recent brokers refuse (seen with Kafka
 * 4.1): with such a library the login is PLAIN.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "mem_fault.h"
#include "real.h"

static struct fixture t;
static struct batch batch;

static const char *mechanism(void)
{
    return rd_kafka_version() < 0x020601ff ? "PLAIN" : "SCRAM-SHA-512";
}

static int open_secure(const char *ca, const char *password, const char *more)
{
    char text[2048];
    snprintf(text, sizeof text,
             "bootstrap.servers: %s\noptions:\n  security.protocol: sasl_ssl\n  sasl.mechanism: %s\n"
             "  sasl.username: relay\n  sasl.password: %s\n  ssl.ca.location: %s/%s\n%s",
             getenv("OUTBOX_TEST_KAFKA_TLS"), mechanism(), password, getenv("OUTBOX_TEST_KAFKA_DIR"), ca, more);
    return fixture_open(&t, text);
}

#define END()                                      \
    do {                                           \
        cr_assert_eq(fixture_stop(&t), OUTBOX_OK); \
        cr_assert_eq(fixture_close(&t), 0);        \
        cr_assert_eq(mem_live(), 0);               \
    } while (0)

#define NONE ((struct topic_setting){NULL, NULL})

Test(kafka_secure, events_are_delivered_over_tls_with_a_login)
{
    real_create("sealed", 12, NONE, NONE);
    cr_assert_eq(open_secure("ca.pem", "secret", ""), OUTBOX_OK, "%s", t.error.text);
    fixture_must_start(&t);
    batch_init(&batch, 1000);
    batch_fill(&batch, "sealed", 10, 0);
    real_relay(&t, &batch, 4);
    struct seen seen = real_read("sealed", 1000);
    cr_assert_eq(seen.distinct, 1000);
    cr_assert_eq(seen.out_of_order, 0);
    batch_free(&batch);
    END();
}

Test(kafka_secure, wrong_password_is_refused)
{
    cr_assert_eq(open_secure("ca.pem", "guessed", ""), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(fixture_start(&t), OUTBOX_E_PERMISSION, "%s", t.error.text);
    cr_assert(strstr(t.error.text, "SASL authentication error"), "%s", t.error.text);
    cr_assert_null(strstr(t.error.text, "guessed"));
    END();
}

Test(kafka_secure, broker_of_another_authority_is_refused)
{
    cr_assert_eq(open_secure("other-ca.pem", "secret", ""), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(fixture_start(&t), OUTBOX_E_PERMISSION, "%s", t.error.text);
    cr_assert(strstr(t.error.text, "certificate verify failed"), "%s", t.error.text);
    END();
}

Test(kafka_secure, missing_ca_file_is_a_configuration_error)
{
    cr_assert_eq(open_secure("no-ca.pem", "secret", ""), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(fixture_start(&t), OUTBOX_E_CONFIG, "%s", t.error.text);
    cr_assert(strstr(t.error.text, "make a producer: ssl.ca.location failed: "), "%s", t.error.text);
    END();
}

Test(kafka_secure, unchecked_certificates_need_insecure)
{
    cr_assert_eq(open_secure("other-ca.pem", "secret", "  enable.ssl.certificate.verification: false\n"),
                 OUTBOX_E_CONFIG);
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(
        open_secure("other-ca.pem", "secret", "  enable.ssl.certificate.verification: false\ninsecure: true\n"),
        OUTBOX_OK, "%s", t.error.text);
    fixture_must_start(&t);
    END();
}

/* It may be described but not written: each attempt fails, and the first costs the others one reconnect. */
Test(kafka_secure, forbidden_topic_fails_alone)
{
    real_create("forbidden", 1, NONE, NONE);
    real_create("open", 1, NONE, NONE);
    real_forbid("forbidden", "User:relay");
    cr_assert_eq(open_secure("ca.pem", "secret", ""), OUTBOX_OK, "%s", t.error.text);
    fixture_must_start(&t);
    for (int round = 0; round < 3; round++) {
        uint32_t lost_count = t.lost_count;
        batch_init(&batch, 20);
        for (uint32_t i = 0; i < 20; i++)
            batch_set(&batch, i, i % 2 ? "open" : "forbidden", "k", "v");
        fixture_publish(&t, &batch);
        cr_assert(fixture_wait(&t, &batch));
        cr_assert_eq(batch.outcomes[0], OUTBOX_RETRY);
        cr_assert_eq(batch.errors[0].code, OUTBOX_E_PERMISSION, "%s", batch.errors[0].text);
        cr_assert_eq(t.lost_count - lost_count, round == 0 ? 1 : 0);
        if (round > 0)
            cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 10);
        if (round == 0) {
            cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
            fixture_must_start(&t);
        }
        batch_free(&batch);
        fixture_run_for(&t, 20); /* the relay pauses too */
    }
    END();
}

/* The relay cannot know the limits: events like a refused one go alone, and no other event waits for a new producer. */
Test(kafka_secure, refused_events_of_a_topic_with_hidden_settings_delay_no_other)
{
    enum { BAD = 200, ALL = BAD + 20 };
    static char large[3000];
    memset(large, 'x', sizeof large);
    real_create("hidden", 1, (struct topic_setting){"max.message.bytes", "1000"}, NONE);
    real_create("visible", 1, NONE, NONE);
    real_hide_settings("hidden", "User:relay");
    cr_assert_eq(open_secure("ca.pem", "secret", ""), OUTBOX_OK, "%s", t.error.text);
    fixture_must_start(&t);
    batch_init(&batch, ALL);
    batch_fill(&batch, "hidden", ALL, 0);
    for (uint32_t i = 0; i < ALL; i++) {
        if (i < BAD)
            batch.messages[i].value = (struct outbox_bytes){large, sizeof large};
        else
            batch.messages[i].topic = (struct outbox_bytes){"visible", 7};
    }
    real_relay(&t, &batch, 4);
    cr_assert_eq(fixture_count(&batch, OUTBOX_REJECTED), BAD);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), ALL - BAD);
    cr_assert_leq(t.lost_count, 1, "%u producers", t.lost_count);
    batch_free(&batch);
    END();
}
