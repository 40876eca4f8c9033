/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/failpoint_test.c - the syntax of OUTBOX_FAILPOINTS, when a rule triggers, and the table of failpoints
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/failpoint.h"

static void refused(const char *text, const char *why)
{
    struct outbox_error error = {0};
    cr_assert_eq(obx_failpoints_arm(text, &error), OUTBOX_E_CONFIG, "%s", text);
    cr_assert_str_eq(error.text, why);
    cr_assert_eq(obx_failpoint("relay.after_claim", NULL), 0, "what is refused arms nothing");
}

static void arm(const char *text)
{
    struct outbox_error error = {0};
    cr_assert_eq(obx_failpoints_arm(text, &error), OUTBOX_OK, "%s: %s", text, error.text);
}

/* One character for each of the next ten times. */
static const char *times(const char *rule)
{
    static char seen[11];
    arm(rule);
    for (int i = 0; i < 10; i++)
        seen[i] = obx_failpoint("file.before_sync", NULL) ? 'x' : '.';
    return seen;
}

Test(failpoint, invalid_rule_is_refused_with_advice)
{
    refused("relay.after_clam=crash",
            "OUTBOX_FAILPOINTS: 'relay.after_clam=crash': there is no such failpoint; did you "
            "mean 'relay.after_claim'?");
    refused("nowhere=crash", "OUTBOX_FAILPOINTS: 'nowhere=crash': there is no such failpoint; docs/FAILPOINTS.md lists "
                             "them");
    refused("relay.after_claim", "OUTBOX_FAILPOINTS: 'relay.after_claim': the action is missing; write NAME=crash, "
                                 "NAME=error(WHAT) or NAME=delay(50ms)");
    refused("relay.after_claim=explode", "OUTBOX_FAILPOINTS: 'relay.after_claim=explode': there is no such action; use "
                                         "crash, error, error(WHAT) or delay(50ms)");
    refused("relay.after_claim=error",
            "OUTBOX_FAILPOINTS: 'relay.after_claim=error': this failpoint cannot fail; use crash or delay(50ms)");
    refused("file.before_sync=error(EOOPS)",
            "OUTBOX_FAILPOINTS: 'file.before_sync=error(EOOPS)': this failpoint has no "
            "such error; use one like EIO or ENOSPC");
    refused("sqlite.before_claim=error(EIO)",
            "OUTBOX_FAILPOINTS: 'sqlite.before_claim=error(EIO)': this failpoint has no such error; use one of "
            "outbox/error.h, like not_connected or again");
    refused("relay.after_claim=delay(5)",
            "OUTBOX_FAILPOINTS: 'relay.after_claim=delay(5)': the delay is not a duration; use "
            "delay(50ms) or delay(2s)");
    refused("file.before_sync=error(EIO",
            "OUTBOX_FAILPOINTS: 'file.before_sync=error(EIO': a parenthesis is not closed; "
            "use error(EIO) or delay(50ms)");
    refused("relay.after_claim=crash@0",
            "OUTBOX_FAILPOINTS: 'relay.after_claim=crash@0': the time is invalid; use @3 (the "
            "third time), @3+ (from then on) or @25%");
    refused(
        "relay.after_claim=crash@101%",
        "OUTBOX_FAILPOINTS: 'relay.after_claim=crash@101%': the time is invalid; use @3 (the third time), @3+ (from "
        "then on) or @25%");
    refused(
        "file.before_sync=error;relay.after_claim=delay(1ms)@x",
        "OUTBOX_FAILPOINTS: 'relay.after_claim=delay(1ms)@x': the time is invalid; use @3 (the third time), @3+ (from "
        "then on) or @25%");
    char text[200];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    refused(text, "OUTBOX_FAILPOINTS: too long at 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'");
}

Test(failpoint, rule_triggers_at_its_hits)
{
    cr_assert_str_eq(times("file.before_sync=error"), "xxxxxxxxxx");
    cr_assert_str_eq(times("file.before_sync=error@3"), "..x.......");
    cr_assert_str_eq(times("file.before_sync=error@8+"), ".......xxx");
    cr_assert_str_eq(times("file.before_sync=error@2;file.before_sync=error@4"), ".x.x......");
    char first[11];
    snprintf(first, sizeof first, "%s", times("file.before_sync=error@50%"));
    cr_assert(strchr(first, 'x') && strchr(first, '.'), "%s", first);
    cr_assert_str_eq(times("file.before_sync=error@50%"), first, "the same in every run");
    cr_assert_str_eq(times("file.after_sync=crash"), "..........", "another place");
    cr_assert_str_eq(times(""), "..........");
    arm(NULL);
}

Test(failpoint, error_matches_the_kind_of_failpoint)
{
    struct outbox_error error = {0};
    arm("file.before_sync=error;file.before_write=error(enospc);sqlite.before_claim=error;sqlite.before_begin=error("
        "AGAIN)");
    cr_assert_eq(obx_failpoint("file.before_sync", NULL), EIO);
    cr_assert_eq(obx_failpoint("file.before_write", NULL), ENOSPC);
    cr_assert_eq(obx_failpoint("sqlite.before_claim", &error), OUTBOX_E_NOT_CONNECTED);
    cr_assert_eq(error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert_str_eq(error.text, "failpoint sqlite.before_claim");
    cr_assert_eq(obx_failpoint("sqlite.before_begin", &error), OUTBOX_E_AGAIN);
    arm(NULL);
}

Test(failpoint, delay_waits)
{
    struct timespec before, after;
    arm("relay.after_claim=delay(20ms)");
    clock_gettime(CLOCK_MONOTONIC, &before);
    cr_assert_eq(obx_failpoint("relay.after_claim", NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_geq((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 19);
    arm(NULL);
}

Test(failpoint, crash_kills_the_process, .signal = SIGKILL)
{
    arm("relay.after_claim=crash@2");
    obx_failpoint("relay.after_claim", NULL);
    obx_failpoint("relay.after_claim", NULL);
}

Test(failpoint, table_is_consistent)
{
    struct obx_failpoint_info info, other;
    for (unsigned i = 0; obx_failpoint_info(i, &info); i++) {
        cr_assert(strchr(info.name, '.') && *info.where, "%s", info.name);
        for (unsigned k = 0; k < i && obx_failpoint_info(k, &other); k++)
            cr_assert_str_neq(info.name, other.name);
    }
}
