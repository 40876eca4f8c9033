/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/runner.c - one check in a child process with its own directory
 *
 * The child writes its result to a pipe before it ends; without a result it has crashed. The directory is removed
 * unless OUTBOX_CONFORMANCE_KEEP is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void run_child(const struct conf_check *check, const struct conf_subject *subject, int report)
    __attribute__((noreturn));
static void run_child(const struct conf_check *check, const struct conf_subject *subject, int report)
{
    struct conf_fixture fixture = {.subject = subject, .report = report};
    conf_fixture_open(&fixture);
    check->run(&fixture);
    conf_fixture_close(&fixture);
    abort(); /* conf_fixture_close() ends the process */
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static enum conf_result read_result(int from, int status, char why[CONF_WHY_SIZE])
{
    char line[CONF_WHY_SIZE + 8];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof line - 1 && ((got = read(from, line + size, sizeof line - 1 - size)) > 0 || errno == EINTR))
        size += got > 0 ? (size_t)got : 0;
    line[size] = '\0';
    if (size == 0) {
        snprintf(why, CONF_WHY_SIZE, WIFSIGNALED(status) ? "crashed with signal %d" : "ended with code %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return CONF_FAILED;
    }
    snprintf(why, CONF_WHY_SIZE, "%.*s", CONF_WHY_SIZE - 1, line + 1);
    return (enum conf_result)(line[0] - '0');
}

static enum conf_result run_in(const char *directory, const struct conf_check *check,
                               const struct conf_subject *subject, char why[CONF_WHY_SIZE])
{
    int pipes[2];
    setenv("OUTBOX_TMP", directory, 1);
    setenv("OUTBOX_CHECK", check->name, 1);
    char topic[96];
    snprintf(topic, sizeof topic, "conformance.%.60s.%d", check->name, (int)getpid());
    setenv("OUTBOX_TOPIC", topic, 1);
    fflush(NULL);
    if (subject->in_process)
        run_child(check, subject, STDERR_FILENO);
    if (pipe2(pipes, O_CLOEXEC)) { /* a server that the prepare command started must not keep it open */
        snprintf(why, CONF_WHY_SIZE, "pipe: %s", strerror(errno));
        return CONF_FAILED;
    }
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        run_child(check, subject, pipes[1]);
    }
    close(pipes[1]);
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    enum conf_result result = read_result(pipes[0], status, why);
    close(pipes[0]);
    return result;
}

enum conf_result conf_run(const struct conf_check *check, const struct conf_subject *subject, char why[CONF_WHY_SIZE])
{
    char directory[] = "/tmp/outbox-conformance-XXXXXX";
    if (!mkdtemp(directory)) {
        snprintf(why, CONF_WHY_SIZE, "make a directory in /tmp: %s", strerror(errno));
        return CONF_FAILED;
    }
    enum conf_result result = run_in(directory, check, subject, why);
    if (!getenv("OUTBOX_CONFORMANCE_KEEP"))
        nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return result;
}
