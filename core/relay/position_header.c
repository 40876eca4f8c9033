/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/position_header.c - see position_header.h */
#include "relay/position_header.h"

#include <string.h>

#include "relay/dead_letter.h"
#include "relay/keys.h"
#include "relay/pipeline.h"
#include "relay/position_text.h"
#include "relay/route.h"

#define KEYS_MAX 1000 /* that a tick visits; with more the mark stays */

struct obx_position_header {
    struct obx_stages *stages;
    struct outbox_position floor; /* zero: unknown */
    uint64_t kept;                /* published rows that the database does not remove now */
    bool rewinding;
};

struct obx_position_header *obx_position_header_new(struct obx_stages *stages)
{
    struct obx_position_header *header = obx_alloc(sizeof *header);
    if (header)
        header->stages = stages;
    return header;
}

void obx_position_header_free(struct obx_position_header *header)
{
    obx_free(header);
}

/* ---- the floor --------------------------------------------------------------------------------------------------- */

static uint64_t source_of(const char *identity)
{
    return obx_key_hash((struct outbox_bytes){identity, strlen(identity)}, (struct outbox_bytes){"", 0});
}

void obx_position_header_reset(struct obx_position_header *header, const struct outbox_acquire *acquire)
{
    struct obx_relay_context *context = &header->stages->context;
    struct obx_position_text *text = &header->stages->route->position;
    header->kept = 0;
    obx_position_header_rewind(header);
    if (!text->on)
        return;
    obx_position_text_set_owner(text, source_of(acquire->identity), acquire->epoch,
                                context->loop->ops->random(context->loop));
    text->known = *acquire->identity && acquire->epoch;
    if (!text->known)
        OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                      "store: it reports no identity or no epoch, so events have no header " OBX_POSITION_HEADER);
}

void obx_position_header_rewind(struct obx_position_header *header)
{
    header->floor = (struct outbox_position){0, 0};
    header->rewinding = true;
}

void obx_position_header_rewound(struct obx_position_header *header)
{
    header->rewinding = false;
}

void obx_position_header_claimed(struct obx_position_header *header, const struct outbox_batch *rows)
{
    if (!header->stages->context.reads_log && !header->rewinding)
        header->floor = rows->floor;
}

void obx_position_header_settled(struct obx_position_header *header, const struct outbox_settle *settle)
{
    header->kept = settle->refused->rows + settle->refused->locked;
    if (header->stages->context.reads_log && !header->rewinding)
        header->floor = settle->low; /* zero until all rows of the spool were returned (low_mark.c) */
}

/* ---- the mark ---------------------------------------------------------------------------------------------------- */

static void lower(struct outbox_position *mark, struct outbox_position to)
{
    if (obx_position_before(to, *mark))
        *mark = to;
}

static void lower_by_pipeline(const struct obx_pipeline *pipeline, struct outbox_position *mark)
{
    for (int stage = OBX_BATCH_READY; stage < OBX_BATCH_STAGES; stage++) {
        const struct obx_batch *batch = obx_pipeline_first(pipeline, (enum obx_batch_stage)stage);
        for (; batch; batch = obx_pipeline_next(pipeline, batch))
            lower(mark, batch->rows->positions[0]);
    }
}

static void lower_by_keys(const struct obx_keys *keys, struct outbox_position *mark)
{
    for (const struct obx_key *key = keys->table; key; key = key->hh.next)
        if (key->count)
            lower(mark, obx_key_first(key)->position);
}

void obx_position_header_step(struct obx_position_header *header)
{
    const struct obx_stages *stages = header->stages;
    struct obx_position_text *text = &stages->route->position;
    struct outbox_position mark = header->floor;
    if (!text->on || header->rewinding || header->kept || !obx_dead_letters_idle(stages->dead_letters) ||
        obx_keys_count(stages->keys) > KEYS_MAX || !obx_relay_context_accepts_rows(&stages->context))
        return;
    lower_by_pipeline(stages->pipeline, &mark);
    lower_by_keys(stages->keys, &mark);
    if (obx_position_before(text->low, mark))
        obx_position_text_set_low(text, mark);
}
