/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/skips_test.c - the list of events that an operator wants out of the way */
#include <criterion/criterion.h>
#include <string.h>

#include "relay/skips.h"

Test(skips, skip_of_a_position_spares_another_event)
{
    struct obx_skips skips = {0};
    struct obx_skip skip;
    const struct outbox_position at = {7, 0};
    const struct outbox_message message = {.id = {"new", 3}};
    obx_skip_set(&skip, at, (struct outbox_bytes){"old", 3}, "why");
    obx_skips_add(&skips, &skip);
    cr_assert_null(obx_skips_find(&skips, &message, at));
    cr_assert_null(obx_skips_find(&skips, &(struct outbox_message){.id = {"olden", 5}}, at));
    cr_assert_not_null(obx_skips_find(&skips, &(struct outbox_message){.id = {"old", 3}}, at));
    obx_skip_set(&skip, at, (struct outbox_bytes){NULL, 0}, "why");
    obx_skips_add(&skips, &skip);
    cr_assert_not_null(obx_skips_find(&skips, &(struct outbox_message){0}, at));
}

Test(skips, texts_of_a_skip_are_cut_between_characters)
{
    struct obx_skip skip;
    char reason[300] = "", id[] = "an-id-of-38-bytes--------------------x\xe2\x82\xac and more";
    for (int i = 0; i < 99; i++)
        strcat(reason, "\xe2\x82\xac");
    obx_skip_set(&skip, (struct outbox_position){1, 0}, (struct outbox_bytes){id, strlen(id)}, reason);
    cr_assert_str_eq(skip.event_id, "an-id-of-38-bytes--------------------x");
    cr_assert_eq(strlen(skip.reason), 198, "66 characters");
}

Test(skips, later_skips_take_the_place_of_earlier_ones)
{
    struct obx_skips skips = {0};
    for (uint64_t id = 1; id <= OBX_SKIPS_MAX + 1; id++) {
        struct obx_skip skip;
        obx_skip_set(&skip, (struct outbox_position){id, 0}, (struct outbox_bytes){"id", 2}, "why");
        obx_skips_add(&skips, &skip);
    }
    const struct outbox_message message = {.id = {"id", 2}};
    cr_assert_null(obx_skips_find(&skips, &message, (struct outbox_position){1, 0}));
    cr_assert_not_null(obx_skips_find(&skips, &message, (struct outbox_position){OBX_SKIPS_MAX + 1, 0}));
    obx_skips_clear(&skips);
    cr_assert_null(obx_skips_find(&skips, &message, (struct outbox_position){OBX_SKIPS_MAX + 1, 0}));
}

/* The texts that people see end at the NUL; the event is known by its whole id. */
Test(skips, event_whose_id_has_a_nul_is_skipped)
{
    struct outbox_position at = {7, 0};
    struct obx_skips skips = {0};
    struct obx_skip skip;
    struct outbox_message message = {.id = {"a\0b", 3}}, other = {.id = {"a\0c", 3}};
    obx_skip_set(&skip, at, message.id, "why");
    cr_assert_str_eq(skip.event_id, "a");
    obx_skips_add(&skips, &skip);
    cr_assert_null(obx_skips_find(&skips, &other, at));
    cr_assert_not_null(obx_skips_find(&skips, &message, at));
}
