/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/print_test.c - the effective configuration: with defaults, without secrets, can be read back */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/print.h"
#include "config/redact.h"
#include "mem_fault.h"

struct target {
    const char *table;
    const char *dsn;
    const char *topic;
    const char *unset;
    bool fast;
    int64_t batch, memory, idle, order, least;
    struct outbox_map headers, client, listed, login;
};

static const char *const shown[] = {"linger.ms", NULL};
static const char *const orders[] = {"key", "no", NULL};
#define AT(member) offsetof(struct target, member)
static const struct outbox_option options[] = {
    {"table", OUTBOX_OPT_STRING, 0, AT(table), "outbox", 0, 0, NULL, ""},
    {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, AT(dsn), NULL, 0, 0, NULL, ""},
    {"topic", OUTBOX_OPT_STRING, OUTBOX_OPT_VERBATIM, AT(topic), "t.${type}", 0, 0, NULL, ""},
    {"unset", OUTBOX_OPT_STRING, 0, AT(unset), NULL, 0, 0, NULL, ""},
    {"fast", OUTBOX_OPT_BOOL, 0, AT(fast), "no", 0, 0, NULL, ""},
    {"batch", OUTBOX_OPT_INT, 0, AT(batch), "500", 1, 1000, NULL, ""},
    {"memory", OUTBOX_OPT_SIZE, 0, AT(memory), "65536", 0, 0, NULL, ""},
    {"idle", OUTBOX_OPT_DURATION, 0, AT(idle), "1000ms", 0, 60000, NULL, ""},
    {"order", OUTBOX_OPT_ENUM, 0, AT(order), "no", 0, 0, orders, ""},
    {"least", OUTBOX_OPT_INT, 0, AT(least), NULL, 5, INT64_MAX, NULL, ""},
    {"headers", OUTBOX_OPT_MAP, OUTBOX_OPT_VERBATIM, AT(headers), "{id: \"${event_id}\"}", 0, 0, NULL, ""},
    {"client", OUTBOX_OPT_MAP, 0, AT(client), NULL, 0, 0, NULL, ""},
    {"listed", OUTBOX_OPT_MAP, 0, AT(listed), NULL, 0, 0, shown, ""},
    {"login", OUTBOX_OPT_MAP, OUTBOX_OPT_SECRET, AT(login), NULL, 0, 0, NULL, ""},
};

static void print(struct obx_buf *buf, const struct target *target)
{
    struct obx_print to = {.buf = buf};
    obx_print_open(&to, "relays");
    obx_print_open(&to, "a b");
    obx_print_text(&to, "plugin", "sqlite");
    obx_print_options(&to, options, OBX_COUNT(options), sizeof *options, target);
    obx_print_close(&to);
    obx_print_close(&to);
    obx_print_text(&to, "last", "");
}

static int read_back(const char *text, struct obx_config **config, struct target *target, struct outbox_error *error)
{
    static const char *const ignored[] = {"plugin", NULL};
    const struct obx_section *section;
    int code = obx_config_parse("f.yaml", text, strlen(text), config, error);
    if (!code)
        code = obx_section_child(obx_config_root(*config), "relays", &section, error);
    if (!code)
        code = obx_section_child(section, "a b", &section, error);
    return code ? code
                : obx_options_apply(options, OBX_COUNT(options), sizeof *options, ignored, section, target, error);
}

