/* SPDX-License-Identifier: Apache-2.0 */
/* core/loop/tasks.h - the queue of deferred tasks of a loop; loop thread only */
#ifndef OBX_LOOP_TASKS_H
#define OBX_LOOP_TASKS_H

#include "loop/loop.h"

struct obx_tasks {
    struct obx_list waiting;
};

static inline void obx_tasks_init(struct obx_tasks *tasks)
{
    obx_list_init(&tasks->waiting);
}

static inline bool obx_tasks_empty(const struct obx_tasks *tasks)
{
    return obx_list_empty(&tasks->waiting);
}

static inline void obx_tasks_add(struct obx_tasks *tasks, struct obx_task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    obx_list_append(&tasks->waiting, &task->link);
}

/* Also for a task of the round that is running. */
static inline void obx_tasks_cancel(struct obx_task *task)
{
    if (!task->queued)
        return;
    task->queued = false;
    obx_list_remove(&task->link);
}

static inline bool obx_tasks_run_one(struct obx_list *list)
{
    struct obx_list *link = obx_list_pop(list);
    if (!link)
        return false;
    struct obx_task *task = OBX_CONTAINER(link, struct obx_task, link);
    task->queued = false;
    task->run(task); /* may free it */
    return true;
}

/* Move all of `from` to the end of `to`. */
static inline void obx_tasks_move(struct obx_list *from, struct obx_list *to)
{
    if (obx_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    obx_list_init(from);
}

/* Run the queued tasks. Tasks added meanwhile wait for the next round, so that this one ends. */
static inline void obx_tasks_run(struct obx_tasks *tasks)
{
    struct obx_list round;
    obx_list_init(&round);
    obx_tasks_move(&tasks->waiting, &round);
    while (obx_tasks_run_one(&round)) {
    }
}

#endif
