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
#define FOLLOWERS_COST 4 /* between readings for followers: a pause so many times as long as the last one took */
#define FOLLOWERS_PAUSE_MAX_NS (500 * OBX_MS)
#define FOLLOWS "it follows a dead letter of its key"
#define ID_MAX 64 /* bytes of an event id in the log */

struct waiting_row {
    struct obx_list link;
    struct outbox_position position;
    uint64_t key; /* obx_order_key() */
    uint32_t attempts;
    uint32_t topic_size, key_size, id_size;
    bool key_is_null;
    bool is_follower;
    uint64_t reading; /* of a follower: the number of the first reading of keys that begins after it was claimed */
    char reason[200];
    char bytes[]; /* topic, then key, then the event id */
};

struct obx_dead_letters {
    struct obx_stages *stages;
    struct obx_list waiting;   /* of struct waiting_row, owned */
    struct obx_list kept;      /* likewise: rows that the store could not move, while it moved others */
    uint32_t count;            /* of both */
    struct obx_list followers; /* likewise: rows whose keys must be read first */
    uint32_t follower_count;
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
    uint64_t readings, reading_began; /* how many have begun; when the last one did */
    uint64_t read_for_followers_at;   /* not earlier */
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
    obx_list_init(&letters->followers);
    return letters;
}

