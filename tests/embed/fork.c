/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/embed/fork.c - fork() in a program with a relay; has a main(), for the sanitizers
 *
 * Each child does one thing and exits as programs do, with all exit handlers. Then the relay of the parent must go on:
 * it publishes new events, and stops. A call that hangs ends the test by SIGALRM.
 *
 * The sanitizer of threads ends a child that begins a thread: "starting new threads after multi-threaded fork is not
 * supported"; with die_after_fork=0: "dup thread with used id". Exit handlers begin threads (core/loop/uv_workers.c).
 * So with it the children leave by _exit(), and none makes a relay of its own; the parent and the calls are tested.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <outbox/outbox.h>

#define CHECK(condition)                                                        \
    do {                                                                        \
        if (!(condition)) {                                                     \
            fprintf(stderr, "fork.c:%d: not true: %s\n", __LINE__, #condition); \
            _exit(1);                                                           \
        }                                                                       \
    } while (0)

#ifdef WITH_THREAD_SANITIZER
#define LEAVE _exit
#else
#define LEAVE exit
#endif

static pid_t parent;

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the name that the sanitizer calls */
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
    return parent && getpid() != parent; /* a child leaves the relay's memory, as documented */
}

static char directory[] = "/tmp/outbox-fork.XXXXXX";

static struct outbox *make(const char *broker)
{
    char config[300];
    struct outbox *relay;
    struct outbox_error error;
    snprintf(config, sizeof config, "relays: {orders: {store: {plugin: memory, events: 500}, broker: {%s}}}", broker);
    const struct outbox_options options = {.struct_size = sizeof options, .config_text = config};
    int status = outbox_new(&options, &relay, &error);
    if (status)
        fprintf(stderr, "fork.c: %s\n", error.text);
    CHECK(!status);
    return relay;
}

static void run_to_the_end(struct outbox *relay)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    while (stats.settled < 500) {
        CHECK(outbox_stats(relay, &stats) == OUTBOX_OK);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* ---- what children do ---- */

static void nothing(struct outbox *relay)
{
    (void)relay;
}

static void all_calls(struct outbox *relay)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    struct outbox_error error;
    char expected[200];
    snprintf(
        expected, sizeof expected,
        "stop relay orders: the handle belongs to process %d, from which this one was forked; make a new handle here",
        (int)getppid());
    CHECK(outbox_stop(relay, 1000, &error) == OUTBOX_E_INVALID);
    CHECK(!strcmp(error.text, expected));
    CHECK(outbox_start(relay, &error) == OUTBOX_E_INVALID);
    CHECK(outbox_stats(relay, &stats) == OUTBOX_E_INVALID);
    outbox_wake(relay);
    outbox_free(relay);
}

#ifndef WITH_THREAD_SANITIZER
static void own_relay(struct outbox *relay)
{
    struct outbox *own = make("plugin: memory");
    CHECK(outbox_start(own, NULL) == OUTBOX_OK);
    run_to_the_end(own);
    CHECK(outbox_stop(own, 60000, NULL) == OUTBOX_OK);
    outbox_free(own);
    outbox_free(relay);
}
#endif

static void in_child(struct outbox *relay, void (*action)(struct outbox *relay))
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        action(relay);
        LEAVE(0); /* NOLINT(concurrency-mt-unsafe): with the exit handlers, which is what is tested */
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    void (*const actions[])(struct outbox * relay) = {
        nothing,
        all_calls,
#ifndef WITH_THREAD_SANITIZER
        own_relay,
#endif
    };
    char broker[100];
    parent = getpid();
    alarm(240);
    CHECK(mkdtemp(directory));
    snprintf(broker, sizeof broker, "plugin: file, path: %s/events", directory);
    struct outbox *relay = make(broker);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        CHECK(outbox_start(relay, NULL) == OUTBOX_OK);
        run_to_the_end(relay); /* its workers have run: those of the parent alone */
        in_child(relay, actions[i]);
        in_child(relay, actions[i]);
        outbox_wake(relay);
        run_to_the_end(relay);
        CHECK(outbox_stop(relay, 60000, NULL) == OUTBOX_OK);
    }
    outbox_free(relay);
    snprintf(broker, sizeof broker, "%s/events", directory);
    return unlink(broker) || rmdir(directory);
}
