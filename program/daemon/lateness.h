/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/lateness.h - is a relay late, by service.late, and since when? Pure
 *
 * Late: the oldest event that is claimed and that no key blocks is older than the limit; or events are left in the
 * outbox for as long, none is in flight, and none was removed; at two notes in a row, so that one old event that passes
 * makes no relay late. An event that waits for people is not late: a blocked key has its own report. A standby is not
 * late: its owner is, or not.
 */
#ifndef OBX_PROGRAM_DAEMON_LATENESS_H
#define OBX_PROGRAM_DAEMON_LATENESS_H

#include <stdbool.h>
#include <stdint.h>

/* What is known of a relay at one moment. */
struct obx_lateness_facts {
    uint64_t now_ns;    /* monotonic */
    int64_t wall_us;    /* since 1970 */
    uint64_t limit_ns;  /* service.late; 0: nothing is late */
    uint64_t oldest_ns; /* age of the oldest event in flight that no key blocks; 0: there is none */
    uint64_t behind_ns; /* for so long each claim has left events in the outbox */
    uint64_t in_flight; /* events */
    uint64_t settled;   /* removed since the start */
    bool elsewhere;     /* another process relays, or none does */
};

struct obx_lateness {
    uint64_t since_ns; /* monotonic; 0: not late */
    int64_t since_us;  /* the same, since 1970 */
    uint64_t age_ns;   /* of the oldest event, at the last note; while it is late */
    uint64_t settled;  /* at the last note, like the next: */
    bool over;         /* something was older than the limit */
};

/* Call it every few seconds. True: it became late, or is late no more. */
bool obx_lateness_note(struct obx_lateness *lateness, const struct obx_lateness_facts *facts);

#endif
