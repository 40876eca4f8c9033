/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/loop/uv_fixture.h - turns a real loop until a condition holds, with a deadline */
#ifndef OBX_TESTS_UNIT_LOOP_UV_FIXTURE_H
#define OBX_TESTS_UNIT_LOOP_UV_FIXTURE_H

#include <criterion/criterion.h>

#include "base/mem.h"
#include "loop/uv_loop.h"
#include "mem_fault.h"

#define DEADLINE_NS (20 * 1000 * OBX_MS)

struct deadline {
    struct obx_timer timer;
    bool passed;
};

static inline void deadline_passed(struct obx_timer *timer)
{
    ((struct deadline *)(void *)timer)->passed = true;
}

/* Turns until the expression is true. */
#define TURN_UNTIL(loop, expression)                                           \
    do {                                                                       \
        struct deadline deadline_ = {.timer.fire = deadline_passed};           \
        (loop)->ops->timer_set(loop, &deadline_.timer, DEADLINE_NS);           \
        while (!(expression) && !deadline_.passed && obx_uv_loop_turn(loop)) { \
        }                                                                      \
        cr_assert(expression);                                                 \
        (loop)->ops->timer_clear(loop, &deadline_.timer);                      \
    } while (0)

static inline struct obx_loop *open_loop(void)
{
    struct obx_loop *loop;
    struct outbox_error error;
    cr_assert_eq(obx_uv_loop_new(NULL, &loop, &error), OUTBOX_OK, "%s", error.text);
    return loop;
}

static inline void close_loop(struct obx_loop *loop)
{
    cr_assert_eq(obx_uv_loop_free(loop, NULL, NULL), 0, "something is open on the loop");
    cr_assert_eq(mem_live(), 0);
}

#endif
