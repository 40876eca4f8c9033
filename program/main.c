/* SPDX-License-Identifier: Apache-2.0 */
/* program/main.c - finds the verb and runs it; verbs/ has the verbs */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <outbox/version.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "cli/exit_code.h"
#include "verbs/verbs.h"

static const struct obx_verb *const verbs[] = {
    &obx_verb_init,   &obx_verb_check,   &obx_verb_run,   &obx_verb_drain,     &obx_verb_add,
    &obx_verb_status, &obx_verb_dead,    &obx_verb_pause, &obx_verb_resume,    &obx_verb_retry,
    &obx_verb_skip,   &obx_verb_plugins, &obx_verb_bench, &obx_verb_reference,
};

static int help(void)
{
    puts("usage: outbox VERB [OPTION...]\n\n"
         "Publishes the committed rows of an outbox table to a message broker.\n");
    for (size_t i = 0; i < OBX_COUNT(verbs); i++)
        if (!verbs[i]->hidden)
            printf("  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
    puts("\nConfiguration: -c FILE, else $OUTBOX_CONFIG, ./outbox.yaml, /etc/outbox/outbox.yaml.\n"
         "`outbox VERB --help` lists the options of a verb. Exit codes: 0 ok, 64 usage, 65 bad data,\n"
         "69 unavailable, 70 bug, 75 try again, 77 no permission, 78 bad configuration.");
    return OBX_EXIT_OK;
}

static int version(void)
{
    printf("outbox %s\n", OUTBOX_VERSION_STRING);
    return OBX_EXIT_OK;
}

static int run_verb(int argc, char **argv)
{
    if (argc < 2) {
        fputs("outbox: no verb given; see outbox --help\n", stderr);
        return OBX_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
        return help();
    if (!strcmp(name, "--version") || !strcmp(name, "-V"))
        return version();
    for (size_t i = 0; i < OBX_COUNT(verbs); i++)
        if (!strcmp(name, verbs[i]->name))
            return verbs[i]->run(verbs[i], argc - 1, argv + 1);
    fprintf(stderr, "outbox: unknown verb '%s'; see outbox --help\n", name);
    return OBX_EXIT_USAGE;
}

#ifdef OUTBOX_WITH_FAILPOINTS
static int arm_failpoints(void)
{
    struct outbox_error error;
    return obx_failpoints_arm(getenv("OUTBOX_FAILPOINTS"), &error) ? (int)obx_exit_report("start", &error) : 0;
}
#else
static int arm_failpoints(void)
{
    return 0;
}
#endif

/*
 * If a standard descriptor is closed, the next open() gets its number, and output would go to the database or a socket.
 * Here /dev/null takes its place, opened for the other direction, so that using it still fails with EBADF.
 */
static bool reserve_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (!reserve_standard_descriptors())
        return OBX_EXIT_UNAVAILABLE;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit (ulimit -f) then is an error of write(), like a full disk */
    int failed = arm_failpoints();
    if (failed)
        return failed;
    int code = run_verb(argc, argv);
    if (fflush(stdout) != 0 && code == OBX_EXIT_OK) {
        perror("outbox: write to stdout");
        code = OBX_EXIT_UNAVAILABLE;
    }
    return code;
}
