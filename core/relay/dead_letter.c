/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/dead_letter.c - the list of rows to move, the move, and the reading of keys */
#include "relay/dead_letter.h"

#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "relay/failures.h"
#include "relay/link.h"
#include "relay/order.h"

#define MOVE_ROWS 100    /* of one operation */
#define WAITING_MAX 1000 /* rows; more of them pause claiming */
#define AGAIN_MIN_MS 100
#define AGAIN_MAX_MS 30000
#define KEPT_MIN_MS 1000
#define LOG_AFTER_NS (250 * OBX_MS)
#define READ_KEYS_NS (5000 * OBX_MS)
#define GIVE_UP_FAILURES 3

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
    struct obx_list kept;    /* likewise: rows that the store could not move, while it moved others */
    uint32_t count;          /* of both */
    struct obx_request move_request;
    struct obx_list *source; /* of the move in flight: waiting or kept */
    struct outbox_dead_letter_rows move;
    struct outbox_dead_row move_rows[MOVE_ROWS];
    uint8_t move_kept[MOVE_ROWS];
    struct outbox_refused refused;
    uint64_t move_at, kept_at;                   /* after failures */
    struct obx_failures failures, kept_failures; /* of moves; of rows */
    struct obx_request keys_request;
    struct outbox_dead keys;
    struct obx_key_set read; /* the keys, as far as they are read */
    uint64_t read_keys_at;
    struct obx_failures keys_failures;
    bool keys_known, keys_incomplete;
};

struct obx_dead_letters *obx_dead_letters_new(struct obx_stages *stages)
{
    struct obx_dead_letters *letters = obx_alloc(sizeof *letters);
    if (!letters)
        return NULL;
    letters->stages = stages;
    obx_list_init(&letters->waiting);
    obx_list_init(&letters->kept);
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
    letters->count++;
    return true;
}

static void drop_rows(struct obx_dead_letters *letters, struct obx_list *list)
{
    for (struct obx_list *link; (link = obx_list_pop(list)); letters->count--)
        obx_free(OBX_CONTAINER(link, struct waiting_row, link));
}

void obx_dead_letters_clear(struct obx_dead_letters *letters)
{
    drop_rows(letters, &letters->waiting);
    drop_rows(letters, &letters->kept);
    obx_key_set_clear(letters->stages->dead_letter_keys);
    obx_key_set_clear(&letters->read);
    letters->keys_known = false;
}

void obx_dead_letters_reset(struct obx_dead_letters *letters)
{
    obx_dead_letters_clear(letters);
    letters->read_keys_at = letters->move_at = letters->kept_at = letters->stages->context.now;
    letters->failures.count = letters->kept_failures.count = letters->keys_failures.count = 0;
}

/* Moves fail, or the rows that wait are those that cannot be moved. */
static bool is_failing(const struct obx_dead_letters *letters)
{
    return letters->failures.count >= GIVE_UP_FAILURES ||
           (letters->kept_failures.count && obx_list_empty(&letters->waiting));
}

bool obx_dead_letters_full(const struct obx_dead_letters *letters)
{
    return letters->count >= WAITING_MAX && !obx_dead_letters_stuck(letters);
}

bool obx_dead_letters_stuck(const struct obx_dead_letters *letters)
{
    return letters->count >= WAITING_MAX && (letters->failures.count || letters->kept_failures.count);
}

bool obx_dead_letters_waiting(const struct obx_dead_letters *letters)
{
    return letters->count > 0 && !is_failing(letters);
}

bool obx_dead_letters_idle(const struct obx_dead_letters *letters)
{
    return !letters->count && !obx_request_busy(&letters->move_request);
}

uint32_t obx_dead_letters_failing(const struct obx_dead_letters *letters)
{
    return is_failing(letters) ? letters->count : 0;
}

bool obx_dead_letters_give_up(struct obx_dead_letters *letters)
{
    if (obx_request_busy(&letters->move_request) || (letters->count && !is_failing(letters)))
        return false;
    drop_rows(letters, &letters->waiting);
    drop_rows(letters, &letters->kept);
    return true;
}

/* ---- moving rows ------------------------------------------------------------------------------------------------- */

static void log_failure(const struct obx_dead_letters *letters, struct obx_failures *failures, const char *why)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!obx_failures_log_due(failures, context, LOG_AFTER_NS))
        return;
    obx_trouble_show(context, "store", why);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "store: %s; %u rejected events wait to become dead letters", why,
                  letters->count);
}

static void log_end(const struct obx_dead_letters *letters, struct obx_failures *failures)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!obx_failures_end(failures))
        return;
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: rejected events become dead letters again after %s",
                  obx_duration(context->now - failures->since).text);
    obx_trouble_end(context, 0);
}

/* Events of other keys go on meanwhile. A lock that passes is not logged. */
static void on_again(struct obx_dead_letters *letters, const struct outbox_error *error)
{
    struct obx_relay_context *context = &letters->stages->context;
    letters->move_at = obx_failures_add(&letters->failures, context, AGAIN_MIN_MS, AGAIN_MAX_MS);
    log_failure(letters, &letters->failures, error->text);
}

