/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/apart_test.c - two relays of one process at one place are refused; whatever may differ is let
 * through */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "mem_fault.h"
#include "daemon/relay_conflicts.h"
#include "stub.h"

/* Of the stub's options `note` and `number` tell where it works. */
static int check(const char *yaml, const char *relay, struct outbox_error *error)
{
    struct obx_app app = {.relay = relay};
    struct obx_config *config = NULL;
    *error = (struct outbox_error){0};
    int status = obx_registry_new(NULL, stub_plugins, NULL, &app.registry, error);
    if (!status)
        status = obx_config_parse("f.yaml", yaml, strlen(yaml), &config, error);
    app.config = config;
    if (!status)
        status = obx_relay_conflicts_check(&app, error);
    obx_config_free(config);
    obx_registry_free(app.registry);
    return status;
}

static void expect_apart(const char *yaml)
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

static const char one_outbox[] =
    "f.yaml:3:7: relay 'b' has the outbox of relay 'a' (the same note, number); one relay "
    "reads an outbox, and this one would stand by for ever: name another table, or remove it";

#define STORES(first, second) "relays:\n  a: {store: {" first "}}\n  b: {store: {" second "}}\n"
#define BROKERS(first, second) "relays:\n  a: {broker: {" first "}}\n  b: {broker: {" second "}}\n"

Test(apart, two_on_one_outbox)
{
    expect_refused(STORES("plugin: stub, note: x", "plugin: stub, note: x"), one_outbox);
    expect_refused(STORES("plugin: stub, hold: true", "plugin: stub, hold: false"), one_outbox);
}

Test(apart, defaults_and_references_count_as_they_take_effect)
{
    setenv("APART", "none", 1);
    expect_refused(STORES("plugin: stub", "plugin: stub, note: '${APART}', number: 7"), one_outbox);
    setenv("APART", "other", 1);
    expect_apart(STORES("plugin: stub", "plugin: stub, note: '${APART}', number: 7"));
}

Test(apart, two_writers_of_one_target)
{
    expect_refused(BROKERS("plugin: stub, number: 9", "plugin: stub, number: 9"),
                   "f.yaml:3:7: relay 'b' writes where relay 'a' does (the same note, number), which only one of them "
                   "can: give it a place of its own");
}

Test(apart, what_stands_over_them_does_not_count)
{
    expect_refused(BROKERS("plugin: stub", "plugin: pass, number: 3, wraps: {plugin: stub}"),
                   "f.yaml:3:41: relay 'b' writes where relay 'a' does (the same note, number), which only one of them "
                   "can: give it a place of its own");
    expect_apart(BROKERS("plugin: pass, wraps: {plugin: stub}", "plugin: pass, wraps: {plugin: stub, note: y}"));
}

Test(apart, the_first_two_of_several_are_named)
{
    expect_refused("relays:\n  a: {store: {plugin: stub, note: x}}\n  c: {store: {plugin: stub, note: y}}\n"
                   "  b: {store: {plugin: stub, note: y}}\n  d: {store: {plugin: stub, note: x}}\n",
                   "f.yaml:4:7: relay 'b' has the outbox of relay 'c' (the same note, number); one relay reads an "
                   "outbox, and this one would stand by for ever: name another table, or remove it");
}

Test(apart, what_differs_is_let_through)
{
    expect_apart(STORES("plugin: stub, note: x", "plugin: stub, note: ./x"));
    expect_apart(STORES("plugin: stub, number: 1", "plugin: stub, number: 2"));
    expect_apart(STORES("plugin: stub", "plugin: bare"));
    expect_apart("relays:\n  a: {store: {plugin: stub}, broker: {plugin: stub}}\n");
}

/* Told by those who make the relay. */
Test(apart, what_is_wrong_in_itself_is_let_through)
{
    expect_apart(STORES("plugin: stub", "plugin: stub, nomber: 1"));
    expect_apart(STORES("plugin: stub, number: many", "plugin: stub"));
    expect_apart(STORES("plugin: nothing", "plugin: nothing"));
    expect_apart("relays: {a: , b: x, c: {store: y}, d: {store: {}}, e: {store: {plugin: stub, wraps: 1}}}\n");
}

Test(apart, one_that_is_chosen_is_alone)
{
    struct outbox_error error;
    cr_expect_eq(check(STORES("plugin: stub", "plugin: stub"), "b", &error), OUTBOX_OK, "%s", error.text);
}

Test(apart, without_memory_nothing_is_refused)
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
