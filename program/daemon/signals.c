/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/signals.c - signals of a service before its event loop handles them, and after
 *
 * In between they are events of the loop (verbs/run.c). While the service reads its file and loads its plugins it owns
 * nothing, so it may end at any point. SIGHUP stays blocked until the file is read, so no reload request is lost.
 * Nothing here can fail: signals and masks are valid.
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
