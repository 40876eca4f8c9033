/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/wakeup.c - polls that arm the wake-up, and what the store logs about it */
#include "wakeup.h"

#include <stdio.h>
#include <string.h>

bool wakeup_armed(struct sql_fixture *fixture)
{
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .flags = OUTBOX_CLAIM_ARM_WAKEUP, .max_rows = 100, .max_bytes = 1 << 20};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    if (claim.batch)
        obx_store_release(fixture->store, claim.batch);
    return !claim.batch && claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
}

struct arming {
    struct sql_fixture *fixture;
    uint32_t wakes; /* before the last poll */
};

static bool is_armed(void *arg)
{
    struct arming *arming = arg;
    arming->wakes = arming->fixture->base.wakes;
    return wakeup_armed(arming->fixture);
}

/* A commit during the poll, or right after it, wakes the relay again: then poll once more. */
void wakeup_arm(struct sql_fixture *fixture)
{
    struct arming arming = {.fixture = fixture};
    do
        cr_assert(loop_fixture_poll(&fixture->base, is_armed, &arming), "the wake-up is never armed");
    while (fixture->base.wakes != arming.wakes);
}

struct waiting {
    struct sql_fixture *fixture;
    const char *sql;
};

static bool query_returns_one(void *arg)
{
    const struct waiting *waiting = arg;
    wakeup_armed(waiting->fixture);
    return fixture_run(waiting->fixture, waiting->sql) == 1;
}

void wakeup_poll_until(struct sql_fixture *fixture, const char *sql)
{
    cr_assert(loop_fixture_poll(&fixture->base, query_returns_one, &(struct waiting){fixture, sql}), "%s", sql);
}

void wakeup_open_armed(struct sql_fixture *fixture, const char *table, const char *yaml)
{
    fixture_open(fixture, table, true, yaml);
    fixture_begin(fixture);
    wakeup_arm(fixture);
}

void wakeup_expect_on_insert(struct sql_fixture *fixture)
{
    uint32_t wakes = fixture->base.wakes;
    fixture_insert(fixture, fixture->sql, "a");
    cr_assert(loop_fixture_until_woken(&fixture->base, wakes), "a commit does not wake the relay");
}

void wakeup_expect_on_each_insert(struct sql_fixture *fixture)
{
    for (int64_t i = 1; i <= 3; i++) {
        wakeup_expect_on_insert(fixture);
        fixture_await_rows(fixture);
        cr_assert(fixture->count == 1 && fixture->ids[0] == i);
        wakeup_arm(fixture);
    }
}

void wakeup_expect_by_commits(const char *table, const char *yaml)
{
    struct sql_fixture fixture;
    wakeup_open_armed(&fixture, table, yaml);
    wakeup_expect_on_each_insert(&fixture);
    fixture_close(&fixture);
}

static void note(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct wakeup_log *log = arg;
    (void)subject;
    log->recoveries += level == OUTBOX_LOG_INFO && !strncmp(text, "wake-up notifications work", 26);
    if (level != OUTBOX_LOG_WARN)
        return;
    log->warnings++;
    snprintf(log->warning, sizeof log->warning, "%s", text);
}

void wakeup_capture_log(struct sql_fixture *fixture, struct wakeup_log *log)
{
    *log = (struct wakeup_log){0};
    fixture->base.log.write = note;
    fixture->base.log.arg = log;
}

static bool is_warned(void *arg)
{
    struct sql_fixture *fixture = arg;
    const struct wakeup_log *log = fixture->base.log.arg;
    cr_assert(log->warnings || !wakeup_armed(fixture));
    return log->warnings > 0;
}

void wakeup_await_warning(struct sql_fixture *fixture)
{
    cr_assert(loop_fixture_poll(&fixture->base, is_warned, fixture), "no warning was logged");
}
