/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/lanes.c - a hash table of lanes, and in each a list of rows */
#include "relay/lanes.h"

#define IDLE_MAX 1024 /* recycled lanes that are kept */

void obx_lanes_init(struct obx_lanes *lanes)
{
    *lanes = (struct obx_lanes){0};
    obx_list_init(&lanes->busy);
    obx_list_init(&lanes->idle);
}

void obx_lanes_free(struct obx_lanes *lanes)
{
    struct obx_lane *lane, *next;
    HASH_ITER(hh, lanes->table, lane, next)
    {
        HASH_DEL(lanes->table, lane); /* not covered: no row is in flight any more */
        obx_free(lane);
    }
    for (struct obx_list *link; (link = obx_list_pop(&lanes->idle));)
        obx_free(OBX_CONTAINER(link, struct obx_lane, busy));
    lanes->idle_count = 0;
}

static struct obx_lane *find(const struct obx_lanes *lanes, uint64_t hash)
{
    struct obx_lane *lane;
    HASH_FIND(hh, lanes->table, &hash, sizeof hash, lane);
    return lane;
}

static struct obx_lane *add(struct obx_lanes *lanes, uint64_t hash)
{
    struct obx_list *link = obx_list_pop(&lanes->idle);
    struct obx_lane *lane = link ? OBX_CONTAINER(link, struct obx_lane, busy) : obx_alloc(sizeof *lane);
    if (!lane)
        return NULL;
    lanes->idle_count -= link != NULL;
    *lane = (struct obx_lane){.hash = hash};
    obx_list_init(&lane->rows);
    HASH_ADD(hh, lanes->table, hash, sizeof lane->hash, lane);
    if (lane->hh.tbl)
        return lane;
    obx_free(lane); /* HASH_NONFATAL_OOM */
    return NULL;
}

bool obx_lanes_join(struct obx_lanes *lanes, uint64_t hash, struct obx_lane_row *row)
{
    struct obx_lane *lane = find(lanes, hash);
    if (!lane && !(lane = add(lanes, hash)))
        return false;
    obx_list_append(&lane->rows, &row->link);
    row->lane = lane;
    return true;
}

void obx_lanes_drop(struct obx_lanes *lanes, struct obx_lane *lane)
{
    HASH_DEL(lanes->table, lane);
    if (lanes->idle_count >= IDLE_MAX) {
        obx_free(lane); /* not covered: more keys than are kept, free at once */
        return;
    }
    lane->busy = (struct obx_list){0};
    obx_list_append(&lanes->idle, &lane->busy);
    lanes->idle_count++;
}

void obx_lanes_unjoin(struct obx_lanes *lanes, struct obx_lane_row *row)
{
    struct obx_lane *lane = row->lane;
    obx_list_remove(&row->link);
    row->lane = NULL;
    if (!lane->head && obx_list_empty(&lane->rows))
        obx_lanes_drop(lanes, lane);
}

struct obx_lane_row *obx_lane_next(const struct obx_lane *lane)
{
    return lane->head ? NULL : OBX_LIST_FIRST(&lane->rows, struct obx_lane_row, link);
}

void obx_lane_begin(struct obx_lanes *lanes, struct obx_lane *lane, uint64_t now)
{
    lane->head = obx_lane_next(lane);
    obx_list_remove(&lane->head->link);
    lane->since_ns = now;
    obx_list_append(&lanes->busy, &lane->busy);
}

void obx_lane_skip(struct obx_lane *lane)
{
    struct obx_lane_row *row = obx_lane_next(lane);
    obx_list_remove(&row->link);
    row->lane = NULL;
}

void obx_lane_end(struct obx_lane *lane)
{
    obx_list_remove(&lane->busy);
    lane->head->lane = NULL;
    lane->head = NULL;
}

struct obx_lane *obx_lanes_busiest(const struct obx_lanes *lanes)
{
    return OBX_LIST_FIRST(&lanes->busy, struct obx_lane, busy);
}

struct obx_lane *obx_lanes_next_busy(const struct obx_lanes *lanes, const struct obx_lane *lane)
{
    return OBX_LIST_NEXT(&lanes->busy, lane, struct obx_lane, busy);
}