/* The rows of the move leave their list. Those that the store kept go to the end of the other. */
static uint32_t take_rows(struct obx_dead_letters *letters)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < letters->move.count; i++) {
        struct obx_list *link = obx_list_pop(letters->source);
        if (!link)
            return kept; /* not covered: the rows of a move stay in their list until it has ended */
        if (letters->move_kept[i]) {
            obx_list_append(&letters->kept, link);
            kept++;
        } else {
            letters->count--;
            obx_free(OBX_CONTAINER(link, struct waiting_row, link));
        }
    }
    letters->stages->context.stats.dead_lettered += letters->move.count - kept;
    return kept;
}

static void on_success(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    bool retried = letters->source == &letters->kept;
    uint32_t kept = take_rows(letters);
    obx_link_works(letters->stages->store, OBX_WORK_DEAD_LETTER);
    log_end(letters, &letters->failures);
    if (kept && (retried || !letters->kept_failures.count)) {
        letters->kept_at = obx_failures_add(&letters->kept_failures, context, KEPT_MIN_MS, AGAIN_MAX_MS);
        log_failure(letters, &letters->kept_failures, letters->refused.reason);
    } else if (obx_list_empty(&letters->kept)) {
        log_end(letters, &letters->kept_failures);
    }
}

static void on_moved(void *stage, const struct outbox_error *error)
{
    struct obx_dead_letters *letters = stage;
    OBX_FAILPOINT(relay, after_dead_letter);
    if (!error->code)
        on_success(letters);
    else if (obx_failure_keeps_connection(error))
        on_again(letters, error);
    else
        obx_link_lost(letters->stages->store, OBX_WORK_DEAD_LETTER, error);
}

static struct outbox_bytes key_of(const struct waiting_row *row)
{
    return (struct outbox_bytes){row->key_is_null ? NULL : row->bytes + row->topic_size, row->key_size};
}

static void fill_move(struct obx_dead_letters *letters)
{
    uint32_t count = 0;
    OBX_LIST_EACH(letters->source, row, struct waiting_row, link)
    {
        letters->move_kept[count] = 0;
        letters->move_rows[count++] = (struct outbox_dead_row){.position = row->position,
                                                               .attempts = row->attempts,
                                                               .topic = {row->bytes, row->topic_size},
                                                               .key = key_of(row),
                                                               .reason = row->reason};
        if (count == MOVE_ROWS)
            break;
    }
    letters->refused = (struct outbox_refused){.struct_size = sizeof letters->refused};
    letters->move = (struct outbox_dead_letter_rows){.struct_size = sizeof letters->move,
                                                     .count = count,
                                                     .rows = letters->move_rows,
                                                     .kept = letters->move_kept,
                                                     .refused = &letters->refused};
}

/* New rows first. */
static bool choose_rows(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    letters->source = obx_list_empty(&letters->waiting) ? &letters->kept : &letters->waiting;
    return obx_due(context, letters->move_at) &&
           (letters->source == &letters->waiting || obx_due(context, letters->kept_at));
}

static bool move_rows(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!letters->count || obx_request_busy(&letters->keys_request) || !choose_rows(letters))
        return false;
    fill_move(letters);
    OBX_FAILPOINT(relay, before_dead_letter);
    obx_store_dead_letter(obx_link_instance(letters->stages->store),
                          obx_request_begin(&letters->move_request, context, letters, on_moved),
                          obx_relay_context_store_timeout(context), &letters->move);
    return true;
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
    if (!obx_failures_log_due(&letters->keys_failures, context, 0))
        return;
    obx_trouble_show(context, "store", error->text);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "store: %s; %s", error->text,
                  letters->keys_known ? "the keys that have dead letters are read again later"
                                      : "nothing is published until the keys that have dead letters are known");
}

/* Of rows that are dead letters soon. */
static bool add_keys(struct obx_dead_letters *letters, const struct obx_list *list)
{
    const struct obx_stages *stages = letters->stages;
    OBX_LIST_EACH(list, row, struct waiting_row, link)
    {
        struct outbox_message message = {.topic = {row->bytes, row->topic_size}, .key = key_of(row)};
        uint64_t key = obx_order_key(stages->context.settings.order, &message, row->position);
        if (!obx_key_set_add(stages->dead_letter_keys, key))
            return false; /* not covered: no memory just here */
    }
    return true;
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
    }
}

static void read_keys(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (obx_request_busy(&letters->keys_request) || !obx_due(context, letters->read_keys_at))
        return;
    obx_key_set_clear(&letters->read);
    letters->keys_incomplete = false;
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

/* No row is moved while the keys are read, and those that wait are added to the answer: so it has the keys of all rows
 * that were rejected. */
void obx_dead_letters_step(struct obx_dead_letters *letters)
{
    const struct obx_stages *stages = letters->stages;
    if (!obx_link_up(stages->store) || obx_request_busy(&letters->move_request) || move_rows(letters))
        return;
    bool rereads = obx_key_set_any(stages->dead_letter_keys) || !letters->keys_known;
    if (needs_keys(letters) && rereads && !stages->context.stopping)
        read_keys(letters);
}
