/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/dead_letter.c - what other stages call: adding rows, limits, the step */
#include "relay/dead_letter.h"

#include "relay/dead_letter_keys.h"
#include "relay/dead_letter_move.h"
#include "relay/dead_letter_rows.h"
#include "relay/link.h"
#include "relay/low_mark.h"

#define WAITING_MAX 1000 /* rows; more of them pause claiming */

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

/* ---- the rows ---------------------------------------------------------------------------------------------------- */

bool obx_dead_letters_add(struct obx_dead_letters *letters, const struct outbox_message *message,
                          struct outbox_position position, uint32_t attempts, const char *reason)
{
    struct obx_dead_letter_row *row = obx_dead_letter_row_new(letters, message, position, reason);
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
    struct obx_dead_letter_row *row = obx_dead_letter_row_new(letters, message, position, OBX_DEAD_LETTER_FOLLOWS);
    if (!row)
        return false; /* not covered: no memory just here */
    row->is_follower = true;
    row->reading = letters->readings + 1;
    obx_list_append(&letters->followers, &row->link);
    letters->follower_count++;
    return true;
}

static void drop_all_rows(struct obx_dead_letters *letters)
{
    obx_dead_letter_rows_drop(&letters->waiting, &letters->count);
    obx_dead_letter_rows_drop(&letters->kept, &letters->count);
    obx_dead_letter_rows_drop(&letters->followers, &letters->follower_count);
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

/* ---- limits ------------------------------------------------------------------------------------------------------ */

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
    return letters->count > 0 && !obx_dead_letter_move_fails(letters);
}

bool obx_dead_letters_idle(const struct obx_dead_letters *letters)
{
    return !letters->count && !letters->follower_count && !obx_request_busy(&letters->move_request);
}

uint32_t obx_dead_letters_failing(const struct obx_dead_letters *letters)
{
    return obx_dead_letter_move_fails(letters) ? letters->count : 0;
}

const char *obx_dead_letters_why(const struct obx_dead_letters *letters)
{
    return letters->why;
}

/* Of a log: a row that was rejected after the ownership was lost is not in the spool, and gets there only after the
 * rewind. */
static bool waits_for_rewind(const struct obx_dead_letters *letters)
{
    const struct obx_dead_letter_row *row = OBX_LIST_FIRST(&letters->waiting, struct obx_dead_letter_row, link);
    return row && !obx_low_mark_in_spool(letters->stages->low_mark, row->position);
}

bool obx_dead_letters_give_up(struct obx_dead_letters *letters)
{
    bool moves = letters->count && !obx_dead_letter_move_fails(letters) && !waits_for_rewind(letters);
    if (obx_request_busy(&letters->move_request) || moves)
        return false;
    drop_all_rows(letters);
    return true;
}

bool obx_dead_letters_keys_known(const struct obx_dead_letters *letters)
{
    return letters->stages->context.settings.on_reject != OBX_PARK_KEY || letters->keys_known;
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

/* No row is moved while the keys are read, and those that wait are added to the answer: so it has the keys of all rows
 * that were rejected. A relay that stops reads no keys: followers stay in the outbox. */
void obx_dead_letters_step(struct obx_dead_letters *letters)
{
    const struct obx_stages *stages = letters->stages;
    if (!obx_link_up(stages->store) || obx_request_busy(&letters->move_request) || obx_dead_letter_move(letters))
        return;
    obx_dead_letter_keys_step(letters);
}
