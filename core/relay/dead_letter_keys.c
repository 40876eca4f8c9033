/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/dead_letter_keys.c - the reading of keys, and what it decides about followers */
#include "relay/dead_letter_keys.h"

#include "relay/link.h"
#include "relay/order.h"

#define AGAIN_MIN_MS 100
#define AGAIN_MAX_MS 30000
#define READ_KEYS_NS (5000 * OBX_MS)
#define FOLLOWERS_COST 4 /* between readings for followers: a pause so many times as long as the last one took */
#define FOLLOWERS_PAUSE_MAX_NS (500 * OBX_MS)

static void on_key(void *arg, const struct outbox_dead_letter *letter)
{
    struct obx_dead_letters *letters = arg;
    struct outbox_message message = {.topic = letter->topic, .key = letter->key};
    struct outbox_position no_row = {letter->number, UINT64_MAX};
    uint64_t key = obx_order_key(letters->stages->context.settings.order, &message, no_row);
    if (!obx_key_set_add(&letters->read, key))
        letters->keys_incomplete = true; /* not covered: no memory just here */
}

/* Without a table there are no dead letters. Keys that were read before stay. */
static void on_keys_again(struct obx_dead_letters *letters, const struct outbox_error *error)
{
    struct obx_relay_context *context = &letters->stages->context;
    uint64_t again_at = obx_failures_add(&letters->keys_failures, context, AGAIN_MIN_MS, AGAIN_MAX_MS);
    letters->read_keys_at = OBX_MAX(again_at, letters->keys_known ? context->now + READ_KEYS_NS : 0);
    letters->keys_known = letters->keys_known || error->code == OUTBOX_E_NOT_FOUND;
    if (!obx_failures_log_due(&letters->keys_failures, context, 0, error->text))
        return;
    obx_trouble_show(context, "store", error->text);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "store: %s; %s", error->text,
                  letters->keys_known ? "the keys that have dead letters are read again later"
                                      : "nothing is published until the keys that have dead letters are known");
}

/* Of rows that are dead letters soon. */
static bool add_keys(struct obx_dead_letters *letters, const struct obx_list *list)
{
    OBX_LIST_EACH(list, row, struct obx_dead_letter_row, link)
    {
        if (!row->is_follower && !obx_key_set_add(letters->stages->dead_letter_keys, row->key))
            return false; /* not covered: no memory just here */
    }
    return true;
}

static void join(struct obx_dead_letters *letters, struct obx_dead_letter_row *row)
{
    OBX_RELAY_LOG(&letters->stages->context, OUTBOX_LOG_WARN,
                  "event %.*s goes to the dead letters: " OBX_DEAD_LETTER_FOLLOWS, (int)row->id_size,
                  row->bytes + row->topic_size + row->key_size);
    obx_list_remove(&row->link);
    obx_list_append(&letters->waiting, &row->link);
    letters->follower_count--;
    letters->count++;
}

/* The dead letters of its key were replayed or dropped. It goes behind its key, which is due at once: that keeps the
 * order of the events that come back. Without memory it is tried again after the next reading. */
static void release_followers(struct obx_dead_letters *letters, struct obx_list *list, uint32_t *count)
{
    for (struct obx_dead_letter_row *row = OBX_LIST_FIRST(list, struct obx_dead_letter_row, link), *next; row;
         row = next) {
        next = OBX_LIST_NEXT(list, row, struct obx_dead_letter_row, link);
        if (!row->is_follower || obx_key_set_has(letters->stages->dead_letter_keys, row->key) ||
            !obx_order_block(letters->stages, row->key, row->position))
            continue;
        obx_list_remove(&row->link);
        obx_free(row);
        --*count;
    }
}

/* Every follower of a free key goes behind it at once, also one that was claimed during the reading or could not be
 * moved: the next event of the key follows no more. Nothing is moved meanwhile. Only a reading that began later proves
 * that a key has dead letters. While moves pause after a failure, what was read would be old by the next move. */
static void decide_followers(struct obx_dead_letters *letters)
{
    uint64_t now = letters->stages->context.now;
    bool moves_now = now >= letters->move_at;
    release_followers(letters, &letters->followers, &letters->follower_count);
    release_followers(letters, &letters->waiting, &letters->count);
    release_followers(letters, &letters->kept, &letters->count);
    for (struct obx_dead_letter_row *row = OBX_LIST_FIRST(&letters->followers, struct obx_dead_letter_row, link), *next;
         row; row = next) {
        next = OBX_LIST_NEXT(&letters->followers, row, struct obx_dead_letter_row, link);
        if (moves_now && row->reading <= letters->readings)
            join(letters, row);
    }
    uint64_t pause = (now - letters->reading_began) * FOLLOWERS_COST;
    letters->read_for_followers_at =
        now + (moves_now ? OBX_MIN(pause, FOLLOWERS_PAUSE_MAX_NS) : FOLLOWERS_PAUSE_MAX_NS);
}

static void on_keys_read(void *stage, const struct outbox_error *error)
{
    struct obx_dead_letters *letters = stage;
    struct obx_stages *stages = letters->stages;
    if (error->code && obx_failure_keeps_connection(error)) {
        on_keys_again(letters, error);
    } else if (error->code) {
        obx_link_lost(stages->store, OBX_WORK_DEAD_LETTER, error);
    } else {
        obx_failures_end(&letters->keys_failures);
        obx_key_set_clear(stages->dead_letter_keys);
        *stages->dead_letter_keys = letters->read;
        letters->read = (struct obx_key_set){0};
        letters->keys_known =
            !letters->keys_incomplete && add_keys(letters, &letters->waiting) && add_keys(letters, &letters->kept);
        if (letters->keys_known)
            decide_followers(letters);
    }
}

static void read_keys(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    obx_key_set_clear(&letters->read);
    letters->readings++;
    letters->reading_began = context->now;
    letters->keys_incomplete = false;
    letters->read_keys_at = context->now + READ_KEYS_NS;
    letters->keys = (struct outbox_dead){
        .struct_size = sizeof letters->keys, .action = OUTBOX_DEAD_KEYS, .row = on_key, .arg = letters};
    obx_store_dead(obx_link_instance(letters->stages->store),
                   obx_request_begin(&letters->keys_request, context, letters, on_keys_read),
                   obx_relay_context_store_timeout(context), &letters->keys);
}

static bool reading_due(const struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (context->settings.on_reject != OBX_PARK_KEY || context->stopping || obx_request_busy(&letters->keys_request))
        return false;
    bool rereads = obx_key_set_any(letters->stages->dead_letter_keys) || !letters->keys_known;
    bool backs_off = letters->keys_failures.count > 0;
    if (letters->follower_count && !backs_off && obx_due(context, letters->read_for_followers_at))
        return true;
    return rereads && obx_due(context, letters->read_keys_at);
}

void obx_dead_letter_keys_step(struct obx_dead_letters *letters)
{
    if (letters->stages->context.stopping)
        obx_dead_letter_rows_drop(&letters->followers, &letters->follower_count);
    if (reading_due(letters))
        read_keys(letters);
}
