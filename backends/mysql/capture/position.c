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
    position->first = position->count = 0;
    position->read_ordinal = position->done_ordinal = position->from_ordinal = 0;
    return parsed;
}

static bool is_same(const struct mys_gtid_set *a, const struct mys_gtid_set *b)
{
    return mys_gtid_set_covers(a, b) && mys_gtid_set_covers(b, a);
}

void mys_position_print(const struct mys_position *position, struct obx_sql_text *text)
{
    mys_gtid_set_print(&position->done, text);
    if (!is_same(&position->done, &position->from)) {
        obx_sql_text_puts(text, SEPARATOR);
        mys_gtid_set_print(&position->from, text);
    }
    text->failed |= position->failed || position->done.failed || position->from.failed;
}

void mys_position_restart(struct mys_position *position)
{
    struct obx_sql_text text = {.host = position->host};
    mys_gtid_set_print(&position->done, &text);
    position->replays = !is_same(&position->done, &position->from);
    position->failed |= text.failed || !mys_gtid_set_parse(&position->read, obx_sql_text_get(&text));
    obx_sql_text_free(&text);
    position->first = position->count = 0;
    position->read_ordinal = position->done_ordinal = position->from_ordinal = 0;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static bool follows(const struct mys_run *run, const struct mys_gtid *gtid)
{
    if (gtid->number != run->first.number + run->count)
        return false;
    if (gtid->mariadb)
        return gtid->domain == run->first.domain && gtid->server == run->first.server;
    return !memcmp(&gtid->source, &run->first.source, sizeof gtid->source);
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
    return &position->runs[position->first + position->count++];
}

uint64_t mys_position_read(struct mys_position *position, const struct mys_gtid *gtid, struct mys_place place)
{
    struct mys_run *last = position->count ? &position->runs[position->first + position->count - 1] : NULL;
    uint64_t ordinal = ++position->read_ordinal;
    mys_gtid_set_add(&position->read, gtid);
    position->failed |= position->read.failed;
    if (last && follows(last, gtid)) {
        last->count++;
        return ordinal;
    }
    struct mys_run *run = new_run(position);
    if (run)
        *run = (struct mys_run){.first = *gtid, .ordinal = ordinal, .count = 1, .place = place};
    position->failed |= !run;
    return ordinal;
}

/* Adds the part of a run with ordinals above `after`, up to `last`. */
static void add(struct mys_gtid_set *set, const struct mys_run *run, uint64_t after, uint64_t last)
{
    uint64_t begin = run->ordinal > after ? 0 : after + 1 - run->ordinal;
    uint64_t end = last + 1 - run->ordinal < run->count ? last + 1 - run->ordinal : run->count;
    if (last < run->ordinal || begin >= end)
        return;
    struct mys_gtid gtid = run->first;
    gtid.number += end - 1;
    if (gtid.mariadb)
        mys_gtid_set_add(set, &gtid);
    else
        mys_gtid_set_add_interval(set, &gtid.source, run->first.number + begin, run->first.number + end);
}

static void advance(struct mys_position *position, struct mys_gtid_set *set, uint64_t *ordinal, uint64_t to)
{
    for (uint32_t i = 0; i < position->count && to > *ordinal; i++) {
        const struct mys_run *run = &position->runs[position->first + i];
        if (run->ordinal > to)
            break;
        add(set, run, *ordinal, to);
    }
    *ordinal = to > *ordinal ? to : *ordinal;
}

static void drop(struct mys_position *position)
{
    while (position->count) {
        const struct mys_run *run = &position->runs[position->first];
        if (run->ordinal + run->count - 1 > position->from_ordinal)
            return;
        position->first++;
        position->count--;
    }
    position->first = 0;
}

void mys_position_pass(struct mys_position *position, uint64_t ordinal, uint64_t held)
{
    uint64_t from = ordinal < held ? ordinal : held - 1;
    advance(position, &position->done, &position->done_ordinal, ordinal);
    advance(position, &position->from, &position->from_ordinal, from);
    drop(position);
    position->failed |= position->done.failed || position->from.failed;
}

const struct mys_run *mys_position_oldest(const struct mys_position *position)
{
    return position->count ? &position->runs[position->first] : NULL;
}
