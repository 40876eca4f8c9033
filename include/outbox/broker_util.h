/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/broker_util.h - helpers for brokers, for servers that answer each message by itself (OUTBOX_CAP_CONCURRENT)
 *
 *   struct outbox_answers    a publish whose messages are answered one by one
 *   struct outbox_in_flight  messages that wait for an answer, by number and by age
 *   outbox_split_address     "HOST:PORT"
 *
 * Not part of the ABI: compiled into the plugin. Include outbox/plugin_util.h.
 */
#ifndef OUTBOX_BROKER_UTIL_H
#define OUTBOX_BROKER_UTIL_H

#include <outbox/plugin_util.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a publish whose messages are answered one by one ---------------------------------------------------------- */

/* The first bytes of the scratch memory of a publish. The op completes with its last answer. */
struct outbox_answers {
    uint32_t missing; /* private */
};

/* One answer more, whose outcomes were reported otherwise. True: it was the last, as with outbox_answer(). */
static inline bool outbox_answers_count(const struct outbox_host *host, outbox_op_t op)
{
    struct outbox_answers *answers = (struct outbox_answers *)host->op_scratch(host, op);
    if (--answers->missing)
        return false;
    host->op_done(host, op, NULL);
    return true;
}

/* First in publish(). */
static inline void outbox_answers_begin(const struct outbox_host *host, outbox_op_t op, uint32_t count)
{
    struct outbox_answers *answers = (struct outbox_answers *)host->op_scratch(host, op);
    answers->missing = count + 1; /* so that it does not complete before all messages are sent */
}

/* Last in publish(). True: all messages have their outcome, and the op is complete. */
static inline bool outbox_answers_end(const struct outbox_host *host, outbox_op_t op)
{
    return outbox_answers_count(host, op);
}

/* The outcome of one message; error: NULL for OUTBOX_DELIVERED. True: it was the last, and the op is complete; its
 * memory is gone. */
static inline bool outbox_answer(const struct outbox_host *host, outbox_op_t op, uint32_t index, uint32_t outcome,
                                 const struct outbox_error *error)
{
    outbox_report_outcomes(host, op, index, 1, outcome, error);
    return outbox_answers_count(host, op);
}

/* ---- messages that wait for an answer --------------------------------------------------------------------------- */

/* In the memory of the message. Private, but for number and sent_ns. */
struct outbox_in_flight_item {
    struct outbox_in_flight_item *next, *before; /* in the order of sending */
    struct outbox_in_flight_item *chain;         /* of its slot */
    uint64_t number;                             /* by which the answer names it; 0: not in flight */
    uint64_t sent_ns;
};

enum { OUTBOX_IN_FLIGHT_SLOTS = 4096 };

/* Zeroed, then next_number is set. For one thread at a time. */
struct outbox_in_flight {
    struct outbox_in_flight_item *first, *last; /* the oldest is the first */
    struct outbox_in_flight_item *slots[OUTBOX_IN_FLIGHT_SLOTS];
    uint64_t next_number; /* above 0 */
    uint32_t count;
};

/* now: host->now(). The item gets the next number. */
static inline void outbox_in_flight_add(struct outbox_in_flight *set, struct outbox_in_flight_item *item, uint64_t now)
{
    struct outbox_in_flight_item **slot = &set->slots[set->next_number % OUTBOX_IN_FLIGHT_SLOTS];
    item->number = set->next_number++;
    item->sent_ns = now;
    item->chain = *slot;
    *slot = item;
    item->next = NULL;
    item->before = set->last;
    *(set->last ? &set->last->next : &set->first) = item;
    set->last = item;
    set->count++;
}

static inline void outbox_in_flight_remove(struct outbox_in_flight *set, struct outbox_in_flight_item *item)
{
    struct outbox_in_flight_item **at = &set->slots[item->number % OUTBOX_IN_FLIGHT_SLOTS];
    while (*at != item)
        at = &(*at)->chain;
    *at = item->chain;
    *(item->before ? &item->before->next : &set->first) = item->next;
    *(item->next ? &item->next->before : &set->last) = item->before;
    item->number = 0;
    set->count--;
}

/* NULL: none has this number, as after a late answer. */
static inline struct outbox_in_flight_item *outbox_in_flight_find(const struct outbox_in_flight *set, uint64_t number)
{
    struct outbox_in_flight_item *item = set->slots[number % OUTBOX_IN_FLIGHT_SLOTS];
    while (item && item->number != number)
        item = item->chain;
    return item;
}

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT". Returns the port, `port` if the text has none; 0: it is none of these, or the
 * host has no room. Any thread. */
static inline int outbox_split_address(const char *text, int port, char *host, size_t size)
{
    bool is_address = *text == '[';
    const char *end = is_address ? strchr(text, ']') : strrchr(text, ':');
    const char *colon = is_address && end ? (end[1] == ':' ? end + 1 : NULL) : end;
    size_t length = end ? (size_t)(end - text) : strlen(text);
    char *rest = NULL;
    if ((is_address && !end) || length <= (is_address ? 1 : 0) || length - is_address >= size)
        return 0;
    snprintf(host, size, "%.*s", (int)(length - is_address), text + is_address);
    long number = colon ? strtol(colon + 1, &rest, 10) : port;
    return (rest && *rest) || number <= 0 || number > 65535 ? 0 : (int)number;
}

#ifdef __cplusplus
}
#endif
#endif
