/* SPDX-License-Identifier: Apache-2.0 */
/* tests/embed/check_test.c - outbox_check(): its findings, its result, beside a running relay, NULL, and no memory */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <outbox/outbox.h>

#include "mem_fault.h"

#define RELAY(store, broker) "relays: {orders: {store: {" store "}, broker: {" broker "}}}\n"
#define MEMORY RELAY("plugin: memory, events: 3", "plugin: memory")

struct seen {
    char lines[4096]; /* "PART SEVERITY: REASON" */
    size_t errors;
};

static void on_finding(void *arg, const char *part, const struct outbox_finding *finding)
{
    struct seen *seen = arg;
    size_t used = strlen(seen->lines);
    cr_assert_eq(finding->struct_size, sizeof *finding);
    seen->errors += finding->severity == OUTBOX_SEVERITY_ERROR;
    snprintf(seen->lines + used, sizeof seen->lines - used, "%s %u: %s\n", part, finding->severity, finding->reason);
}

static struct outbox *make(const char *text)
{
    const struct outbox_options options = {.struct_size = sizeof options, .config_text = text};
    struct outbox *relay;
    struct outbox_error error = {0};
    cr_assert_eq(outbox_new(&options, &relay, &error), OUTBOX_OK, "%s", error.text);
    return relay;
}

static int check(const char *text, struct seen *seen, struct outbox_error *error)
{
    struct outbox *relay = make(text);
    *seen = (struct seen){0};
    int status = outbox_check(relay, 20000, on_finding, seen, error);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
    return status;
}

Test(embed_check, findings_of_a_relay_that_works)
{
    struct seen seen;
    struct outbox_error error = {0};
    cr_expect_eq(check(MEMORY, &seen, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(seen.errors, 0);
    cr_expect_not_null(strstr(seen.lines, "store 0: connected with the plugin 'memory'\n"), "%s", seen.lines);
    cr_expect_not_null(strstr(seen.lines, "store 0: 3 events are pending: the relay publishes them\n"), "%s",
                       seen.lines);
    cr_expect_not_null(strstr(seen.lines, "broker 0: connected with the plugin 'memory'\n"), "%s", seen.lines);
}

/* Both parts are wrong, and both are found; the first one gives the result. */
Test(embed_check, goes_on_after_a_failure)
{
    struct seen seen;
    struct outbox_error error = {0};
    int status =
        check(RELAY("plugin: sqlite, path: /nonexistent/x.db", "plugin: file, path: /nonexistent/y"), &seen, &error);
    cr_expect_eq(status, error.code);
    cr_expect_neq(status, OUTBOX_OK);
    cr_expect_geq(seen.errors, 2, "%s", seen.lines);
    cr_expect_not_null(strstr(seen.lines, "broker 2: "), "%s", seen.lines);
    cr_expect_eq(strncmp(error.text, "check relay orders: store: ", 27), 0, "%s", error.text);
}

Test(embed_check, missing_table_is_named)
{
    char path[] = "/tmp/outbox-check.XXXXXX", text[300];
    struct seen seen;
    struct outbox_error error = {0};
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    snprintf(text, sizeof text, RELAY("plugin: sqlite, path: %s", "plugin: memory"), path);
    cr_expect_eq(check(text, &seen, &error), OUTBOX_E_NOT_FOUND);
    cr_expect_not_null(strstr(error.text, "'outbox init'"), "%s", error.text);
    struct outbox *relay = make(text);
    cr_assert_eq(outbox_init(relay, 20000, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(outbox_check(relay, 20000, NULL, NULL, &error), OUTBOX_OK, "%s", error.text);
    outbox_free(relay);
    unlink(path);
}

Test(embed_check, part_that_ends_early_gives_its_code)
{
    struct seen seen;
    struct outbox_error error = {0};
    cr_expect_eq(
        check(RELAY("plugin: memory", "plugin: fault, wraps: {plugin: memory}, calls: start, kind: not_connected"),
              &seen, &error),
        OUTBOX_E_NOT_CONNECTED);
    cr_expect_eq(strncmp(error.text, "check relay orders: broker: ", 28), 0, "%s", error.text);
    cr_expect_eq(seen.errors, 1, "%s", seen.lines);
}

Test(embed_check, runs_beside_the_relay)
{
    struct outbox *relay = make(MEMORY);
    struct outbox_error error;
    cr_assert_eq(outbox_start(relay, &error), OUTBOX_OK);
    for (int i = 0; i < 20; i++)
        cr_expect_eq(outbox_check(relay, 20000, NULL, NULL, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_eq(outbox_drain(relay, 60000, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_eq(outbox_stop(relay, 60000, NULL), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed_check, null_is_refused_or_left_out)
{
    struct outbox_error error;
    struct outbox *relay = make(MEMORY);
    cr_expect_eq(outbox_check(NULL, 1000, on_finding, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "check relay: the handle is NULL");
    cr_expect_eq(outbox_check(relay, 20000, NULL, NULL, NULL), OUTBOX_OK);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}

Test(embed_check, every_failed_allocation_is_survived)
{
    struct outbox *relay = make(MEMORY);
    size_t live = mem_live(), n = 0;
    int status;
    do {
        struct outbox_error error = {0};
        mem_fail_at(++n, false);
        status = outbox_check(relay, 20000, NULL, NULL, &error);
        cr_assert_eq(status, error.code, "allocation %zu: %s", n, error.text);
    } while (mem_failed() && n < 10000);
    mem_fail_at(0, false);
    cr_expect_eq(status, OUTBOX_OK);
    cr_expect_gt(n, 10);
    cr_expect_geq(mem_live(), live);
    outbox_free(relay);
    cr_assert_eq(mem_live(), 0);
}
