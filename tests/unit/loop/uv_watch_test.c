/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/loop/uv_watch_test.c - descriptors: one call of ready per arm(), errors as readable and writable */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uv_fixture.h"

struct fixture {
    struct obx_loop *loop;
    int fds[2];
    struct obx_watch *watch;
    unsigned reports;
    uint32_t events, rearm;
    bool close_at_once;
};

static void ready(void *arg, uint32_t events)
{
    struct fixture *f = arg;
    f->reports++;
    f->events = events;
    if (f->close_at_once) {
        f->loop->ops->watch_close(f->watch);
        f->watch = NULL;
    } else if (f->rearm) {
        f->loop->ops->watch_arm(f->watch, f->rearm);
    }
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.loop = open_loop()};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, f->fds), 0);
    cr_assert_eq(f->loop->ops->watch_open(f->loop, f->fds[0], ready, f, &f->watch), OUTBOX_OK);
}

static void close_fixture(struct fixture *f)
{
    f->loop->ops->watch_close(f->watch);
    close(f->fds[0]);
    close(f->fds[1]);
    close_loop(f->loop);
}

static void push(struct fixture *f)
{
    cr_assert_eq(write(f->fds[1], "x", 1), 1);
}

/* Let the loop poll the descriptors a few times. */
static void poll_watches(struct fixture *f)
{
    struct deadline wait = {.timer.fire = deadline_passed};
    f->loop->ops->timer_set(f->loop, &wait.timer, 2 * OBX_MS);
    while (!wait.passed)
        obx_uv_loop_turn(f->loop);
}

Test(uv_watch, ready_is_called_once_per_arm)
{
    struct fixture f;
    open_fixture(&f);
    push(&f);
    poll_watches(&f);
    cr_assert_eq(f.reports, 0, "not armed");
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    TURN_UNTIL(f.loop, f.reports == 1);
    cr_assert_eq(f.events, OBX_READABLE);
    poll_watches(&f);
    cr_assert_eq(f.reports, 1, "still readable, but not armed");
    f.loop->ops->watch_arm(f.watch, OBX_READABLE | OBX_WRITABLE);
    TURN_UNTIL(f.loop, f.reports == 2);
    cr_assert_eq(f.events, OBX_READABLE | OBX_WRITABLE);
    f.loop->ops->watch_arm(f.watch, OBX_WRITABLE);
    TURN_UNTIL(f.loop, f.reports == 3);
    cr_assert_eq(f.events, OBX_WRITABLE);
    close_fixture(&f);
}

Test(uv_watch, disarmed_watch_is_not_called_and_can_be_armed_again)
{
    struct fixture f;
    open_fixture(&f);
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    f.loop->ops->watch_arm(f.watch, 0);
    push(&f);
    poll_watches(&f);
    cr_assert_eq(f.reports, 0);
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    TURN_UNTIL(f.loop, f.reports == 1);
    close_fixture(&f);
}

Test(uv_watch, watch_can_be_armed_inside_ready)
{
    struct fixture f;
    open_fixture(&f);
    f.rearm = OBX_READABLE;
    push(&f);
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    TURN_UNTIL(f.loop, f.reports == 3);
    close_fixture(&f);
}

Test(uv_watch, watch_can_be_closed_inside_ready)
{
    struct fixture f;
    open_fixture(&f);
    f.close_at_once = true;
    push(&f);
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    TURN_UNTIL(f.loop, f.reports == 1);
    close_fixture(&f);
}

Test(uv_watch, end_of_stream_is_readable)
{
    struct fixture f;
    open_fixture(&f);
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    shutdown(f.fds[1], SHUT_RDWR);
    TURN_UNTIL(f.loop, f.reports == 1);
    cr_assert(f.events & OBX_READABLE);
    close_fixture(&f);
}

/* The write end of a pipe without readers is in error: a watch for writing is called. */
Test(uv_watch, errors_are_readable_and_writable)
{
    struct fixture f = {.loop = open_loop()};
    cr_assert_eq(pipe(f.fds), 0);
    cr_assert_eq(f.loop->ops->watch_open(f.loop, f.fds[1], ready, &f, &f.watch), OUTBOX_OK);
    close(f.fds[0]);
    f.fds[0] = -1;
    f.loop->ops->watch_arm(f.watch, OBX_READABLE);
    TURN_UNTIL(f.loop, f.reports == 1);
    cr_assert_eq(f.events & OBX_READABLE, OBX_READABLE);
    f.loop->ops->watch_arm(f.watch, OBX_WRITABLE);
    TURN_UNTIL(f.loop, f.reports == 2);
    close_fixture(&f);
}

Test(uv_watch, unsupported_descriptor_is_refused)
{
    struct fixture f;
    open_fixture(&f);
    struct obx_watch *other;
    int file = open("/proc/self/exe", O_RDONLY);
    cr_assert_eq(f.loop->ops->watch_open(f.loop, file, ready, &f, &other), OUTBOX_E_UNSUPPORTED);
    cr_assert_null(other);
    close(file);
    cr_assert_eq(f.loop->ops->watch_open(f.loop, file, ready, &f, &other), OUTBOX_E_INVALID);
    mem_fail_at(1, true);
    cr_assert_eq(f.loop->ops->watch_open(f.loop, f.fds[1], ready, &f, &other), OUTBOX_E_NO_MEMORY);
    mem_fail_at(0, false);
    close_fixture(&f);
}
