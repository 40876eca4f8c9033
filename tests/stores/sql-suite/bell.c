/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/bell.c - asking a store to park, and hearing what it says */
#include "bell.h"

#include <stdio.h>
#include <string.h>

bool bell_parks(struct bed *bed)
{
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .flags = OUTBOX_CLAIM_ARM_WAKEUP, .max_rows = 100, .max_bytes = 1 << 20};
    cr_assert_eq(harness_claim(&bed->harness, bed->store, &claim, &bed->error), 0, "%s", bed->error.text);
    if (claim.batch)
        obx_store_release(bed->store, claim.batch);
    return !claim.batch && claim.flags & OUTBOX_CLAIM_ARM_WAKEUP;
}

struct parking {
    struct bed *bed;
    uint32_t wakes; /* before the last look */
};

static bool is_parked(void *arg)
{
    struct parking *parking = arg;
    parking->wakes = parking->bed->harness.wakes;
    return bell_parks(parking->bed);
}

/* What rings while the look ends, or right behind it, wakes a relay again. */
void bell_park(struct bed *bed)
{
    struct parking parking = {.bed = bed};
    do
        cr_assert(harness_poll(&bed->harness, is_parked, &parking), "the bell is never armed");
    while (bed->harness.wakes != parking.wakes);
}

struct waiting {
    struct bed *bed;
    const char *sql;
};

static bool is_so(void *arg)
{
    const struct waiting *waiting = arg;
    bell_parks(waiting->bed);
    return bed_run(waiting->bed, waiting->sql) == 1;
}

void bell_until(struct bed *bed, const char *sql)
{
    cr_assert(harness_poll(&bed->harness, is_so, &(struct waiting){bed, sql}), "%s", sql);
}

void bell_open_parked(struct bed *bed, const char *table, const char *yaml)
{
    bed_open(bed, table, true, yaml);
    bed_begin(bed);
    bell_park(bed);
}

void bell_wake_by_insert(struct bed *bed)
{
    uint32_t wakes = bed->harness.wakes;
    bed_insert(bed, bed->sql, "a");
    cr_assert(harness_until_woken(&bed->harness, wakes), "a commit does not ring");
}

void bell_expect_rung(struct bed *bed)
{
    for (int64_t i = 1; i <= 3; i++) {
        bell_wake_by_insert(bed);
        bed_claim_some(bed);
        cr_assert(bed->count == 1 && bed->ids[0] == i);
        bell_park(bed);
    }
}

void bell_expect_woken_by_commits(const char *table, const char *yaml)
{
    struct bed bed;
    bell_open_parked(&bed, table, yaml);
    bell_expect_rung(&bed);
    bed_close(&bed);
}

static void note(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct bell_heard *heard = arg;
    (void)subject;
    heard->news += level == OUTBOX_LOG_INFO && !strncmp(text, "wake-up notifications work", 26);
    if (level != OUTBOX_LOG_WARN)
        return;
    heard->warnings++;
    snprintf(heard->warning, sizeof heard->warning, "%s", text);
}

void bell_listen(struct bed *bed, struct bell_heard *heard)
{
    *heard = (struct bell_heard){0};
    bed->harness.log.write = note;
    bed->harness.log.arg = heard;
}

static bool is_warned(void *arg)
{
    struct bed *bed = arg;
    const struct bell_heard *heard = bed->harness.log.arg;
    cr_assert(heard->warnings || !bell_parks(bed));
    return heard->warnings > 0;
}

void bell_until_warned(struct bed *bed)
{
    cr_assert(harness_poll(&bed->harness, is_warned, bed), "nothing is said");
}
