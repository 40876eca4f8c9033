/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/bell.h - a store that is asked to park, as an idle relay asks it; for the tests of doorbells
 */
#ifndef OBX_TESTS_STORES_SQL_SUITE_BELL_H
#define OBX_TESTS_STORES_SQL_SUITE_BELL_H

#include "bed.h"

/* One look as an idle relay takes it. Did the store keep the flag? */
bool bell_parks(struct bed *bed);
void bell_park(struct bed *bed);                   /* look until it does */
void bell_until(struct bed *bed, const char *sql); /* look until this, on the bed's own session, gives 1 */
void bell_open_parked(struct bed *bed, const char *table, const char *yaml);
void bell_wake_by_insert(struct bed *bed);
/* Three times: parked, woken by a commit, its row claimed. The table is new. */
void bell_expect_rung(struct bed *bed); /* it is parked */
void bell_expect_woken_by_commits(const char *table, const char *yaml);

/* What is said of the doorbell. */
struct bell_heard {
    unsigned warnings, news;
    char warning[400]; /* the last */
};
void bell_listen(struct bed *bed, struct bell_heard *heard);
void bell_until_warned(struct bed *bed); /* looks meanwhile, and must not be parked */

#endif
