/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/fake_loop.h - an event loop with a virtual clock: nothing waits, and every run of a seed is the same
 *
 *     struct fake_loop loop;
 *     fake_loop_init(&loop, seed);
 *     ... &loop.base ...
 *     cr_assert(fake_loop_run_until(&loop, is_done, &test, 5 * 1000 * OBX_MS));
 *     cr_assert(fake_loop_idle(&loop));
 *
 * It allocates nothing, so memory faults and leak counts see only what is tested. One thread: offloaded work runs
 * here too, at a time drawn from the seed, and post() is defer(). Descriptors cannot be waited for.
 */
#ifndef OBX_TESTS_SUPPORT_FAKE_LOOP_H
#define OBX_TESTS_SUPPORT_FAKE_LOOP_H

#include "loop/heap.h"
#include "loop/tasks.h"

struct fake_loop {
    struct obx_loop base; /* first */
    uint64_t now_ns;
    uint64_t random;
    struct obx_tasks deferred;
    struct obx_heap heap;
    uint32_t works; /* offloaded and not done */
    uint64_t steps;

    /* May be changed after init. */
    uint64_t step_ns;                  /* what one step costs; so that a busy loop cannot stop the clock */
    uint64_t work_min_ns, work_max_ns; /* how long offloaded work waits and takes */
    uint32_t fail_offload;             /* the n-th offload from now fails; 0: none */
};

void fake_loop_init(struct fake_loop *loop, uint64_t seed);

/* Run one task or, when none waits, go to the time of the next timer and fire what is due. false: there is neither. */
bool fake_loop_step(struct fake_loop *loop);
/* Step until done(arg), but for no more than within_ns of virtual time. Returns what done() says at the end. */
bool fake_loop_run_until(struct fake_loop *loop, bool (*done)(void *arg), void *arg, uint64_t within_ns);
/* Step for that long; at the end the clock stands exactly there. */
void fake_loop_run_for(struct fake_loop *loop, uint64_t ns);
/* Run the tasks that wait and those that they add, without moving on to timers. */
void fake_loop_settle(struct fake_loop *loop);

uint64_t fake_loop_random(struct fake_loop *loop);
uint64_t fake_loop_between(struct fake_loop *loop, uint64_t least, uint64_t most); /* both included */
/* No task waits, no timer is set, no work is out: what a test expects at its end. */
bool fake_loop_idle(const struct fake_loop *loop);

#endif
