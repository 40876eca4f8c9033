/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/relay_new.c - see relay_new.h */
#include "relay/relay_new.h"

#include "base/error.h"
#include "relay/claim.h"
#include "relay/dead_letter.h"
#include "relay/exactly_once.h"
#include "relay/lane_publish.h"
#include "relay/link.h"
#include "relay/log_room.h"
#include "relay/low_mark.h"
#include "relay/ownership.h"
#include "relay/pipeline.h"
#include "relay/position_header.h"
#include "relay/publish.h"
#include "relay/record.h"
#include "relay/retry_claim.h"
#include "relay/settle.h"
#include "relay/spool.h"
#include "relay/stall_watchdog.h"
#include "relay/stop.h"

static void wake(void *arg)
{
    obx_relay_wake(arg);
}

static int check_capabilities(const struct obx_stages *stages, const struct obx_section *section,
                              struct outbox_error *error)
{
    const struct obx_instance *store = obx_link_instance(stages->store);
    int64_t policy = stages->context.settings.on_reject;
    bool dead_letters = policy == OBX_PARK || policy == OBX_PARK_KEY;
    if (!dead_letters || obx_instance_caps(store) & OUTBOX_CAP_DEAD_LETTERS)
        return OUTBOX_OK;
    return obx_section_error(section, "on_reject", error,
                             "the store '%s' has no dead letters; use on_reject: block-key or stop",
                             obx_instance_name(store));
}

/* One transaction is open at a time, and it becomes visible as a whole: that keeps global order, too. */
static enum obx_publish_mode publish_mode(uint64_t caps, int64_t order, bool exactly_once)
{
    bool global = order == OBX_ORDER_GLOBAL && !exactly_once;
    uint64_t pipelined = OUTBOX_CAP_ORDERED | (global ? OUTBOX_CAP_GLOBAL_ORDER : 0);
    if ((caps & pipelined) == pipelined)
        return OBX_PUBLISH_PIPELINED;
    return caps & OUTBOX_CAP_CONCURRENT ? OBX_PUBLISH_CONCURRENT : OBX_PUBLISH_ONE;
}

static void choose_publish_mode(struct obx_stages *stages)
{
    struct obx_relay_context *context = &stages->context;
    const struct obx_instance *broker = obx_link_instance(stages->broker);
    uint64_t caps = obx_instance_caps(broker);
    stages->publish_mode = publish_mode(caps, context->settings.order, obx_relay_context_exactly_once(context));
    if (context->settings.order == OBX_ORDER_GLOBAL && stages->publish_mode != OBX_PUBLISH_PIPELINED)
        OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                      "order: global: the broker '%s' keeps order only within a key, so one event at a time is in "
                      "flight; order: key is faster",
                      obx_instance_name(broker));
}

static bool make_stages(struct obx_stages *stages)
{
    stages->store = obx_link_new(&stages->context, OUTBOX_STORE);
    stages->broker = obx_link_new(&stages->context, OUTBOX_BROKER);
    stages->low_mark = obx_low_mark_new(stages);
    stages->log_room = obx_log_room_new(stages);
    stages->retry_claim = obx_retry_claim_new(stages);
    stages->pipeline = obx_pipeline_new(stages);
    stages->dead_letters = obx_dead_letters_new(stages);
    stages->stall_watchdog = obx_stall_watchdog_new(stages);
    stages->publisher = obx_publisher_new(stages);
    stages->lane_publisher = obx_lane_publisher_new(stages);
    stages->record = obx_record_new(stages);
    stages->position_header = obx_position_header_new(stages);
    stages->claimer = obx_claimer_new(stages);
    stages->settler = obx_settler_new(stages);
    stages->spool = obx_spool_new(stages);
    stages->ownership = obx_ownership_new(stages);
    return stages->store && stages->broker && stages->retry_claim && stages->pipeline && stages->dead_letters &&
           stages->stall_watchdog && stages->publisher && stages->lane_publisher && stages->record &&
           stages->position_header && stages->claimer && stages->settler && stages->spool && stages->low_mark &&
           stages->log_room && stages->ownership;
}

