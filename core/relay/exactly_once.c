/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/exactly_once.c - the capability, and when the broker of such a relay may start */
#include "relay/exactly_once.h"

#include "config/config.h"
#include "relay/link.h"
#include "relay/ownership.h"

int obx_exactly_once_check(const struct obx_stages *stages, const struct obx_section *section,
                           struct outbox_error *error)
{
    const struct obx_instance *broker = obx_link_instance(stages->broker);
    if (!obx_relay_context_exactly_once(&stages->context) || obx_instance_caps(broker) & OUTBOX_CAP_EXACTLY_ONCE)
        return OUTBOX_OK;
    return obx_section_error(
        section, "delivery", error,
        "delivery: exactly-once: the broker '%s' has no transactions; use at-least-once, or a broker that "
        "'outbox plugins' lists with exactly-once",
        obx_instance_name(broker));
}

bool obx_exactly_once_may_start(struct obx_stages *stages)
{
    uint64_t fenced_at = obx_link_fenced_at(stages->broker);
    if (!obx_link_up(stages->store))
        return false;
    return !fenced_at || obx_ownership_prove(stages->ownership, fenced_at, obx_link_error(stages->broker));
}

bool obx_exactly_once_may_publish(struct obx_stages *stages)
{
    uint64_t answered_at = obx_link_answered_at(stages->broker);
    if (!obx_link_up(stages->store))
        return false;
    return !obx_store_can_renew(obx_link_instance(stages->store)) ||
           obx_ownership_prove(stages->ownership, answered_at, obx_link_error(stages->broker));
}

bool obx_exactly_once_out_of_date(const struct obx_stages *stages)
{
    if (!obx_relay_context_exactly_once(&stages->context))
        return false;
    bool unconfirmed = obx_link_answered_at(stages->broker) != 0;
    return obx_ownership_changed(stages->ownership) || (unconfirmed && !obx_link_up(stages->store));
}
