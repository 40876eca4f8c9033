/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/program/relay_set_test.c - the states of the relays of a process: reload, stop, both at once
 *
 * Each relay is one of the memory plugins. An illegal move aborts the process, so the tests also prove the table.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "daemon/relay_entry.h"
#include "daemon/relay_set.h"
#include "loop/uv_loop.h"
#include "mem_fault.h"
#include "plugin/builtin.h"

static struct {
    struct obx_context context;
    struct obx_relay_set *set;
    struct outbox_error error;
    bool stopped;
} t;

static void on_stopped(void *arg)
{
    (void)arg;
    t.stopped = true;
}

static void configure(const char *yaml)
{
    struct obx_config *config = NULL;
    cr_assert_eq(obx_config_parse("f.yaml", yaml, strlen(yaml), &config, &t.error), OUTBOX_OK, "%s", t.error.text);
    obx_config_ref_release(t.context.config_ref);
    t.context.config_ref = obx_config_ref_new(config);
    t.context.config = config;
}

static void begin(const char *yaml)
{
    const struct obx_relay_set_events events = {.stopped = on_stopped};
    memset(&t, 0, sizeof t);
    cr_assert_eq(obx_uv_loop_new(NULL, &t.context.loop, &t.error), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(obx_registry_new(NULL, obx_builtins, NULL, &t.context.registry, &t.error), OUTBOX_OK, "%s",
                 t.error.text);
    configure(yaml);
    cr_assert_eq(obx_relay_set_new(&t.context, &events, &t.set, &t.error), OUTBOX_OK, "%s", t.error.text);
    obx_relay_set_start(t.set);
}

static void end(void)
{
    while (!t.stopped)
        cr_assert(obx_uv_loop_turn(t.context.loop));
    obx_relay_set_free(t.set);
    obx_registry_free(t.context.registry);
    cr_assert_eq(obx_uv_loop_free(t.context.loop, NULL, NULL), 0);
    obx_config_ref_release(t.context.config_ref);
    cr_assert_eq(mem_live(), 0);
}

static void stop(bool now)
{
    obx_relay_set_stop(t.set, now);
}

/* ---- what the set has -------------------------------------------------------------------------------------------- */

struct names {
    char text[64]; /* those that relay */
    uint32_t count;
};

static void add_name(void *arg, const struct obx_relay_info *info)
{
    struct names *names = arg;
    names->count++;
    if (info->state == OUTBOX_STATE_RELAYING)
        strncat(names->text, info->name, sizeof names->text - strlen(names->text) - 1);
}

static void until_relaying(const char *expected)
{
    for (;;) {
        struct names names = {"", 0};
        obx_relay_set_each(t.set, add_name, &names);
        if (!strcmp(names.text, expected) && names.count == strlen(expected))
            return;
        cr_assert(obx_uv_loop_turn(t.context.loop));
    }
}

#define RELAY(name, option) "  " name ": {store: {plugin: memory}, broker: {plugin: memory}, claim_rows: " option "}\n"

Test(relay_set, reload_replaces_drops_and_adds_relays)
{
    begin("relays:\n" RELAY("a", "10") RELAY("b", "10") RELAY("c", "10"));
    until_relaying("abc");
    configure("relays:\n" RELAY("a", "20") RELAY("b", "10") RELAY("d", "10"));
    cr_assert_eq(obx_relay_set_reload(t.set, &t.error), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(obx_relay_set_reload(t.set, &t.error), OUTBOX_E_AGAIN);
    cr_assert_str_eq(t.error.text, "reload: relays of the last reload are still stopping; send SIGHUP again later");
    until_relaying("bad");
    cr_assert_eq(obx_relay_set_reload(t.set, &t.error), OUTBOX_OK, "%s", t.error.text);
    until_relaying("bad");
    stop(false);
    end();
}

Test(relay_set, stop_during_a_reload_starts_no_replacement)
{
    begin("relays:\n" RELAY("a", "10") RELAY("b", "10"));
    until_relaying("ab");
    configure("relays:\n" RELAY("a", "20"));
    cr_assert_eq(obx_relay_set_reload(t.set, &t.error), OUTBOX_OK, "%s", t.error.text);
    stop(false);
    stop(true);
    end();
}

Test(relay_set, stop_before_a_relay_has_connected)
{
    begin("relays:\n" RELAY("a", "10"));
    stop(false);
    stop(false);
    stop(true);
    end();
}

/* ---- moves that are not in the table ----------------------------------------------------------------------------- */

static void ignore(void *arg)
{
    (void)arg;
}

static void ignore_entry(void *arg, struct obx_relay_entry *entry)
{
    (void)arg;
    (void)entry;
}

static struct obx_relay_entry *started_entry(void)
{
    static const struct obx_relay_entry_events events = {ignore, ignore_entry, NULL};
    struct obx_relay_entry *entry;
    begin("relays:\n" RELAY("a", "10"));
    cr_assert_eq(obx_relay_entry_new(&t.context, "a", &events, &entry, &t.error), OUTBOX_OK, "%s", t.error.text);
    obx_relay_entry_start(entry);
    return entry;
}

Test(relay_entry, second_start_aborts, .signal = SIGABRT)
{
    obx_relay_entry_start(started_entry());
}

Test(relay_entry, release_of_a_running_relay_aborts, .signal = SIGABRT)
{
    obx_relay_entry_release(started_entry());
}

Test(relay_entry, start_of_a_relay_that_stops_aborts, .signal = SIGABRT)
{
    struct obx_relay_entry *entry = started_entry();
    obx_relay_entry_stop(entry, false);
    obx_relay_entry_start(entry);
}
