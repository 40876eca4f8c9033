/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/wakeup.h - polls as an idle relay makes them, for the tests of wake-up notifications */
#ifndef OBX_TESTS_STORES_SQL_SUITE_WAKEUP_H
#define OBX_TESTS_STORES_SQL_SUITE_WAKEUP_H

#include "fixture.h"

/* One poll with OUTBOX_CLAIM_ARM_WAKEUP. True: the store kept the flag, the relay may sleep. */
bool wakeup_armed(struct sql_fixture *fixture);
/* Poll until the wake-up is armed. */
void wakeup_arm(struct sql_fixture *fixture);
/* Poll until this query, on the fixture's own session, returns 1. */
void wakeup_poll_until(struct sql_fixture *fixture, const char *sql);
/* Open, begin, arm. */
void wakeup_open_armed(struct sql_fixture *fixture, const char *table, const char *yaml);
/* With an armed wake-up: a commit must wake the relay. */
void wakeup_expect_on_insert(struct sql_fixture *fixture);
/* Three times: a commit wakes the relay, its row is claimed, the wake-up is armed again. The table must be new. */
void wakeup_expect_on_each_insert(struct sql_fixture *fixture);
/* The same with a fixture of its own. */
void wakeup_expect_by_commits(const char *table, const char *yaml);

/* What the store logs about wake-up notifications. */
struct wakeup_log {
    unsigned warnings, recoveries;
    char warning[400]; /* the last */
};
void wakeup_capture_log(struct sql_fixture *fixture, struct wakeup_log *log);
/* Poll until the store has logged a warning; the wake-up must not be armed before. */
void wakeup_await_warning(struct sql_fixture *fixture);

#endif
