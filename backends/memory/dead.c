/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/memory/dead.c - the dead letters: insert, list, show, replay, drop
 *
 * A replayed letter becomes a new row at the end of the outbox. Its former place in the order is lost.
 */
#include <string.h>

#include "store.h"

static void free_letter(const struct mstore *store, struct mstore_letter *letter)
{
    mstore_row_drop(store, letter->row);
    store->host->release(store->host, letter);
}

void mstore_letters_free(struct mstore *store)
{
    for (uint32_t i = 0; i < store->letter_count; i++)
        free_letter(store, store->letters[i]);
    store->host->release(store->host, store->letters);
    store->letter_count = store->letter_room = 0;
    store->letters = NULL;
}

static int letter_space(struct mstore *store)
{
    if (store->letter_count < store->letter_room)
        return OUTBOX_OK;
    uint32_t room = store->letter_room ? store->letter_room * 2 : 16;
    void *moved = store->host->resize(store->host, store->letters, room * sizeof(struct mstore_letter *));
    if (!moved)
        return OUTBOX_E_NO_MEMORY;
    store->letters = moved;
    store->letter_room = room;
    return OUTBOX_OK;
}

int mstore_insert_dead_letter(struct mstore *store, struct mstore_row *row, const struct outbox_dead_row *dead)
{
    struct outbox_bytes reason = {dead->reason, dead->reason ? strlen(dead->reason) : 0};
    if (letter_space(store))
        return OUTBOX_E_NO_MEMORY;
    struct mstore_letter *letter =
        store->host->alloc(store->host, sizeof *letter + dead->topic.size + dead->key.size + reason.size);
    if (!letter)
        return OUTBOX_E_NO_MEMORY;
    char *at = (char *)(letter + 1);
    letter->number = ++store->next_number;
    letter->row = row;
    letter->attempts = dead->attempts;
    letter->died_us = mstore_now_us();
    letter->topic = mstore_copy(&at, dead->topic);
    letter->key = mstore_copy(&at, dead->key);
    letter->reason = mstore_copy(&at, reason);
    row->references++;
    store->letters[store->letter_count++] = letter;
    return OUTBOX_OK;
}

static bool chosen(const struct outbox_dead *dead, uint64_t number)
{
    for (uint32_t i = 0; i < dead->count; i++) {
        if (dead->numbers[i] == number)
            return true;
    }
    return dead->count == 0;
}

static bool same(struct outbox_bytes a, struct outbox_bytes b)
{
    return !a.data == !b.data && a.size == b.size && (!a.data || memcmp(a.data, b.data, a.size) == 0);
}

static bool key_seen(const struct mstore *store, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (same(store->letters[i]->topic, store->letters[index]->topic) &&
            same(store->letters[i]->key, store->letters[index]->key))
            return true;
    }
    return false;
}

static struct outbox_event event_of(const struct mstore_letter *letter)
{
    const struct outbox_bytes *fields = letter->row->fields;
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .event_id = fields[FIELD_EVENT_ID],
                                 .aggregate_type = fields[FIELD_AGGREGATE_TYPE],
                                 .aggregate_id = fields[FIELD_AGGREGATE_ID],
                                 .type = fields[FIELD_TYPE],
                                 .payload = fields[FIELD_PAYLOAD],
                                 .headers = fields[FIELD_HEADERS]};
}

static void report_letter(const struct outbox_dead *dead, const struct mstore_letter *from)
{
    struct outbox_dead_letter letter = {.struct_size = sizeof letter, .topic = from->topic, .key = from->key};
    if (dead->action != OUTBOX_DEAD_KEYS) {
        letter.number = from->number;
        letter.reason = from->reason;
        letter.attempts = from->attempts;
        letter.died_us = from->died_us;
        letter.event = event_of(from);
    }
    dead->row(dead->arg, &letter);
}

static void read_letters(struct mstore *store, struct outbox_dead *dead)
{
    for (uint32_t i = 0; i < store->letter_count; i++) {
        if (dead->limit && dead->affected == dead->limit)
            break;
        bool wanted = dead->action == OUTBOX_DEAD_KEYS ? !key_seen(store, i) : chosen(dead, store->letters[i]->number);
        if (!wanted)
            continue;
        report_letter(dead, store->letters[i]);
        dead->affected++;
    }
}

/* The copy that goes back has a new id. A failure leaves this letter and the ones after it where they are. */
static int replay(struct mstore *store, const struct mstore_letter *letter)
{
    struct outbox_event event = event_of(letter);
    struct mstore_row *row = mstore_append(store, &event);
    if (!row)
        return OUTBOX_E_NO_MEMORY;
    row->created_us = letter->row->created_us;
    return OUTBOX_OK;
}

static int remove_letters(struct mstore *store, struct outbox_dead *dead)
{
    uint32_t kept = 0;
    int code = OUTBOX_OK;
    /* first, generate the remaining synthetic rows: they come before the replayed row */
    if (dead->action == OUTBOX_DEAD_REPLAY && store->letter_count)
        code = mstore_generate(store, UINT32_MAX);
    for (uint32_t i = 0; i < store->letter_count; i++) {
        struct mstore_letter *letter = store->letters[i];
        if (!code && chosen(dead, letter->number)) {
            code = dead->action == OUTBOX_DEAD_REPLAY ? replay(store, letter) : OUTBOX_OK;
            if (!code) {
                free_letter(store, letter);
                dead->affected++;
                continue;
            }
        }
        store->letters[kept++] = letter;
    }
    store->letter_count = kept;
    return code;
}

void mstore_dead(void *self, outbox_op_t op, struct outbox_dead *dead)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    dead->affected = 0;
    if (dead->action == OUTBOX_DEAD_REPLAY || dead->action == OUTBOX_DEAD_DROP) {
        if (remove_letters(store, dead))
            outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "replay dead letters: out of memory");
        if (dead->action == OUTBOX_DEAD_REPLAY && dead->affected)
            store->host->wake(store->host);
    } else {
        read_letters(store, dead);
    }
    mstore_done(store, op, &error);
}
