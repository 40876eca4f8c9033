/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/dead_request.h - what one call of `outbox dead` is about
 *
 * dead.c        the command line
 * dead_act.c    selects letters and acts on them
 * dead_pace.c   replays them at a rate
 * dead_topic.c  replays them to another topic
 */
#ifndef OBX_PROGRAM_VERBS_DEAD_REQUEST_H
#define OBX_PROGRAM_VERBS_DEAD_REQUEST_H

#include "cli/oneshot.h"
#include "verbs/dead_filter.h"

enum { OBX_DEAD_NUMBERS = 10000 }; /* of one operation */

struct obx_dead_request {
    enum outbox_dead_action action;
    const char *relay;
    bool json, all, dry_run, yes;
    struct obx_dead_filter filter;
    uint32_t limit;                     /* 0: none */
    uint32_t rate;                      /* of a replay: letters in a second; 0: all at once */
    const char *to_topic;               /* of a replay; NULL: each to its own */
    char set_column[64], set_text[256]; /* what leads to that topic; "": nothing is set */
    int64_t order;                      /* of the relay: enum obx_order */
    bool keeps_keys;                    /* letters of one key must be replayed together */
    uint64_t matched;                   /* letters that fit the filter, beyond the limit, too */
    uint32_t count;                     /* numbers */
    uint64_t numbers[OBX_DEAD_NUMBERS]; /* without duplicates */
    uint64_t keys[OBX_DEAD_NUMBERS];    /* hashes: the key of numbers[i] */
    bool found[OBX_DEAD_NUMBERS];       /* numbers[i] is a dead letter */
};

/* Index of a number; count: it is none of them. */
uint32_t obx_dead_request_find(const struct obx_dead_request *request, uint64_t number);

/* The whole action. Prints letters and the result. Errors: the store's. */
int obx_dead_act(struct obx_oneshot *oneshot, struct obx_dead_request *request, struct outbox_error *error);

/* One operation of the store, on `count` numbers; count 0: on all letters. row: may be NULL. */
int obx_dead_run(struct obx_oneshot *oneshot, enum outbox_dead_action action, struct obx_dead_request *request,
                 const uint64_t *numbers, uint32_t count, uint64_t *affected, struct outbox_error *error);

/* Replay numbers at the rate. *affected: letters that are replayed, also after a failure. */
int obx_dead_pace(struct obx_oneshot *oneshot, struct obx_dead_request *request, uint64_t *affected,
                  struct outbox_error *error);

/* Find the column whose text makes the route give to_topic, and set set_column and set_text. No I/O. CONFIG: there is
 * no such column. */
int obx_dead_topic_resolve(const struct obx_route *route, const char *topic, struct obx_dead_request *request,
                           struct outbox_error *error);

#endif
