/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/list_test.c - the intrusive list */
#include <criterion/criterion.h>

#include "base/list.h"

struct item {
    int number;
    struct obx_list link;
};

static int sum_in_order(struct obx_list *head)
{
    int digits = 0;
    OBX_LIST_EACH(head, item, struct item, link)
    digits = digits * 10 + item->number;
    return digits;
}

Test(list, empty_list_has_no_nodes)
{
    struct obx_list head;
    obx_list_init(&head);
    cr_expect(obx_list_empty(&head));
    cr_expect_null(obx_list_pop(&head));
    cr_expect_null(OBX_LIST_FIRST(&head, struct item, link));
    cr_expect_null(OBX_LIST_LAST(&head, struct item, link));
    cr_expect_eq(sum_in_order(&head), 0);
}

Test(list, order_and_ends_are_kept)
{
    struct obx_list head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    obx_list_init(&head);
    for (int i = 0; i < 3; i++)
        obx_list_append(&head, &items[i].link);
    cr_expect_eq(sum_in_order(&head), 123);
    cr_expect_eq(OBX_LIST_FIRST(&head, struct item, link), &items[0]);
    cr_expect_eq(OBX_LIST_LAST(&head, struct item, link), &items[2]);
    cr_expect_eq(OBX_LIST_NEXT(&head, &items[0], struct item, link), &items[1]);
    cr_expect_null(OBX_LIST_NEXT(&head, &items[2], struct item, link));
}

Test(list, removed_node_is_unlinked_and_can_be_added_again)
{
    struct obx_list head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    obx_list_init(&head);
    cr_expect_not(obx_list_linked(&items[0].link));
    for (int i = 0; i < 3; i++)
        obx_list_append(&head, &items[i].link);
    cr_expect(obx_list_linked(&items[1].link));
    obx_list_remove(&items[1].link);
    cr_expect_not(obx_list_linked(&items[1].link));
    cr_expect_eq(sum_in_order(&head), 13);
    obx_list_insert_after(&head, &items[1].link);
    cr_expect_eq(sum_in_order(&head), 213);
}

Test(list, pop_returns_nodes_from_the_front)
{
    struct obx_list head;
    struct item items[2] = {{.number = 1}, {.number = 2}};
    obx_list_init(&head);
    obx_list_append(&head, &items[0].link);
    obx_list_append(&head, &items[1].link);
    cr_expect_eq(obx_list_pop(&head), &items[0].link);
    cr_expect_not(obx_list_linked(&items[0].link));
    cr_expect_eq(obx_list_pop(&head), &items[1].link);
    cr_expect(obx_list_empty(&head));
}