void obx_dead_letters_free(struct obx_dead_letters *letters)
{
    obx_free(letters);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void copy_bytes(char *to, struct outbox_bytes from)
{
    if (from.size && from.data)
        memcpy(to, from.data, from.size);
}

static struct waiting_row *new_row(const struct obx_dead_letters *letters, const struct outbox_message *message,
                                   struct outbox_position position, const char *reason)
{
    const struct outbox_bytes id = {message->id.data, OBX_MIN(message->id.size, (size_t)ID_MAX)};
    struct waiting_row *row = obx_alloc(sizeof *row + message->topic.size + message->key.size + id.size);
    if (!row)
        return NULL;
    row->position = position;
    row->key = obx_order_key(letters->stages->context.settings.order, message, position);
    row->id_size = (uint32_t)id.size;
    row->topic_size = (uint32_t)message->topic.size;
    row->key_size = (uint32_t)message->key.size;
    row->key_is_null = !message->key.data;
    snprintf(row->reason, sizeof row->reason, "%.*s", (int)sizeof row->reason - 1, reason);
    copy_bytes(row->bytes, message->topic);
    copy_bytes(row->bytes + message->topic.size, message->key);
    copy_bytes(row->bytes + message->topic.size + message->key.size, id);
    return row;
}

bool obx_dead_letters_add(struct obx_dead_letters *letters, const struct outbox_message *message,
                          struct outbox_position position, uint32_t attempts, const char *reason)
{
    struct waiting_row *row = new_row(letters, message, position, reason);
    if (!row)
        return false;
    row->attempts = attempts;
    obx_list_append(&letters->waiting, &row->link);
    letters->count++;
    return true;
}

bool obx_dead_letters_add_follower(struct obx_dead_letters *letters, const struct outbox_message *message,
                                   struct outbox_position position)
{
    struct waiting_row *row = new_row(letters, message, position, FOLLOWS);
    if (!row)
        return false; /* not covered: no memory just here */
    row->is_follower = true;
    row->reading = letters->readings + 1;
    obx_list_append(&letters->followers, &row->link);
    letters->follower_count++;
    return true;
}

static void drop_rows(struct obx_list *list, uint32_t *count)
{
    for (struct obx_list *link; (link = obx_list_pop(list)); --*count)
        obx_free(OBX_CONTAINER(link, struct waiting_row, link));
}

static void drop_all_rows(struct obx_dead_letters *letters)
{
    drop_rows(&letters->waiting, &letters->count);
    drop_rows(&letters->kept, &letters->count);
    drop_rows(&letters->followers, &letters->follower_count);
}

void obx_dead_letters_clear(struct obx_dead_letters *letters)
{
    drop_all_rows(letters);
    obx_key_set_clear(letters->stages->dead_letter_keys);
    obx_key_set_clear(&letters->read);
    letters->keys_known = false;
}

void obx_dead_letters_reset(struct obx_dead_letters *letters)
{
    obx_dead_letters_clear(letters);
    letters->read_keys_at = letters->move_at = letters->kept_at = letters->stages->context.now;
    letters->read_for_followers_at = letters->read_keys_at;
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
    return letters->count + letters->follower_count >= WAITING_MAX && !obx_dead_letters_stuck(letters);
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
    return !letters->count && !letters->follower_count && !obx_request_busy(&letters->move_request);
}

uint32_t obx_dead_letters_failing(const struct obx_dead_letters *letters)
{
    return is_failing(letters) ? letters->count : 0;
}

bool obx_dead_letters_give_up(struct obx_dead_letters *letters)
{
    if (obx_request_busy(&letters->move_request) || (letters->count && !is_failing(letters)))
        return false;
    drop_all_rows(letters);
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

/* Until the next move the operator may replay what they follow: they stand before the followers that came later. */
static void take_followers_back(struct obx_dead_letters *letters)
{
    struct obx_list *before = letters->followers.next;
    for (struct waiting_row *row = OBX_LIST_FIRST(&letters->waiting, struct waiting_row, link), *next; row;
         row = next) {
        next = OBX_LIST_NEXT(&letters->waiting, row, struct waiting_row, link);
        if (!row->is_follower)
            continue;
        obx_list_remove(&row->link);
        obx_list_append(before, &row->link);
        row->reading = letters->readings + 1;
        letters->count--;
        letters->follower_count++;
    }
}

/* Events of other keys go on meanwhile. A lock that passes is not logged. */
static void on_again(struct obx_dead_letters *letters, const struct outbox_error *error)
{
    struct obx_relay_context *context = &letters->stages->context;
    take_followers_back(letters);
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
    OBX_LIST_EACH(list, row, struct waiting_row, link)
    {
        if (!row->is_follower && !obx_key_set_add(letters->stages->dead_letter_keys, row->key))
            return false; /* not covered: no memory just here */
    }
    return true;
}

static void join(struct obx_dead_letters *letters, struct waiting_row *row)
{
    OBX_RELAY_LOG(&letters->stages->context, OUTBOX_LOG_WARN, "event %.*s goes to the dead letters: " FOLLOWS,
                  (int)row->id_size, row->bytes + row->topic_size + row->key_size);
    obx_list_remove(&row->link);
    obx_list_append(&letters->waiting, &row->link);
    letters->follower_count--;
    letters->count++;
}

/* The dead letters of its key were replayed or dropped. It goes behind its key, which is due at once: that keeps the
 * order of the events that come back. Without memory it is tried again after the next reading. */
static void release_followers(struct obx_dead_letters *letters, struct obx_list *list, uint32_t *count)
{
    for (struct waiting_row *row = OBX_LIST_FIRST(list, struct waiting_row, link), *next; row; row = next) {
        next = OBX_LIST_NEXT(list, row, struct waiting_row, link);
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
    for (struct waiting_row *row = OBX_LIST_FIRST(&letters->followers, struct waiting_row, link), *next; row;
         row = next) {
        next = OBX_LIST_NEXT(&letters->followers, row, struct waiting_row, link);
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

bool obx_dead_letters_keys_known(const struct obx_dead_letters *letters)
{
    return !needs_keys(letters) || letters->keys_known;
}

static bool reading_due(const struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!needs_keys(letters) || context->stopping || obx_request_busy(&letters->keys_request))
        return false;
    bool rereads = obx_key_set_any(letters->stages->dead_letter_keys) || !letters->keys_known;
    bool backs_off = letters->keys_failures.count > 0;
    if (letters->follower_count && !backs_off && obx_due(context, letters->read_for_followers_at))
        return true;
    return rereads && obx_due(context, letters->read_keys_at);
}

/* No row is moved while the keys are read, and those that wait are added to the answer: so it has the keys of all rows
 * that were rejected. A relay that stops reads no keys: followers stay in the outbox. */
void obx_dead_letters_step(struct obx_dead_letters *letters)
{
    const struct obx_stages *stages = letters->stages;
    if (!obx_link_up(stages->store) || obx_request_busy(&letters->move_request) || move_rows(letters))
        return;
    if (stages->context.stopping)
        drop_rows(&letters->followers, &letters->follower_count);
    if (reading_due(letters))
        read_keys(letters);
}
