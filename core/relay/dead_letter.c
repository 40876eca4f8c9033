/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/dead_letter.c - the list of rows to move, the move, and the reading of keys */
#include "relay/dead_letter.h"

#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "relay/backoff.h"
#include "relay/link.h"
#include "relay/order.h"

#define MOVE_ROWS 100    /* of one operation */
#define WAITING_MAX 1000 /* rows; more of them pause claiming */
#define AGAIN_MIN_MS 100
#define AGAIN_MAX_MS 30000
#define LOG_EVERY_NS (60000 * OBX_MS)
#define READ_KEYS_NS (5000 * OBX_MS)

struct waiting_row {
    struct obx_list link;
    struct outbox_position position;
    uint32_t attempts;
    uint32_t topic_size, key_size;
    bool key_is_null;
    char reason[200];
    char bytes[]; /* topic, then key */
};

struct obx_dead_letters {
    struct obx_stages *stages;
    struct obx_list waiting; /* of struct waiting_row, owned */
    uint32_t waiting_count;
    struct obx_request move_request;
    struct outbox_dead_letter_rows move;
    struct outbox_dead_row move_rows[MOVE_ROWS];
    uint64_t move_at;  /* after a failure that may pass */
    uint32_t failures; /* in a row */
    uint64_t log_at;   /* no failure is logged earlier */
    struct obx_request keys_request;
    struct outbox_dead keys;
    uint64_t read_keys_at;
    bool keys_known;
};

struct obx_dead_letters *obx_dead_letters_new(struct obx_stages *stages)
{
    struct obx_dead_letters *letters = obx_alloc(sizeof *letters);
    if (!letters)
        return NULL;
    letters->stages = stages;
    obx_list_init(&letters->waiting);
    return letters;
}

void obx_dead_letters_free(struct obx_dead_letters *letters)
{
    obx_free(letters);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void copy_bytes(char *to, struct outbox_bytes from)
{
    if (from.size)
        memcpy(to, from.data, from.size);
}

bool obx_dead_letters_add(struct obx_dead_letters *letters, const struct outbox_message *message,
                          struct outbox_position position, uint32_t attempts, const char *reason)
{
    struct waiting_row *row = obx_alloc(sizeof *row + message->topic.size + message->key.size);
    if (!row)
        return false;
    row->position = position;
    row->attempts = attempts;
    row->topic_size = (uint32_t)message->topic.size;
    row->key_size = (uint32_t)message->key.size;
    row->key_is_null = !message->key.data;
    snprintf(row->reason, sizeof row->reason, "%.*s", (int)sizeof row->reason - 1, reason);
    copy_bytes(row->bytes, message->topic);
    copy_bytes(row->bytes + message->topic.size, message->key);
    obx_list_append(&letters->waiting, &row->link);
    letters->waiting_count++;
    return true;
}

static void drop_first(struct obx_dead_letters *letters)
{
    struct obx_list *link = obx_list_pop(&letters->waiting);
    if (!link)
        return; /* not covered: the count says that there is one */
    letters->waiting_count--;
    obx_free(OBX_CONTAINER(link, struct waiting_row, link));
}

void obx_dead_letters_clear(struct obx_dead_letters *letters)
{
    while (letters->waiting_count)
        drop_first(letters);
    obx_key_set_clear(letters->stages->dead_letter_keys);
    letters->keys_known = false;
}

void obx_dead_letters_reset(struct obx_dead_letters *letters)
{
    obx_dead_letters_clear(letters);
    letters->read_keys_at = letters->move_at = letters->stages->context.now;
    letters->failures = 0;
}

bool obx_dead_letters_full(const struct obx_dead_letters *letters)
{
    return letters->waiting_count >= WAITING_MAX;
}

bool obx_dead_letters_waiting(const struct obx_dead_letters *letters)
{
    return letters->waiting_count > 0;
}

bool obx_dead_letters_idle(const struct obx_dead_letters *letters)
{
    return !letters->waiting_count && !obx_request_busy(&letters->move_request);
}

/* ---- moving rows ------------------------------------------------------------------------------------------------- */

/* Events of other keys go on meanwhile. A lock that passes is not logged. */
static void on_again(struct obx_dead_letters *letters, const struct outbox_error *error)
{
    struct obx_relay_context *context = &letters->stages->context;
    letters->move_at = context->now + obx_backoff(context->loop, ++letters->failures, AGAIN_MIN_MS, AGAIN_MAX_MS);
    if (letters->failures < 3 || context->now < letters->log_at)
        return;
    letters->log_at = context->now + LOG_EVERY_NS;
    obx_trouble_show(context, "store", error->text);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "store: %s; %u rejected events wait to become dead letters", error->text,
                  letters->waiting_count);
}

