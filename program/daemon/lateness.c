/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/lateness.c - see lateness.h */
#include "daemon/lateness.h"

/* How long the oldest event has waited; 0: nothing waits, or what waits is on its way. */
static uint64_t age_of(const struct obx_lateness *lateness, const struct obx_lateness_facts *facts)
{
    bool stands = !facts->in_flight && facts->settled == lateness->settled;
    if (facts->elsewhere)
        return 0;
    return facts->oldest_ns ? facts->oldest_ns : stands ? facts->behind_ns : 0;
}

bool obx_lateness_note(struct obx_lateness *lateness, const struct obx_lateness_facts *facts)
{
    uint64_t age = age_of(lateness, facts);
    bool over = facts->limit_ns && age > facts->limit_ns, was_late = lateness->since_ns;
    bool late = over && lateness->over;
    lateness->over = over;
    lateness->settled = facts->settled;
    lateness->age_ns = late ? age : 0;
    if (late && !was_late) {
        lateness->since_ns = facts->now_ns;
        lateness->since_us = facts->wall_us;
    } else if (!late) {
        lateness->since_ns = 0;
        lateness->since_us = 0;
    }
    return late != was_late;
}
