/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/capture/position.c - see position.h */
#include "position.h"

#include <string.h>

#define SEPARATOR " from "

void mys_position_init(struct mys_position *position, const struct outbox_host *host, bool mariadb)
{
    *position = (struct mys_position){.host = host};
    mys_gtid_set_init(&position->read, host, mariadb);
    mys_gtid_set_init(&position->done, host, mariadb);
    mys_gtid_set_init(&position->from, host, mariadb);
}

void mys_position_free(struct mys_position *position)
{
    if (!position->host)
        return;
    mys_gtid_set_free(&position->read);
    mys_gtid_set_free(&position->done);
    mys_gtid_set_free(&position->from);
    position->host->release(position->host, position->runs);
    *position = (struct mys_position){.host = NULL};
}

static void forget_runs(struct mys_position *position)
{
    position->first = position->count = position->joinable = 0;
    position->read_ordinal = position->done_ordinal = 0;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

bool mys_position_parse(struct mys_position *position, const char *text)
{
    struct obx_sql_text done = {.host = position->host};
    const char *separator = strstr(text, SEPARATOR);
    obx_sql_text_add(&done, text, separator ? (size_t)(separator - text) : strlen(text));
    bool parsed =
        !done.failed && mys_gtid_set_parse(&position->done, obx_sql_text_get(&done)) &&
        mys_gtid_set_parse(&position->from, separator ? separator + strlen(SEPARATOR) : obx_sql_text_get(&done));
    obx_sql_text_free(&done);
    forget_runs(position);
    return parsed;
}

static bool is_same(const struct mys_gtid_set *a, const struct mys_gtid_set *b)
{
    return mys_gtid_set_covers(a, b) && mys_gtid_set_covers(b, a);
}

void mys_position_print(const struct mys_position *position, const struct mys_gtid_set *held, struct obx_sql_text *text)
{
    const struct mys_gtid_set *from = held ? held : &position->from;
    mys_gtid_set_print(&position->done, text);
    if (!is_same(&position->done, from)) {
        obx_sql_text_puts(text, SEPARATOR);
        mys_gtid_set_print(from, text);
    }
    text->failed |= position->failed || position->done.failed || from->failed;
}

void mys_position_restart(struct mys_position *position, const struct mys_gtid_set *held)
{
    if (held)
        mys_gtid_set_copy(&position->from, held);
    mys_gtid_set_copy(&position->read, &position->from);
    position->replays = !is_same(&position->done, &position->from);
    position->failed |= position->from.failed || position->read.failed;
    forget_runs(position);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static struct mys_run *run_at(const struct mys_position *position, uint32_t index)
{
    return &position->runs[position->first + index];
}

static bool is_of_source(const struct mys_run *run, const struct mys_gtid *gtid)
{
    if (gtid->mariadb)
        return gtid->domain == run->first.domain;
    return !memcmp(&gtid->source, &run->first.source, sizeof gtid->source);
}

/* The next ordinal comes to the last run as its next number. */
static bool follows(const struct mys_run *run, const struct mys_gtid *gtid, uint64_t ordinal)
{
    return run->exact && ordinal == run->ordinal + run->count && gtid->number == run->first.number + run->count &&
           is_of_source(run, gtid) && gtid->server == run->first.server;
}

static struct mys_run *new_run(struct mys_position *position)
{
    if (position->first && position->first + position->count == position->room) {
        memmove(position->runs, position->runs + position->first, position->count * sizeof *position->runs);
        position->first = 0;
    }
    uint32_t need = position->first + position->count + 1;
    if (!obx_sql_grow(position->host, (void **)&position->runs, &position->room, need, sizeof *position->runs))
        return NULL;
    position->joinable++;
    return run_at(position, position->count++);
}

static void add_run(struct mys_position *position, const struct mys_gtid *gtid, struct mys_place place)
{
    struct mys_run *run = new_run(position);
    if (run)
        *run = (struct mys_run){
            .first = *gtid, .ordinal = position->read_ordinal, .count = 1, .exact = true, .place = place};
    position->failed |= !run;
}

static uint64_t last_ordinal(const struct mys_run *run)
{
    return run->exact ? run->ordinal + run->count - 1 : run->ordinal;
}

/* ---- interleaved sources ----------------------------------------------------------------------------------------- */

static bool extend(struct mys_run *run, const struct mys_gtid *gtid)
{
    bool up = gtid->number == run->first.number + run->count, down = gtid->number + 1 == run->first.number;
    if (gtid->mariadb) {
        if (gtid->number >= run->first.number + run->count)
            run->first = *gtid;
        else
            run->first.number += run->count - 1;
        run->count = 1;
        return true;
    }
    run->first.number -= down ? 1 : 0;
    run->count += up || down ? 1 : 0;
    return up || down;
}

static void make_loose(struct mys_run *run, uint64_t ordinal)
{
    run->exact = false;
    run->ordinal = ordinal;
}

/* The run that `index` has grown to is removed, if there is one; it is one of the joinable, all of which are loose or
 * lie behind each other. */
static void merge(struct mys_position *position, uint32_t index, uint32_t from)
{
    struct mys_run *run = run_at(position, index);
    for (uint32_t i = from; i < position->count; i++) {
        struct mys_run *other = run_at(position, i);
        bool after = other->first.number == run->first.number + run->count;
        bool before = run->first.number == other->first.number + other->count;
        if (i == index || !is_of_source(other, &run->first) || (!after && !before))
            continue;
        run->first.number = before ? other->first.number : run->first.number;
        run->count += other->count;
        memmove(other, other + 1, (position->count - i - 1) * sizeof *other);
        position->count--;
        position->joinable--;
        return;
    }
}

static bool join(struct mys_position *position, const struct mys_gtid *gtid)
{
    uint32_t from = position->count - position->joinable;
    for (uint32_t i = position->count; i > from; i--) {
        struct mys_run *run = run_at(position, i - 1);
        if (!is_of_source(run, gtid) || !extend(run, gtid))
            continue;
        make_loose(run, position->read_ordinal);
        if (!gtid->mariadb)
            merge(position, i - 1, from);
        return true;
    }
    return false;
}

uint64_t mys_position_read(struct mys_position *position, const struct mys_gtid *gtid, struct mys_place place,
                           bool ends)
{
    struct mys_run *last = position->count ? run_at(position, position->count - 1) : NULL;
    uint64_t ordinal = ++position->read_ordinal;
    mys_gtid_set_add(&position->read, gtid);
    position->failed |= position->read.failed;
    if (last && follows(last, gtid, ordinal))
        last->count++;
    else if (ends || !join(position, gtid))
        add_run(position, gtid, place);
    if (ends)
        position->joinable = 0;
    return ordinal;
}

/* ---- what is passed ---------------------------------------------------------------------------------------------- */

/* Adds the part of a run with ordinals above `after`, up to `last`. */
static void add(struct mys_gtid_set *set, const struct mys_run *run, uint64_t after, uint64_t last)
{
    uint64_t begin = run->exact && run->ordinal <= after ? after + 1 - run->ordinal : 0;
    uint64_t end = run->exact && last + 1 - run->ordinal < run->count ? last + 1 - run->ordinal : run->count;
    struct mys_gtid gtid = run->first;
    if (begin >= end)
        return;
    gtid.number += end - 1;
    if (gtid.mariadb)
        mys_gtid_set_add(set, &gtid);
    else
        mys_gtid_set_add_interval(set, &gtid.source, run->first.number + begin, run->first.number + end);
}

static bool begins_after(const struct mys_run *run, uint64_t ordinal)
{
    return run->ordinal > ordinal; /* one that is not exact is passed as a whole */
}

static void drop_passed(struct mys_position *position)
{
    while (position->count && last_ordinal(run_at(position, 0)) <= position->done_ordinal) {
        position->first++;
        position->count--;
    }
    if (!position->count)
        position->first = 0;
    position->joinable = position->joinable < position->count ? position->joinable : position->count;
}

void mys_position_pass(struct mys_position *position, uint64_t ordinal)
{
    if (ordinal <= position->done_ordinal)
        return;
    for (uint32_t i = 0; i < position->count && !begins_after(run_at(position, i), ordinal); i++) {
        add(&position->done, run_at(position, i), position->done_ordinal, ordinal);
        add(&position->from, run_at(position, i), position->done_ordinal, ordinal);
    }
    position->done_ordinal = ordinal;
    position->failed |= position->done.failed || position->from.failed;
    drop_passed(position);
}

const struct mys_run *mys_position_oldest(const struct mys_position *position)
{
    return position->count ? run_at(position, 0) : NULL;
}
