/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/relay_conflicts_test.c - two relays of one process that use the same outbox or target are refused
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_fault.h"
#include "daemon/relay_conflicts.h"
#include "plugin_fixture.h"

/* The plugin's options `note` and `number` identify its target. */
static int check(const char *yaml, const char *relay, struct outbox_error *error)
{
    struct obx_context context = {.relay = relay};
    struct obx_config *config = NULL;
    *error = (struct outbox_error){0};
    int status = obx_registry_new(NULL, plugin_fixture_plugins, NULL, &context.registry, error);
    if (!status)
        status = obx_config_parse("f.yaml", yaml, strlen(yaml), &config, error);
    context.config = config;
    if (!status)
        status = obx_relay_conflicts_check(&context, error);
    obx_config_free(config);
    obx_registry_free(context.registry);
    return status;
}

static void expect_accepted(const char *yaml)
{
    struct outbox_error error;
    cr_expect_eq(check(yaml, NULL, &error), OUTBOX_OK, "%s: %s", yaml, error.text);
}

static void expect_refused(const char *yaml, const char *text)
{
    struct outbox_error error;
    cr_expect_eq(check(yaml, NULL, &error), OUTBOX_E_CONFIG, "%s", yaml);
    cr_expect_str_eq(error.text, text, "%s: %s", yaml, error.text);
}

static const char one_outbox[] = "f.yaml:3:7: relay 'b' reads the same outbox as relay 'a' (equal note, number); an "
                                 "outbox has one relay, so 'b' would "
                                 "stay standby: name another table, or remove it";
static const char one_target[] =
    "relay 'b' writes to the same target as relay 'a' (equal note, number), which allows one "
    "writer: give it another target";

#define STORES(first, second) "relays:\n  a: {store: {" first "}}\n  b: {store: {" second "}}\n"
#define BROKERS(first, second) "relays:\n  a: {broker: {" first "}}\n  b: {broker: {" second "}}\n"

Test(relay_conflicts, two_relays_on_one_outbox_are_refused)
{
    expect_refused(STORES("plugin: test, note: x", "plugin: test, note: x"), one_outbox);
    expect_refused(STORES("plugin: test, hold: true", "plugin: test, hold: false"), one_outbox);
}

Test(relay_conflicts, defaults_and_references_are_compared_by_effective_value)
{
    setenv("CONFLICT", "none", 1);
    expect_refused(STORES("plugin: test", "plugin: test, note: '${CONFLICT}', number: 7"), one_outbox);
    setenv("CONFLICT", "other", 1);
    expect_accepted(STORES("plugin: test", "plugin: test, note: '${CONFLICT}', number: 7"));
}

static void expect_refused_at(const char *yaml, const char *location, const char *text)
{
    char expected[512];
    snprintf(expected, sizeof expected, "f.yaml:%s: %s", location, text);
    expect_refused(yaml, expected);
}

Test(relay_conflicts, two_writers_of_one_target_are_refused)
{
    expect_refused_at(BROKERS("plugin: test, number: 9", "plugin: test, number: 9"), "3:7", one_target);
}

Test(relay_conflicts, decorators_are_ignored)
{
    expect_refused_at(BROKERS("plugin: test", "plugin: pass, number: 3, wraps: {plugin: test}"), "3:41", one_target);
    expect_accepted(BROKERS("plugin: pass, wraps: {plugin: test}", "plugin: pass, wraps: {plugin: test, note: y}"));
}

Test(relay_conflicts, the_first_conflicting_pair_is_named)
{
    expect_refused("relays:\n  a: {store: {plugin: test, note: x}}\n  c: {store: {plugin: test, note: y}}\n"
                   "  b: {store: {plugin: test, note: y}}\n  d: {store: {plugin: test, note: x}}\n",
                   "f.yaml:4:7: relay 'b' reads the same outbox as relay 'c' (equal note, number); an outbox has one "
                   "relay, so 'b' would stay standby: name another table, or remove it");
}

Test(relay_conflicts, targets_that_differ_are_accepted)
{
    expect_accepted(STORES("plugin: test, note: x", "plugin: test, note: ./x"));
    expect_accepted(STORES("plugin: test, number: 1", "plugin: test, number: 2"));
    expect_accepted(STORES("plugin: test", "plugin: bare"));
    expect_accepted("relays:\n  a: {store: {plugin: test}, broker: {plugin: test}}\n");
}

/* Making the relay reports them. */
Test(relay_conflicts, invalid_sections_are_skipped)
{
    expect_accepted(STORES("plugin: test", "plugin: test, nomber: 1"));
    expect_accepted(STORES("plugin: test, number: many", "plugin: test"));
    expect_accepted(STORES("plugin: nothing", "plugin: nothing"));
    expect_accepted("relays: {a: , b: x, c: {store: y}, d: {store: {}}, e: {store: {plugin: test, wraps: 1}}}\n");
}

Test(relay_conflicts, a_single_chosen_relay_never_conflicts)
{
    struct outbox_error error;
    cr_expect_eq(check(STORES("plugin: test", "plugin: test"), "b", &error), OUTBOX_OK, "%s", error.text);
}

Test(relay_conflicts, out_of_memory_is_reported_and_leaks_nothing)
{
    const char *const yaml = BROKERS("plugin: test, note: x", "plugin: test, note: y");
    size_t live = mem_live();
    for (size_t n = 1, failed = 1; failed; n++) {
        struct outbox_error error;
        mem_fail_at(n, false);
        int status = check(yaml, NULL, &error);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_expect(status == OUTBOX_OK || (failed && status == OUTBOX_E_NO_MEMORY), "allocation %zu: %s", n, error.text);
        cr_expect_eq(mem_live(), live, "allocation %zu", n);
    }
}
