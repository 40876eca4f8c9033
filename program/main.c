/* SPDX-License-Identifier: Apache-2.0 */
/* program/main.c - the program: finds the verb and runs it. Everything else is in the verbs' own files. */
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
#include "verbs/verb.h"

static const struct obx_verb *const verbs[] = {
    &obx_verb_init,   &obx_verb_check, &obx_verb_run,     &obx_verb_drain, &obx_verb_add,
    &obx_verb_status, &obx_verb_dead,  &obx_verb_plugins, &obx_verb_bench, &obx_verb_reference,
};

static int help(void)
{
    puts("usage: outbox VERB [OPTION...]\n\n"
         "Relays the committed rows of an outbox table to a broker.\n");
    for (size_t i = 0; i < OBX_COUNT(verbs); i++)
        if (!verbs[i]->hidden)
            printf("  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
    puts("\nVerbs that need it read the configuration: -c FILE, or $OUTBOX_CONFIG, ./outbox.yaml,\n"
         "/etc/outbox/outbox.yaml. Each verb has its own --help. Exit codes: 0 ok, 64 usage, 65 bad data,\n"
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
    const char *word = argv[1];
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
        return help();
    if (!strcmp(word, "--version") || !strcmp(word, "-V"))
        return version();
    for (size_t i = 0; i < OBX_COUNT(verbs); i++)
        if (!strcmp(word, verbs[i]->name))
            return verbs[i]->run(verbs[i], argc - 1, argv + 1);
    fprintf(stderr, "outbox: unknown verb '%s'; see outbox --help\n", word);
    return OBX_EXIT_USAGE;
}

#ifdef OUTBOX_WITH_FAILPOINTS
static int arm(void)
{
    struct outbox_error error;
    return obx_failpoints_arm(getenv("OUTBOX_FAILPOINTS"), &error) ? (int)obx_exit_report("start", &error) : 0;
}
#else
static int arm(void)
{
    return 0;
}
#endif

/*
 * A standard descriptor that is closed would become the number of the database or of a socket, and what is printed
 * would land there. In its place stands one that is open the other way round, so that its use still fails with EBADF.
 */
static bool fill_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (!fill_standard())
        return OBX_EXIT_UNAVAILABLE;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow (ulimit -f) is an error of its write, as a full disk is */
    int refused = arm();
    if (refused)
        return refused;
    int code = run_verb(argc, argv);
    if (fflush(stdout) != 0 && code == OBX_EXIT_OK) {
        perror("outbox: write to stdout");
        code = OBX_EXIT_UNAVAILABLE;
    }
    return code;
}
