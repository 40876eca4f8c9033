/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/delay/queue.c - first in, first out, none before its time; one timer for all */
#include "delay.h"

static void fire(void *arg);

int delay_queue_open(struct delay_queue *queue, struct delay *delay, void (*leave)(struct delay_op *entry))
{
    queue->delay = delay;
    queue->end = &queue->first;
    queue->leave = leave;
    return delay->host->timer_open(delay->host, fire, queue, &queue->timer);
}

void delay_queue_close(struct delay_queue *queue)
{
    if (queue->timer)
        queue->delay->host->timer_close(queue->timer);
}

static void set_timer(struct delay_queue *queue)
{
    const struct outbox_host *host = queue->delay->host;
    if (!queue->first) {
        host->timer_clear(queue->timer);
        return;
    }
    uint64_t now = host->now(host), due = queue->first->due_ns;
    host->timer_set(queue->timer, due > now ? (due - now + 999) / 1000 : 0);
}

/* One at a time: leave() may change the queue. */
static void fire(void *arg)
{
    struct delay_queue *queue = arg;
    const struct outbox_host *host = queue->delay->host;
    uint64_t now = host->now(host);
    while (queue->first && queue->first->due_ns <= now) {
        struct delay_op *entry = queue->first;
        delay_queue_remove(entry);
        queue->leave(entry);
    }
    set_timer(queue);
}

void delay_queue_add(struct delay_queue *queue, struct delay_op *entry, uint64_t pause_ns)
{
    const struct outbox_host *host = queue->delay->host;
    uint64_t due = host->now(host) + pause_ns;
    if (queue->first && due < queue->last_due_ns)
        due = queue->last_due_ns;
    queue->last_due_ns = entry->due_ns = due;
    entry->queue = queue;
    entry->next = NULL;
    *queue->end = entry;
    queue->end = &entry->next;
    if (queue->first == entry)
        set_timer(queue);
}

void delay_queue_remove(struct delay_op *entry)
{
    struct delay_queue *queue = entry->queue;
    struct delay_op **at = &queue->first;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    if (queue->end == &entry->next)
        queue->end = at;
    entry->queue = NULL;
}
