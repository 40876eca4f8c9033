/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/options_test.c - option tables: every type, every refusal with its exact text */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "mem_fault.h"

struct target {
    const char *table;
    const char *dsn;
    bool fast;
    int64_t batch;
    int64_t memory;
    int64_t idle;
    int64_t order;
    int64_t volume;
    int64_t least;
    struct outbox_map headers;
    struct outbox_map client;
};

static const char *const orders[] = {"key", "global", "none", NULL};
static const char *const volumes[] = {"off", "loud", "soft", NULL};
#define AT(member) offsetof(struct target, member)
static const struct outbox_option options[] = {
    {"table", OUTBOX_OPT_STRING, 0, AT(table), "outbox", 0, 0, NULL, "the table"},
    {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED | OUTBOX_OPT_SECRET, AT(dsn), NULL, 0, 0, NULL,
     "where the database is"},
    {"fast", OUTBOX_OPT_BOOL, 0, AT(fast), "on", 0, 0, NULL, "go fast"},
    {"batch", OUTBOX_OPT_INT, 0, AT(batch), "500", 1, 1000, NULL, "rows of one claim"},
    {"memory", OUTBOX_OPT_SIZE, 0, AT(memory), "16MiB", 65536, 1 << 30, NULL, "bytes in flight"},
    {"idle", OUTBOX_OPT_DURATION, 0, AT(idle), "250ms", 0, 60000, NULL, "longest pause"},
    {"order", OUTBOX_OPT_ENUM, 0, AT(order), "global", 0, 0, orders, "which order is kept"},
    {"volume", OUTBOX_OPT_ENUM, 0, AT(volume), "off", 0, 0, volumes, "how loud"},
    {"least", OUTBOX_OPT_INT, 0, AT(least), NULL, 5, INT64_MAX, NULL, "no upper bound"},
    {"headers", OUTBOX_OPT_MAP, OUTBOX_OPT_VERBATIM, AT(headers), "{ id: \"${event_id}\", type: a }", 0, 0, NULL,
     "headers"},
    {"client", OUTBOX_OPT_MAP, 0, AT(client), NULL, 0, 0, NULL, "passed through"},
};
static const char *const ignored[] = {"plugin", NULL};

static int apply(const char *text, struct target *target, struct obx_config **config, struct outbox_error *error)
{
    const struct obx_section *store;
    int code = obx_config_parse("f.yaml", text, strlen(text), config, error);
    if (code)
        return code;
    code = obx_section_child(obx_config_root(*config), "store", &store, error);
    if (code)
        return code;
    return obx_options_apply(options, OBX_COUNT(options), sizeof *options, ignored, store, target, error);
}

