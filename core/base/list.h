/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/list.h - intrusive doubly linked list with a head; every function is O(1) */
#ifndef OBX_BASE_LIST_H
#define OBX_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct obx_list {
    struct obx_list *next, *prev; /* of a head: first and last; of an unlinked node: NULL */
};

static inline void obx_list_init(struct obx_list *head)
{
    head->next = head->prev = head;
}

static inline bool obx_list_empty(const struct obx_list *head)
{
    return head->next == head;
}

static inline bool obx_list_linked(const struct obx_list *node)
{
    return node->next != NULL;
}

static inline void obx_list_insert_after(struct obx_list *at, struct obx_list *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

static inline void obx_list_append(struct obx_list *head, struct obx_list *node)
{
    obx_list_insert_after(head->prev, node);
}

static inline void obx_list_remove(struct obx_list *node)
{
    node->prev->next = node->next; /* NOLINT(clang-analyzer-core.NullDereference): a node in a list has neighbours */
    node->next->prev = node->prev; /* NOLINT(clang-analyzer-core.NullDereference) */
    node->next = node->prev = NULL;
}

static inline struct obx_list *obx_list_pop(struct obx_list *head)
{
    struct obx_list *first = head->next;
    if (first == head)
        return NULL;
    obx_list_remove(first);
    return first;
}

#define OBX_LIST_FIRST(head, type, member) (obx_list_empty(head) ? NULL : OBX_CONTAINER((head)->next, type, member))
#define OBX_LIST_LAST(head, type, member) (obx_list_empty(head) ? NULL : OBX_CONTAINER((head)->prev, type, member))
#define OBX_LIST_NEXT(head, node, type, member) \
    ((node)->member.next == (head) ? NULL : OBX_CONTAINER((node)->member.next, type, member))
/* The body must not remove the current node. */
#define OBX_LIST_EACH(head, node, type, member) \
    for (type *node = OBX_LIST_FIRST(head, type, member); node; node = OBX_LIST_NEXT(head, node, type, member))

#endif
