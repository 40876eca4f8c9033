/* SPDX-License-Identifier: Apache-2.0 */
/* tests/embed/embed_test.c - the embedding API on its own thread: life cycle, statistics, callbacks, refusals */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <outbox/outbox.h>

#include "mem_fault.h"

#define CONFIG(events) "relays: {orders: {store: {plugin: memory, events: " #events "}, broker: {plugin: memory}}}\n"

struct recorder {
    atomic_int states[16]; /* count of each */
    atomic_int last;
    atomic_int logs, errors, confirmed;
    struct outbox *relay;
    atomic_int stop_inside;
};

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    struct recorder *recorder = arg;
    (void)why;
    recorder->states[state]++;
    recorder->last = (int)state;
    if (state == OUTBOX_STATE_RELAYING && recorder->relay)
        recorder->stop_inside = outbox_stop(recorder->relay, 0, NULL);
}

static void on_log(void *arg, int level, const char *subject, const char *text)
{
    struct recorder *recorder = arg;
    recorder->errors += level == 0;
    recorder->logs += level <= 2 && subject[0] && text[0];
}

static struct outbox *make(const char *text, struct recorder *recorder)
{
    const struct outbox_options options = {.struct_size = sizeof options,
                                           .config_text = text,
                                           .log_level = 2,
                                           .on_state = recorder ? on_state : NULL,
                                           .on_log = recorder ? on_log : NULL,
                                           .arg = recorder};
    struct outbox *relay;
    struct outbox_error error = {0};
    cr_assert_eq(outbox_new(&options, &relay, &error), OUTBOX_OK, "%s", error.text);
    return relay;
}

static struct outbox_stats stats_of(struct outbox *relay)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    cr_assert_eq(outbox_stats(relay, &stats), OUTBOX_OK);
    return stats;
}