Test(options, absent_keys_get_defaults)
{
    struct target target;
    struct obx_config *config;
    memset(&target, 0xff, sizeof target);
    cr_assert_eq(apply("store:\n  plugin: x\n  dsn: here\n", &target, &config, NULL), 0);
    cr_expect_str_eq(target.table, "outbox");
    cr_expect_str_eq(target.dsn, "here");
    cr_expect(target.fast);
    cr_expect_eq(target.batch, 500);
    cr_expect_eq(target.memory, 16 << 20);
    cr_expect_eq(target.idle, 250);
    cr_expect_eq(target.order, 1);
    cr_expect_eq(target.least, 0);
    cr_assert_eq(target.headers.count, 2);
    cr_expect_str_eq(target.headers.items[0].name, "id");
    cr_expect_str_eq(target.headers.items[0].value, "${event_id}");
    cr_expect_eq(target.client.count, 0);
    cr_expect_null(target.client.items);
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(options, values_are_converted_to_their_types)
{
    static const char text[] = "store:\n"
                               "  table: \"a b\"\n"
                               "  dsn: host=x password=y\n"
                               "  fast: No\n"
                               "  batch: 1000\n"
                               "  memory: 128 KiB\n"
                               "  idle: 1m\n"
                               "  order: none\n"
                               "  headers: {}\n"
                               "  client: { compression.codec: lz4 }\n";
    struct target target = {0};
    struct obx_config *config;
    cr_assert_eq(apply(text, &target, &config, NULL), 0);
    cr_expect_str_eq(target.table, "a b");
    cr_expect_not(target.fast);
    cr_expect_eq(target.batch, 1000);
    cr_expect_eq(target.memory, 128 << 10);
    cr_expect_eq(target.idle, 60000);
    cr_expect_eq(target.order, 2);
    cr_expect_eq(target.headers.count, 0);
    cr_assert_eq(target.client.count, 1);
    cr_expect_str_eq(target.client.items[0].name, "compression.codec");
    cr_expect_str_eq(target.client.items[0].value, "lz4");
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(options, choice_with_off_accepts_booleans)
{
    static const struct {
        const char *word;
        int64_t index;
    } words[] = {{"off", 0}, {"false", 0}, {"No", 0}, {"loud", 1}, {"true", 1}, {"On", 1}, {"YES", 1}, {"soft", 2}};
    for (size_t i = 0; i < OBX_COUNT(words); i++) {
        struct target target = {.volume = -1};
        struct obx_config *config;
        char text[80];
        snprintf(text, sizeof text, "store:\n  dsn: x\n  volume: %s\n", words[i].word);
        cr_expect_eq(apply(text, &target, &config, NULL), 0, "%s", words[i].word);
        cr_expect_eq(target.volume, words[i].index, "%s is %lld", words[i].word, (long long)target.volume);
        obx_config_free(config);
    }
    cr_assert_eq(mem_live(), 0);
}

struct refusal {
    const char *line; /* of the section `store`, after its dsn */
    const char *error;
};

static const struct refusal refusals[] = {
    {"tabel: x", "f.yaml:3:3: unknown key 'tabel' in store; did you mean 'table'?"},
    {"plugn: x", "f.yaml:3:3: unknown key 'plugn' in store; did you mean 'plugin'?"},
    {"zebra: x", "f.yaml:3:3: unknown key 'zebra' in store"},
    {"table:", "f.yaml:3:9: 'table' has no value; write a value (\"\" is the empty text) or remove the key"},
    {"table: ~", "f.yaml:3:10: 'table' has no value; write a value (\"\" is the empty text) or remove the key"},
    {"table: null", "f.yaml:3:10: 'table' has no value; write a value (\"\" is the empty text) or remove the key"},
    {"table: {a: b}", "f.yaml:3:3: 'table' must be one value, not a section"},
    {"fast: maybe", "f.yaml:3:9: 'fast' must be true or false, not 'maybe'"},
    {"batch: 1e3", "f.yaml:3:10: 'batch' must be a whole number, not '1e3'"},
    {"batch: ''", "f.yaml:3:10: 'batch' must be a whole number, not ''"},
    {"batch: 0", "f.yaml:3:10: 'batch' must be from 1 to 1000, not '0'"},
    {"batch: 1001", "f.yaml:3:10: 'batch' must be from 1 to 1000, not '1001'"},
    {"batch: 99999999999999999999", "f.yaml:3:10: 'batch' must be from 1 to 1000, not '99999999999999999999'"},
    {"least: 4", "f.yaml:3:10: 'least' must be at least 5, not '4'"},
    {"memory: 1KiB", "f.yaml:3:11: 'memory' must be from 64KiB to 1GiB, not '1KiB'"},
    {"memory: 9999999999GiB", "f.yaml:3:11: 'memory' must be from 64KiB to 1GiB, not '9999999999GiB'"},
    {"memory: 16 litres", "f.yaml:3:11: 'memory' must be a size like 65536, 64KiB or 16MiB, not '16 litres'"},
    {"idle: 10", "f.yaml:3:9: 'idle' must be a duration with its unit, like 250ms, 10s, 5m or 1h, not '10'"},
    {"idle: 10 years",
     "f.yaml:3:9: 'idle' must be a duration with its unit, like 250ms, 10s, 5m or 1h, not '10 years'"},
    {"idle: -1s", "f.yaml:3:9: 'idle' must be from 0 to 1m, not '-1s'"},
    {"idle: 2m", "f.yaml:3:9: 'idle' must be from 0 to 1m, not '2m'"},
    {"order: keys", "f.yaml:3:10: 'order' must be one of key, global, none, not 'keys'; did you mean 'key'?"},
    {"order: random", "f.yaml:3:10: 'order' must be one of key, global, none, not 'random'"},
    {"order: off", "f.yaml:3:10: 'order' must be one of key, global, none, not 'off'"},
    {"volume: lout", "f.yaml:3:11: 'volume' must be one of off, loud, soft, not 'lout'; did you mean 'loud'?"},
    {"headers: x", "f.yaml:3:12: 'headers' must be a mapping; write 'name: value' lines below it, or {}"},
    {"headers: {a: {b: c}}", "f.yaml:3:13: 'a' must be one value, not a section"},
    {"headers: {a: }", "f.yaml:3:16: 'a' has no value; write a value (\"\" is the empty text) or remove the key"},
};

Test(options, refusal_has_location_reason_and_advice)
{
    for (size_t i = 0; i < OBX_COUNT(refusals); i++) {
        struct target target = {0};
        struct obx_config *config;
        struct outbox_error error = {0};
        char text[256];
        snprintf(text, sizeof text, "store:\n  dsn: x\n  %s\n", refusals[i].line);
        cr_expect_eq(apply(text, &target, &config, &error), OUTBOX_E_CONFIG, "%s", refusals[i].line);
        cr_expect_eq(error.code, OUTBOX_E_CONFIG);
        cr_expect_str_eq(error.text, refusals[i].error, "%s", error.text);
        obx_config_free(config);
    }
    cr_assert_eq(mem_live(), 0);
}

Test(options, missing_key_is_reported_with_its_help)
{
    struct target target = {0};
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_expect_eq(apply("a: 1\nstore:\n  table: x\n", &target, &config, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml:2:1: missing key 'dsn' in store: where the database is");
    obx_config_free(config);
    cr_expect_eq(apply("a: 1\n", &target, &config, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml:1:1: missing key 'dsn' in store: where the database is");
    obx_config_free(config);
    cr_expect_eq(apply("store: [", &target, &config, &error), OUTBOX_E_CONFIG);
    cr_expect_eq(apply("store: x", &target, &config, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml:1:8: 'store' must be a section: write its keys below it, indented");
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(options, invalid_table_is_a_bug)
{
    static const struct outbox_option faulty[] = {
        {"batch", OUTBOX_OPT_INT, 0, AT(batch), "many", 0, 0, NULL, ""},
        {"headers", OUTBOX_OPT_MAP, 0, AT(headers), "{a", 0, 0, NULL, ""},
        {"table", 99, 0, AT(table), "x", 0, 0, NULL, ""},
    };
    static const char *const errors[] = {
        "option table: default of 'batch': 'batch' must be a whole number, not 'many'",
        ("option table: default of 'headers': (default):2:1: not valid YAML: did not find expected ',' or '}', while "
         "parsing a flow mapping that begins on line 1"),
        "option table: 'table' has the unknown type 99",
    };
    for (size_t i = 0; i < OBX_COUNT(faulty); i++) {
        struct target target = {0};
        struct obx_config *config;
        struct outbox_error error = {0};
        cr_assert_eq(obx_config_parse("f.yaml", "", 0, &config, &error), 0);
        cr_expect_eq(obx_options_apply(&faulty[i], 1, sizeof *faulty, NULL, obx_config_root(config), &target, &error),
                     OUTBOX_E_BUG);
        cr_expect_eq(error.code, OUTBOX_E_BUG);
        cr_expect_str_eq(error.text, errors[i], "%s", error.text);
        obx_config_free(config);
    }
    cr_assert_eq(mem_live(), 0);
}
