/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/relay_conflicts_test.c - two relays of one process that use the same outbox or target are refused
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_fault.h"
#include "daemon/relay_conflicts.h"
#include "stub.h"

/* The stub's options `note` and `number` identify its target. */
static int check(const char *yaml, const char *relay, struct outbox_error *error)
{
    struct obx_context context = {.relay = relay};
    struct obx_config *config = NULL;
    *error = (struct outbox_error){0};
    int status = obx_registry_new(NULL, stub_plugins, NULL, &context.registry, error);
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
    expect_refused(STORES("plugin: stub, note: x", "plugin: stub, note: x"), one_outbox);
    expect_refused(STORES("plugin: stub, hold: true", "plugin: stub, hold: false"), one_outbox);
}

Test(relay_conflicts, defaults_and_references_are_compared_by_effective_value)
{
    setenv("CONFLICT", "none", 1);
    expect_refused(STORES("plugin: stub", "plugin: stub, note: '${CONFLICT}', number: 7"), one_outbox);
    setenv("CONFLICT", "other", 1);
    expect_accepted(STORES("plugin: stub", "plugin: stub, note: '${CONFLICT}', number: 7"));
}

static void expect_refused_at(const char *yaml, const char *location, const char *text)
{
    char expected[512];
    snprintf(expected, sizeof expected, "f.yaml:%s: %s", location, text);
    expect_refused(yaml, expected);
}

Test(relay_conflicts, two_writers_of_one_target_are_refused)
{
    expect_refused_at(BROKERS("plugin: stub, number: 9", "plugin: stub, number: 9"), "3:7", one_target);
}

Test(relay_conflicts, decorators_are_ignored)
{
    expect_refused_at(BROKERS("plugin: stub", "plugin: pass, number: 3, wraps: {plugin: stub}"), "3:41", one_target);
    expect_accepted(BROKERS("plugin: pass, wraps: {plugin: stub}", "plugin: pass, wraps: {plugin: stub, note: y}"));
}

Test(relay_conflicts, the_first_conflicting_pair_is_named)
{
    expect_refused("relays:\n  a: {store: {plugin: stub, note: x}}\n  c: {store: {plugin: stub, note: y}}\n"
                   "  b: {store: {plugin: stub, note: y}}\n  d: {store: {plugin: stub, note: x}}\n",
                   "f.yaml:4:7: relay 'b' reads the same outbox as relay 'c' (equal note, number); an outbox has one "
                   "relay, so 'b' would stay standby: name another table, or remove it");
}

Test(relay_conflicts, targets_that_differ_are_accepted)
{
    expect_accepted(STORES("plugin: stub, note: x", "plugin: stub, note: ./x"));
    expect_accepted(STORES("plugin: stub, number: 1", "plugin: stub, number: 2"));
    expect_accepted(STORES("plugin: stub", "plugin: bare"));
    expect_accepted("relays:\n  a: {store: {plugin: stub}, broker: {plugin: stub}}\n");
}

/* Making the relay reports them. */
Test(relay_conflicts, invalid_sections_are_skipped)
{
    expect_accepted(STORES("plugin: stub", "plugin: stub, nomber: 1"));
    expect_accepted(STORES("plugin: stub, number: many", "plugin: stub"));
    expect_accepted(STORES("plugin: nothing", "plugin: nothing"));
    expect_accepted("relays: {a: , b: x, c: {store: y}, d: {store: {}}, e: {store: {plugin: stub, wraps: 1}}}\n");
}

Test(relay_conflicts, a_single_chosen_relay_never_conflicts)
{
    struct outbox_error error;
    cr_expect_eq(check(STORES("plugin: stub", "plugin: stub"), "b", &error), OUTBOX_OK, "%s", error.text);
}

Test(relay_conflicts, out_of_memory_is_reported_and_leaks_nothing)
{
    const char *const yaml = BROKERS("plugin: stub, note: x", "plugin: stub, note: y");
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