static void on_moved(void *stage, const struct outbox_error *error)
{
    struct obx_dead_letters *letters = stage;
    struct obx_relay_context *context = &letters->stages->context;
    OBX_FAILPOINT(relay, after_dead_letter);
    if (error->code == OUTBOX_E_AGAIN) {
        on_again(letters, error);
    } else if (error->code) {
        obx_link_lost(letters->stages->store, error);
    } else {
        letters->failures = 0;
        context->stats.dead_lettered += letters->move.count;
        for (uint32_t i = 0; i < letters->move.count; i++)
            drop_first(letters);
    }
}

static void fill_move(struct obx_dead_letters *letters)
{
    uint32_t count = 0;
    OBX_LIST_EACH(&letters->waiting, row, struct waiting_row, link)
    {
        letters->move_rows[count++] =
            (struct outbox_dead_row){.position = row->position,
                                     .attempts = row->attempts,
                                     .topic = {row->bytes, row->topic_size},
                                     .key = {row->key_is_null ? NULL : row->bytes + row->topic_size, row->key_size},
                                     .reason = row->reason};
        if (count == MOVE_ROWS)
            break;
    }
    letters->move = (struct outbox_dead_letter_rows){
        .struct_size = sizeof letters->move, .count = count, .rows = letters->move_rows};
}

static void move_rows(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!obx_due(context, letters->move_at))
        return;
    fill_move(letters);
    OBX_FAILPOINT(relay, before_dead_letter);
    obx_store_dead_letter(obx_link_instance(letters->stages->store),
                          obx_request_begin(&letters->move_request, context, letters, on_moved),
                          obx_relay_context_store_timeout(context), &letters->move);
}

/* ---- the keys that have dead letters ----------------------------------------------------------------------------- */

static bool needs_keys(const struct obx_dead_letters *letters)
{
    return letters->stages->context.settings.on_reject == OBX_PARK_KEY;
}

static void on_key(void *arg, const struct outbox_dead_letter *letter)
{
    struct obx_dead_letters *letters = arg;
    struct outbox_message message = {.topic = letter->topic, .key = letter->key};
    struct outbox_position no_row = {letter->number, UINT64_MAX};
    uint64_t key = obx_order_key(letters->stages->context.settings.order, &message, no_row);
    if (!obx_key_set_add(letters->stages->dead_letter_keys, key))
        letters->keys_known = false; /* not covered: no memory just here */
}

static void on_keys_read(void *stage, const struct outbox_error *error)
{
    struct obx_dead_letters *letters = stage;
    if (error->code)
        obx_link_lost(letters->stages->store, error);
}

static void read_keys(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (obx_request_busy(&letters->keys_request) || !obx_due(context, letters->read_keys_at))
        return;
    obx_key_set_clear(letters->stages->dead_letter_keys);
    letters->keys_known = true;
    letters->read_keys_at = context->now + READ_KEYS_NS;
    letters->keys = (struct outbox_dead){
        .struct_size = sizeof letters->keys, .action = OUTBOX_DEAD_KEYS, .row = on_key, .arg = letters};
    obx_store_dead(obx_link_instance(letters->stages->store),
                   obx_request_begin(&letters->keys_request, context, letters, on_keys_read),
                   obx_relay_context_store_timeout(context), &letters->keys);
}

bool obx_dead_letters_keys_known(const struct obx_dead_letters *letters)
{
    return !needs_keys(letters) || (letters->keys_known && !obx_request_busy(&letters->keys_request));
}

/* The keys are read only while no row waits: so the answer has the keys of all rows that were moved. */
void obx_dead_letters_step(struct obx_dead_letters *letters)
{
    const struct obx_stages *stages = letters->stages;
    if (!obx_link_up(stages->store) || obx_request_busy(&letters->move_request))
        return;
    bool rereads = obx_key_set_any(stages->dead_letter_keys) || !letters->keys_known;
    if (letters->waiting_count && !obx_request_busy(&letters->keys_request))
        move_rows(letters);
    else if (needs_keys(letters) && rereads && !stages->context.stopping)
        read_keys(letters);
}
