/* SPDX-License-Identifier: Apache-2.0 */
/* tests/embed/config_test.c - a configuration made by calls: what it gives, what it refuses, NULL, and no memory */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/outbox.h>

#include "mem_fault.h"

static struct outbox_config *make(void)
{
    struct outbox_config *config = NULL;
    struct outbox_error error = {0};
    cr_assert_eq(outbox_config_new(&config, &error), OUTBOX_OK, "%s", error.text);
    return config;
}

static int set(struct outbox_config *config, const char *section, const char *key, const char *value)
{
    struct outbox_error error = {0};
    int status = outbox_config_set(config, "orders", section, key, value, &error);
    cr_assert_eq(status, error.code);
    return status;
}

static void set_memory(struct outbox_config *config)
{
    cr_assert_eq(set(config, "store", "plugin", "memory"), OUTBOX_OK);
    cr_assert_eq(set(config, "store", "events", "3"), OUTBOX_OK);
    cr_assert_eq(set(config, "broker", "plugin", "memory"), OUTBOX_OK);
}

static int new_relay(const struct outbox_config *config, struct outbox **relay, struct outbox_error *error)
{
    const struct outbox_options options = {.struct_size = sizeof options, .config = config};
    return outbox_new(&options, relay, error);
}

/* The configuration is freed. */
static void expect_refused(struct outbox_config *config, const char *text)
{
    struct outbox_error error = {0};
    struct outbox *relay;
    cr_expect_eq(new_relay(config, &relay, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, text);
    cr_expect_null(relay);
    outbox_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

static void expect_not_set(const char *relay, const char *section, const char *key, const char *value, const char *text)
{
    struct outbox_config *config = make();
    struct outbox_error error = {0};
    set_memory(config);
    cr_expect_eq(outbox_config_set(config, relay, section, key, value, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, text);
    cr_expect_eq(outbox_config_set(config, relay, section, key, value, NULL), OUTBOX_E_CONFIG);
    outbox_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(embed_config, relay_runs_by_a_configuration_of_calls)
{
    struct outbox_config *config = make();
    struct outbox_error error;
    struct outbox *relay;
    set_memory(config);
    cr_expect_eq(set(config, "route/headers", "id", "${event_id}"), OUTBOX_OK);
    cr_expect_eq(set(config, NULL, "order", "key"), OUTBOX_OK);
    cr_assert_eq(new_relay(config, &relay, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(set(config, "store", "events", "no number"), OUTBOX_OK, "the relay has a copy");
    outbox_config_free(config);
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    cr_assert_eq(outbox_drain(relay, 60000, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed_config, value_is_replaced_and_references_are_expanded)
{
    struct outbox_config *config = make();
    struct outbox_backlog backlog = {.struct_size = sizeof backlog};
    struct outbox_error error;
    struct outbox *relay;
    set_memory(config);
    setenv("OUTBOX_TEST_EVENTS", "5", 1);
    cr_expect_eq(set(config, "store", "events", "${OUTBOX_TEST_EVENTS}"), OUTBOX_OK);
    cr_assert_eq(new_relay(config, &relay, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_backlog(relay, 5000, &backlog, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(backlog.pending, 5);
    outbox_free(relay);
    outbox_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(embed_config, each_makes_relays)
{
    struct outbox_config *config = make();
    struct outbox_options options = {.struct_size = sizeof options, .config = config, .relay = "shop-paris"};
    struct outbox_error error;
    struct outbox *relay;
    cr_assert_eq(outbox_config_set(config, "shop-${each}", NULL, "each", "berlin, paris", &error), OUTBOX_OK);
    cr_assert_eq(outbox_config_set(config, "shop-${each}", "store", "plugin", "memory", &error), OUTBOX_OK);
    cr_assert_eq(outbox_config_set(config, "shop-${each}", "broker", "plugin", "memory", &error), OUTBOX_OK);
    cr_assert_eq(outbox_new(&options, &relay, &error), OUTBOX_OK, "%s", error.text);
    outbox_free(relay);
    options.relay = "shop-rome";
    cr_expect_eq(outbox_new(&options, &relay, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "config:1:1: no relay is named 'shop-rome'");
    outbox_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(embed_config, faults_have_the_texts_of_a_file_and_the_number_of_the_call)
{
    struct outbox_config *config = make();
    expect_refused(config, "config:1:1: no relays: there must be a section `relays:` with at least one relay in it");
    config = make();
    set_memory(config);
    set(config, "store", "evnts", "3");
    expect_refused(config, "config:4:1: unknown key 'evnts' in store; did you mean 'events'?");
    config = make();
    set_memory(config);
    set(config, NULL, "order", "sideways");
    expect_refused(config, "config:4:1: 'order' must be one of key, global, none, not 'sideways'");
    config = make();
    set(config, NULL, "store", "memory");
    expect_refused(config, "config:1:1: 'store' must be a section: write its keys below it, indented");
    config = make();
    set_memory(config);
    set(config, "store", "events", "");
    expect_refused(config, "config:4:1: 'events' must be a whole number, not ''");
}

Test(embed_config, calls_that_make_no_tree_are_refused)
{
    char large[1048578], *deep = large;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    expect_not_set("orders", NULL, "order", large,
                   "config:4:1: a text is larger than 1MiB, the limit of a configuration");
    for (size_t i = 1; i < 30; i += 2)
        large[i] = '/';
    deep[31] = '\0';
    expect_not_set("orders", deep, "a", "b", "config:4:1: more than 16 sections in one another");
    expect_not_set("orders", "store//", "a", "b", "config:4:1: a key is missing before ':'");
    expect_not_set("orders", "store", "", "b", "config:4:1: a key is missing before ':'");
    expect_not_set("", NULL, "order", "key", "config:4:1: a key is missing before ':'");
    expect_not_set("orders", NULL, "store", "x", "config:4:1: 'store' is a section: set the keys in it");
    expect_not_set("orders", "store/plugin", "x", "y", "config:4:1: 'plugin' has a value already, so it is no section");
    expect_not_set("orders", NULL, "order", "a\xff", "config:4:1: byte 0xff is not UTF-8");
    expect_not_set("a\xc3", NULL, "order", "key", "config:4:1: byte 0xc3 is not UTF-8");
}

Test(embed_config, null_is_refused)
{
    struct outbox_config *config = make();
    struct outbox_error error;
    cr_expect_eq(outbox_config_new(NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "make a configuration: give a place for it");
    cr_expect_eq(outbox_config_set(NULL, "a", "b", "c", "d", NULL), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_config_set(config, NULL, "b", "c", "d", &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "set a key of a configuration: relay is NULL");
    cr_expect_eq(outbox_config_set(config, "a", "b", NULL, "d", &error), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_config_set(config, "a", "b", "c", NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "set a key of a configuration: value is NULL");
    outbox_config_free(config);
    outbox_config_free(NULL);
    cr_assert_eq(mem_live(), 0);
}

static int build(struct outbox_config **config, struct outbox **relay, struct outbox_error *error)
{
    int status = outbox_config_new(config, error);
    if (!status)
        status = outbox_config_set(*config, "orders", "store", "plugin", "memory", error);
    if (!status)
        status = outbox_config_set(*config, "orders", "broker", "plugin", "memory", error);
    return status ? status : new_relay(*config, relay, error);
}

Test(embed_config, every_failed_allocation_is_reported)
{
    size_t n = 0;
    int status;
    do {
        struct outbox_config *config = NULL;
        struct outbox *relay = NULL;
        struct outbox_error error = {0};
        mem_fail_at(++n, false);
        status = build(&config, &relay, &error);
        cr_assert_eq(status, error.code);
        cr_assert(!status || error.text[0], "allocation %zu", n);
        outbox_free(relay);
        outbox_config_free(config);
        cr_assert_eq(mem_live(), 0, "allocation %zu", n);
    } while (mem_failed() && n < 10000);
    mem_fail_at(0, false);
    cr_expect_eq(status, OUTBOX_OK);
    cr_expect_gt(n, 20);
}

Test(embed_config, calls_after_one_without_memory_complete_the_tree)
{
    size_t n = 0;
    bool failed = true;
    while (failed) {
        struct outbox_config *config = make();
        struct outbox_error error;
        struct outbox *relay;
        mem_fail_at(++n, false);
        outbox_config_set(config, "orders", "store", "plugin", "memory", NULL);
        failed = mem_failed();
        mem_fail_at(0, false);
        set_memory(config);
        cr_assert_eq(new_relay(config, &relay, &error), OUTBOX_OK, "allocation %zu: %s", n, error.text);
        outbox_free(relay);
        outbox_config_free(config);
        cr_assert_eq(mem_live(), 0);
    }
    cr_expect_gt(n, 5);
}
