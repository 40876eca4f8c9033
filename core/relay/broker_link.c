/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/broker_link.c - when the broker is started, and when a standby stops it */
#include "relay/broker_link.h"

#include "base/failpoint.h"
#include "relay/exactly_once.h"
#include "relay/link.h"
#include "relay/ownership.h"
#include "relay/pipeline.h"

static void on_started(void *stage, const struct outbox_error *error)
{
    struct obx_stages *stages = stage;
    struct obx_link *broker = stages->broker;
    OBX_FAILPOINT(relay, after_broker_start);
    if (obx_link_state(broker) != OBX_LINK_STARTING)
        return;
    if (error->code)
        obx_link_lost(broker, OBX_WORK_CONNECT, error);
    else if (obx_relay_context_exactly_once(&stages->context))
        obx_link_answered(broker);
    else
        obx_link_started(broker);
}

static void start(struct obx_stages *stages)
{
    struct obx_link *broker = stages->broker;
    struct obx_call *call = obx_link_begin(broker, stages, on_started);
    OBX_FAILPOINT(relay, before_broker_start);
    obx_broker_start(obx_link_instance(broker), call, obx_relay_context_store_timeout(&stages->context),
                     obx_ownership_broker_start(stages->ownership));
}

static bool may_start(struct obx_stages *stages, bool standby)
{
    if (standby || obx_ownership_undecided(stages->ownership))
        return false;
    return !obx_relay_context_exactly_once(&stages->context) || obx_exactly_once_may_start(stages);
}

void obx_broker_link_step(struct obx_stages *stages)
{
    struct obx_link *broker = stages->broker;
    bool standby = obx_ownership_standby(stages->ownership);
    obx_link_step(broker);
    if (stages->context.stopping || obx_link_busy(broker) || obx_pipeline_count(stages->pipeline, OBX_BATCH_IN_FLIGHT))
        return;
    if (obx_link_answered_at(broker) && obx_exactly_once_may_publish(stages))
        obx_link_started(broker);
    bool open = obx_link_up(broker) || obx_link_answered_at(broker);
    if (open && (standby || obx_exactly_once_out_of_date(stages)))
        obx_link_stop(broker, OBX_LINK_STOP_MS);
    if (may_start(stages, standby) && obx_link_may_start(broker))
        start(stages);
}