static void wait_settled(struct outbox *relay, uint64_t count)
{
    for (int i = 0; i < 12000 && stats_of(relay).settled < count; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    cr_assert_eq(stats_of(relay).settled, count);
}

static void expect_refused(const struct outbox_options *options, const char *text)
{
    struct outbox *relay = (struct outbox *)(void *)&relay;
    struct outbox_error error = {0};
    cr_expect_eq(outbox_new(options, &relay, &error), error.code);
    cr_expect_neq(error.code, OUTBOX_OK);
    cr_expect_str_eq(error.text, text);
    cr_expect_null(relay);
    cr_expect_eq(mem_live(), 0);
}

Test(embed, relay_runs_on_its_own_thread)
{
    struct recorder recorder = {0};
    struct outbox_error error;
    struct outbox *relay = make(CONFIG(1000), &recorder);
    cr_expect_eq(stats_of(relay).state, OUTBOX_STATE_STOPPED);
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    wait_settled(relay, 1000);
    outbox_wake(relay);
    cr_expect_eq(stats_of(relay).state, OUTBOX_STATE_RELAYING);
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    struct outbox_stats after = stats_of(relay);
    cr_expect_eq(after.settled, 1000);
    cr_expect_eq(after.delivered, 1000);
    cr_expect_eq(after.violations, 0);
    cr_expect_eq(after.state, OUTBOX_STATE_STOPPED);
    cr_expect_eq(recorder.states[OUTBOX_STATE_RELAYING], 1);
    cr_expect_eq(recorder.last, OUTBOX_STATE_STOPPED);
    cr_expect_gt(recorder.logs, 0);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, stopped_relay_can_be_started_again)
{
    struct outbox_error error;
    struct outbox *relay = make(CONFIG(50), NULL);
    cr_expect_eq(outbox_stop(relay, 0, &error), OUTBOX_OK, "stopping a stopped relay succeeds");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
        wait_settled(relay, 50);
        cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    }
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, calls_in_the_wrong_mode_are_refused)
{
    struct outbox_error error;
    struct outbox *relay = make(CONFIG(1), NULL);
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    cr_expect_eq(outbox_start(relay, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "start relay orders: it is already running");
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    struct outbox_stats tiny = {.struct_size = 4};
    cr_expect_eq(outbox_stats(relay, &tiny), OUTBOX_E_INVALID);
    outbox_free(relay);
    outbox_free(NULL);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, null_arguments_are_refused)
{
    struct outbox_options options = {.struct_size = 0, .config_text = CONFIG(1)};
    struct outbox_stats stats = {.struct_size = sizeof stats};
    struct outbox_error error;
    struct outbox *relay;
    const char *make_relay = "make a relay: give options, with struct_size set, and a place for the handle";
    expect_refused(&options, make_relay);
    expect_refused(NULL, make_relay);
    options.struct_size = sizeof options;
    cr_expect_eq(outbox_new(&options, NULL, NULL), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_start(NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "start relay: the handle is NULL");
    cr_expect_eq(outbox_stop(NULL, 0, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "stop relay: the handle is NULL");
    cr_expect_eq(outbox_stats(NULL, &stats), OUTBOX_E_INVALID);
    outbox_wake(NULL);
    cr_assert_eq(outbox_new(&options, &relay, NULL), OUTBOX_OK);
    cr_expect_eq(outbox_stats(relay, NULL), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_start(relay, NULL), OUTBOX_OK);
    cr_expect_eq(outbox_stop(relay, 60000, NULL), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, running_relay_is_not_freed)
{
    struct recorder recorder = {0};
    struct outbox_error error;
    struct outbox *relay = make(CONFIG(5), &recorder);
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    outbox_free(relay);
    wait_settled(relay, 5);
    cr_expect_eq(recorder.errors, 1);
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

static void on_confirmed(void *arg, const struct outbox_confirmed *event)
{
    struct recorder *recorder = arg;
    recorder->confirmed +=
        event->struct_size == sizeof *event && event->event_id.size && event->topic.size && event->id;
}

Test(embed, drain_waits_until_all_events_are_out)
{
    struct recorder recorder = {0};
    struct outbox_error error;
    const struct outbox_options options = {
        .struct_size = sizeof options, .config_text = CONFIG(3000), .on_confirmed = on_confirmed, .arg = &recorder};
    struct outbox *relay;
    cr_assert_eq(outbox_new(&options, &relay, &error), OUTBOX_OK);
    cr_expect_eq(outbox_drain(relay, 1000, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "drain relay orders: it is not running on another thread");
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    cr_assert_eq(outbox_drain(relay, 60000, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(stats_of(relay).settled, 3000);
    cr_expect_eq(recorder.confirmed, 3000);
    cr_assert_eq(outbox_drain(relay, 60000, &error), OUTBOX_OK, "a second time, with nothing to do");
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    outbox_free(relay);
    cr_expect_eq(outbox_drain(NULL, 0, NULL), OUTBOX_E_INVALID);
    cr_assert_eq(mem_live(), 0);
}

/* The broker refuses some events, or is not there. */
static int drain_with(const char *more, struct outbox_error *error)
{
    char text[400];
    snprintf(text, sizeof text,
             "relays: {orders: {store: {plugin: memory, events: 20}, broker: {plugin: fault, wraps: "
             "{plugin: memory}, calls: publish, %s}}\n",
             more);
    struct outbox *relay = make(text, NULL);
    cr_assert_eq(outbox_start(relay, error), OUTBOX_OK);
    int status = outbox_drain(relay, 300, error);
    cr_assert_eq(outbox_stop(relay, 0, NULL), OUTBOX_OK);
    outbox_free(relay);
    return status;
}

Test(embed, drain_reports_why_events_remain)
{
    struct outbox_error error;
    cr_expect_eq(drain_with("kind: not_connected}", &error), OUTBOX_E_TIMEOUT);
    cr_expect_eq(strncmp(error.text, "drain relay orders: not within the time: ", 41), 0, "%s", error.text);
    cr_expect_eq(drain_with("kind: rejected, key: k7}", &error), OUTBOX_E_AGAIN);
    cr_expect_eq(drain_with("kind: rejected}, on_reject: stop", &error), OUTBOX_E_REJECTED);
    cr_expect_eq(strncmp(error.text, "drain relay orders: it has halted: ", 35), 0, "%s", error.text);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, stop_inside_a_callback_is_refused)
{
    struct recorder recorder = {0};
    struct outbox_error error;
    struct outbox *relay = make(CONFIG(5), &recorder);
    recorder.relay = relay;
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    wait_settled(relay, 5);
    cr_expect_eq(recorder.stop_inside, OUTBOX_E_INVALID);
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, invalid_options_and_configurations_are_refused)
{
    struct outbox_options options = {.struct_size = sizeof options};
    expect_refused(&options, "make a relay: set one of config_path, config_text and config");
    options.config_path = "x", options.config_text = "y";
    expect_refused(&options, "make a relay: set one of config_path, config_text and config");
    options.config_path = NULL;
    options.config_text = "service: {listen: x}\n";
    expect_refused(&options,
                   "config_text:1:1: no relays: there must be a section `relays:` with at least one relay in it");
    options.config_text = "relays: {a: {}, b: {}}\n";
    expect_refused(&options, "config_text:1:1: several relays: name one in options.relay");
    options.relay = "c";
    expect_refused(&options, "config_text:1:1: no relay is named 'c'");
    options.relay = NULL;
    options.config_text = "relay: {a: {}}\n";
    expect_refused(&options, "config_text:1:1: unknown key 'relay'; did you mean 'relays'?");
}

Test(embed, relay_is_chosen_by_name)
{
    const struct outbox_options options = {.struct_size = sizeof options,
                                           .relay = "b",
                                           .config_text =
                                               "relays:\n"
                                               "  a: {store: {plugin: memory, events: 1}, broker: {plugin: memory}}\n"
                                               "  b: {store: {plugin: memory, events: 2}, broker: {plugin: memory}}\n"};
    struct outbox *relay;
    struct outbox_error error;
    cr_assert_eq(outbox_new(&options, &relay, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    wait_settled(relay, 2);
    cr_assert_eq(outbox_stop(relay, 60000, &error), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, shorter_statistics_are_filled_partly)
{
    struct outbox *relay = make(CONFIG(1), NULL);
    struct outbox_stats stats;
    memset(&stats, 0x5a, sizeof stats);
    stats.struct_size = offsetof(struct outbox_stats, claimed);
    cr_assert_eq(outbox_stats(relay, &stats), OUTBOX_OK);
    cr_expect_eq(stats.struct_size, offsetof(struct outbox_stats, claimed));
    cr_expect_eq(stats.state, OUTBOX_STATE_STOPPED);
    cr_expect_eq(stats.claimed, 0x5a5a5a5a5a5a5a5aull, "bytes after the struct of the caller are not written");
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed, every_failed_allocation_of_new_is_reported)
{
    const struct outbox_options options = {.struct_size = sizeof options, .config_text = CONFIG(1)};
    struct outbox *relay = NULL;
    struct outbox_error error;
    size_t n = 0;
    do {
        mem_fail_at(++n, false);
        if (outbox_new(&options, &relay, &error))
            cr_expect_neq(error.text[0], '\0', "allocation %zu", n);
        outbox_free(relay);
        cr_assert_eq(mem_live(), 0, "allocation %zu", n);
    } while (mem_failed() && n < 10000);
    mem_fail_at(0, false);
    cr_expect_gt(n, 10);
    cr_expect_not_null(relay);
}

Test(embed, states_errors_and_version_have_names)
{
    cr_expect_str_eq(outbox_state_name(OUTBOX_STATE_STANDBY), "standby");
    cr_expect_str_eq(outbox_state_name((enum outbox_state)99), "unknown");
    cr_expect_str_eq(outbox_error_name(OUTBOX_E_FENCED), "FENCED");
    cr_expect_neq(outbox_version()[0], '\0');
}

Test(embed, backlog_is_read_without_a_relay)
{
    struct outbox_error error;
    struct outbox *relay = make(CONFIG(7), NULL);
    struct outbox_backlog backlog = {.struct_size = sizeof backlog}, tiny = {.struct_size = 8};
    cr_assert_eq(outbox_init(relay, 5000, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_backlog(relay, 5000, &backlog, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(backlog.pending, 7);
    cr_expect_eq(backlog.dead, 0);
    cr_expect_eq(outbox_backlog(relay, 5000, &tiny, &error), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_backlog(NULL, 5000, &backlog, NULL), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_init(NULL, 5000, NULL), OUTBOX_E_INVALID);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}
