/* SPDX-License-Identifier: Apache-2.0 */
/* tests/end-to-end/kills/proc.c - child processes by fork() and waitpid() */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t proc_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

pid_t proc_start(const char *const argv[], const char *log)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int in = open("/dev/null", O_RDONLY);
    if (out >= 0 && in >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2)
        execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

bool proc_ended(pid_t pid, int *status)
{
    return waitpid(pid, status, WNOHANG) == pid;
}

struct ending {
    pid_t pid;
    int status;
};

static bool has_ended(void *arg)
{
    struct ending *ending = arg;
    return proc_ended(ending->pid, &ending->status);
}

int proc_end(pid_t pid)
{
    struct ending ending = {.pid = pid};
    if (proc_until(has_ended, &ending, PROC_TIMEOUT_MS))
        return ending.status;
    proc_kill(pid);
    return -1;
}

int proc_run(const char *const argv[], const char *log)
{
    pid_t pid = proc_start(argv, log);
    int status = pid > 0 ? proc_end(pid) : -1;
    return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void proc_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

bool proc_until(bool (*holds)(void *arg), void *arg, uint64_t timeout_ms)
{
    uint64_t deadline = proc_now_us() + timeout_ms * 1000u;
    while (!holds(arg)) {
        if (proc_now_us() >= deadline)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return true;
}

uint64_t proc_file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}