static void free_stages(struct obx_stages *stages)
{
    obx_ownership_free(stages->ownership);
    obx_spool_free(stages->spool);
    obx_settler_free(stages->settler);
    obx_claimer_free(stages->claimer);
    obx_position_header_free(stages->position_header);
    obx_record_free(stages->record);
    obx_lane_publisher_free(stages->lane_publisher);
    obx_publisher_free(stages->publisher);
    obx_stall_watchdog_free(stages->stall_watchdog);
    obx_dead_letters_free(stages->dead_letters);
    obx_pipeline_free(stages->pipeline);
    obx_retry_claim_free(stages->retry_claim);
    obx_log_room_free(stages->log_room);
    obx_low_mark_free(stages->low_mark);
    obx_link_free(stages->broker);
    obx_link_free(stages->store);
}

static int open_transforms(struct obx_relay *relay, const struct obx_relay_setup *setup, struct outbox_error *error)
{
    const struct obx_instance_setup transform = {
        .loop = setup->loop, .registry = setup->registry, .log = setup->log, .relay = relay->stages.context.name};
    return obx_transforms_open(&relay->transforms, &transform, setup->section, &relay->route.columns, error);
}

static int configure(struct obx_relay *relay, const struct obx_relay_setup *setup, struct outbox_error *error)
{
    struct obx_relay_settings *settings = &relay->stages.context.settings;
    const struct obx_section *route;
    int code = obx_relay_check_name(setup->section, setup->name, error);
    if (!code)
        code = obx_relay_settings_parse(setup->section, settings, error);
    if (!code)
        code = obx_section_child(setup->section, "route", &route, error);
    if (!code)
        code = obx_route_compile(&settings->route, route, &relay->route, error);
    if (!code)
        code = open_transforms(relay, setup, error);
    if (!code)
        code = obx_link_open(relay->stages.store, setup->registry, setup->section, wake, relay, error);
    if (!code)
        code = obx_link_open(relay->stages.broker, setup->registry, setup->section, NULL, NULL, error);
    if (!code)
        code = check_capabilities(&relay->stages, setup->section, error);
    if (!code)
        code = obx_exactly_once_check(&relay->stages, setup->section, error);
    if (!code)
        choose_publish_mode(&relay->stages);
    return code;
}

static void prepare(struct obx_relay *relay, const struct obx_relay_setup *setup)
{
    struct obx_stages *stages = &relay->stages;
    stages->context.loop = setup->loop;
    stages->context.log = setup->log;
    stages->events = setup->events;
    stages->progress = &relay->progress;
    stages->keys = &relay->keys;
    stages->dead_letter_keys = &relay->dead_letter_keys;
    stages->route = &relay->route;
    stages->transforms = &relay->transforms;
    relay->status.stages = stages;
    obx_keys_init(&relay->keys);
}

int obx_relay_make(const struct obx_relay_setup *setup, struct obx_relay **out, struct outbox_error *error)
{
    *out = NULL;
    struct obx_relay *relay = obx_alloc(sizeof *relay);
    if (!relay)
        return obx_error_no_memory(error);
    prepare(relay, setup);
    relay->stages.context.name = obx_strdup(setup->name);
    bool made = make_stages(&relay->stages) && relay->stages.context.name;
    int code = made ? configure(relay, setup, error) : obx_error_no_memory(error);
    if (code)
        obx_relay_free(relay);
    else
        *out = relay;
    return code;
}

/* A relay that could not be made may lack any stage; it has no rows then. */
void obx_relay_free(struct obx_relay *relay)
{
    if (!relay)
        return;
    struct obx_loop *loop = relay->stages.context.loop;
    loop->ops->cancel(loop, &relay->stages.context.tick);
    loop->ops->timer_clear(loop, &relay->timer);
    if (relay->stages.pipeline && relay->stages.dead_letters)
        obx_stop_release(&relay->stages);
    free_stages(&relay->stages);
    obx_transforms_free(&relay->transforms);
    obx_route_free(&relay->route);
    obx_free(relay->stages.context.name);
    obx_free(relay);
}