Test(print, defaults_are_printed_and_secrets_redacted)
{
    struct target target = {0};
    struct obx_config *config;
    struct obx_buf buf = {0};
    cr_assert_eq(read_back("relays:\n  a b:\n    dsn: host=x password=y\n    table: 'yes'\n    memory: 1536k\n"
                           "    client: {sasl.password: p, client.id: \"x ${OBX_NONE:-$}{\"}\n    listed: {linger.ms: "
                           "5, sasl.pasword: p, "
                           "kinit.cmd: k}\n    login: {user: u}\n",
                           &config, &target, NULL),
                 0);
    print(&buf, &target);
    cr_expect_str_eq(obx_buf_text(&buf),
                     "relays:\n"
                     "  \"a b\":\n"
                     "    plugin: sqlite\n"
                     "    table: \"yes\"\n"
                     "    dsn: \"***\"\n"
                     "    topic: \"t.${type}\"\n"
                     "    # unset: not set\n"
                     "    fast: false\n"
                     "    batch: 500\n"
                     "    memory: 1500KiB\n"
                     "    idle: 1s\n"
                     "    order: \"no\"\n"
                     "    # least: not set\n"
                     "    headers:\n"
                     "      id: \"${event_id}\"\n"
                     "    client:\n"
                     "      sasl.password: \"***\"\n"
                     "      client.id: \"x $${\"\n"
                     "    listed:\n"
                     "      linger.ms: \"5\"\n"
                     "      sasl.pasword: \"***\"\n"
                     "      kinit.cmd: \"***\"\n"
                     "    login:\n"
                     "      user: \"***\"\n"
                     "last: \"\"\n",
                     "%s", obx_buf_text(&buf));
    obx_buf_free(&buf);
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

static const char *const texts[] = {"plain",
                                    "",
                                    " ",
                                    "a: b",
                                    "a #b",
                                    "~",
                                    "null",
                                    "TRUE",
                                    "1.10",
                                    "-",
                                    "- a",
                                    "*a",
                                    "&a",
                                    "!a",
                                    "@a",
                                    "`a`",
                                    "%a",
                                    "'a'",
                                    "\"a\"",
                                    "{a}",
                                    "[a]",
                                    "a\\b",
                                    "a\nb\r\t",
                                    "\x01\x1b\x7f",
                                    "${",
                                    "$${",
                                    "$$${A}",
                                    "${A}",
                                    "$",
                                    "file:x",
                                    "\xc3\xa9",
                                    "\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0",
                                    "\xef\xbb\xbf",
                                    "\xef\xbf\xbe\xef\xbf\xbf",
                                    "\xe2\x80\xa8",
                                    "\xf0\x9f\x98\x80",
                                    "---",
                                    "? a",
                                    "a|b",
                                    ">",
                                    "|",
                                    "=",
                                    "<<",
                                    ".inf"};

Test(print, every_text_can_be_read_back)
{
    for (size_t i = 0; i < OBX_COUNT(texts); i++) {
        struct outbox_pair pair = {.name = *texts[i] ? texts[i] : "k", .value = texts[i]};
        struct target target = {.table = texts[i], .topic = texts[i], .batch = 1, .client = {&pair, 1}}, back = {0};
        struct obx_config *config;
        struct obx_buf buf = {0};
        struct outbox_error error = {0};
        print(&buf, &target);
        cr_assert_eq(read_back(obx_buf_text(&buf), &config, &back, &error), 0, "%zu: %s\n%s", i, error.text, buf.data);
        cr_expect_str_eq(back.table, texts[i], "%zu: %s", i, buf.data);
        cr_expect_str_eq(back.topic, texts[i], "%zu: %s", i, buf.data);
        cr_expect_str_eq(back.client.items[0].name, pair.name, "%zu: %s", i, buf.data);
        cr_expect_str_eq(back.client.items[0].value, texts[i], "%zu: %s", i, buf.data);
        obx_config_free(config);
        obx_buf_free(&buf);
    }
    cr_assert_eq(mem_live(), 0);
}

Test(print, secrets_of_client_libraries_are_recognised_by_name)
{
    static const char *const secret[] = {"password",
                                         "sasl.password",
                                         "ssl.key.password",
                                         "SSL.Key.PEM",
                                         "a.pem",
                                         "sasl.oauthbearer.client.secret",
                                         "sasl.oauthbearer.config",
                                         "api_token",
                                         "sasl.jaas.config",
                                         "ssl.passphrase"};
    static const char *const open[] = {"bootstrap.servers", "compression.codec", "ssl.key.location", "pem", "acks", ""};
    for (size_t i = 0; i < OBX_COUNT(secret); i++)
        cr_expect(obx_name_is_secret(secret[i]), "%s", secret[i]);
    for (size_t i = 0; i < OBX_COUNT(open); i++)
        cr_expect_not(obx_name_is_secret(open[i]), "%s", open[i]);
}

Test(print, failure_is_reported_by_the_buffer)
{
    struct target target = {.table = "a b ${", .topic = "x"};
    for (size_t n = 1;; n++) {
        struct obx_buf buf = {0};
        mem_fail_at(n, false);
        print(&buf, &target);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        cr_expect_eq(obx_buf_failed(&buf), failed, "allocation %zu", n);
        obx_buf_free(&buf);
        cr_assert_eq(mem_live(), 0);
        if (!failed)
            break;
    }
}
