/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/signals.c - the signals of a service at its edges: before its loop takes them, and after
 *
 * In between they are events of the loop (verb_run.c). A service that reads its file or loads its plugins has begun
 * nothing, so that it may end in the middle of it; that it need not read the file again is not known before it has
 * read it, so SIGHUP waits. Nothing here can fail: the signals and masks are valid ones.
 */
#include "daemon/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cli/exit_code.h"

static void mask(int how, const int *signals, size_t count)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    pthread_sigmask(how, &set, NULL);
}

static void end_now(int signum)
{
    (void)signum;
    _exit(OBX_EXIT_OK);
}

static void handle(int signum, void (*handler)(int signum))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(signum, &action, NULL);
}

void obx_signals_admit(void)
{
    mask(SIG_UNBLOCK, (const int[]){SIGTERM, SIGINT}, 2);
}

void obx_signals_starting(void)
{
    handle(SIGTERM, end_now);
    handle(SIGINT, end_now);
    mask(SIG_BLOCK, (const int[]){SIGHUP}, 1);
}

void obx_signals_serving(void)
{
    mask(SIG_UNBLOCK, (const int[]){SIGHUP}, 1);
}

void obx_signals_ending(void)
{
    handle(SIGTERM, end_now);
    handle(SIGINT, end_now);
    handle(SIGHUP, SIG_IGN);
}
