/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/log_room.c - the last report of the store, and what was logged of it */
#include "relay/log_room.h"

#include "base/error.h"

#define MEASURE_NS (1000 * OBX_MS)
#define WARN_PERCENT 50
#define WELL_PERCENT 45

struct obx_log_room {
    struct obx_stages *stages;
    uint64_t bytes, noted_at;
    uint32_t percent;
    bool warned, relieving, moves_rows;
};

struct obx_log_room *obx_log_room_new(struct obx_stages *stages)
{
    struct obx_log_room *room = obx_alloc(sizeof *room);
    if (room)
        room->stages = stages;
    return room;
}

void obx_log_room_free(struct obx_log_room *room)
{
    obx_free(room);
}

void obx_log_room_reset(struct obx_log_room *room)
{
    *room = (struct obx_log_room){.stages = room->stages, .warned = room->warned};
}

static void warn(struct obx_log_room *room)
{
    struct obx_relay_context *context = &room->stages->context;
    bool warns = room->percent >= (room->warned ? WELL_PERCENT : WARN_PERCENT);
    if (warns == room->warned)
        return;
    room->warned = warns;
    if (warns)
        OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                      "store: the log kept for this outbox takes %u %% of what may be kept, %llu bytes; events that "
                      "wait are copied to the spool from 75 %% on",
                      room->percent, (unsigned long long)room->bytes);
    else
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: the log kept for this outbox takes %u %% of what may be kept",
                      room->percent);
}

static void set_relieving(struct obx_log_room *room, bool relieving)
{
    struct obx_relay_context *context = &room->stages->context;
    if (relieving == room->relieving)
        return;
    room->relieving = relieving;
    if (relieving)
        OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                      "store: too much log is kept for this outbox, %u %%: all events go to the spool until less is "
                      "kept, and are published afterwards",
                      room->percent);
    else
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO,
                      "store: the log kept for this outbox takes %u %%: the events of the spool are published",
                      room->percent);
}

bool obx_log_room_note(struct obx_log_room *room, const struct outbox_claim *claim)
{
    const struct obx_relay_context *context = &room->stages->context;
    room->noted_at = context->now;
    if (!context->reads_log)
        return false;
    room->bytes = claim->log_bytes;
    room->percent = claim->log_percent;
    warn(room);
    set_relieving(room, claim->result & OUTBOX_CLAIMED_RELIEVE);
    room->moves_rows |= room->relieving;
    return room->relieving;
}

bool obx_log_room_halts(struct obx_log_room *room, const struct outbox_error *error)
{
    struct obx_relay_context *context = &room->stages->context;
    if (error->code != OUTBOX_E_SCHEMA || !context->reads_log)
        return false;
    context->halted = true;
    context->culprit.position = (struct outbox_position){0, 0};
    obx_error_set(&context->halt_reason, error->code, "the relay has halted: %.*s", OUTBOX_CUT(error->text, 350));
    OBX_RELAY_LOG(context, OUTBOX_LOG_ERROR, "%s", context->halt_reason.text);
    return true;
}

bool obx_log_room_relieving(const struct obx_log_room *room)
{
    return room->relieving;
}

bool obx_log_room_moves_rows(const struct obx_log_room *room)
{
    return room->moves_rows;
}

void obx_log_room_rewound(struct obx_log_room *room)
{
    room->moves_rows = false;
}

bool obx_log_room_measure_due(const struct obx_log_room *room)
{
    struct obx_relay_context *context = &room->stages->context;
    return context->reads_log && obx_due(context, room->noted_at + MEASURE_NS);
}

uint64_t obx_log_room_bytes(const struct obx_log_room *room)
{
    return room->bytes;
}

uint32_t obx_log_room_percent(const struct obx_log_room *room)
{
    return room->percent;
}
