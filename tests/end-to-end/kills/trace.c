/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/kills/trace.c - ptrace in a separate child, so that it can wait for any process
 *
 * The exit code of the tracer is an enum trace_end. The tracer is killed with the driver, and the program with the
 * tracer.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"

#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */

static volatile sig_atomic_t timed_out;

static void on_alarm(int signum)
{
    (void)signum;
    timed_out = 1;
}

static void run_traced(const char *const argv[], const char *log) __attribute__((noreturn));
static void run_traced(const char *const argv[], const char *log)
{
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644), in = open("/dev/null", O_RDONLY);
    if (out >= 0 && in >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2 &&
        ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0) {
        raise(SIGSTOP);
        execv(argv[0], (char *const *)(uintptr_t)argv);
    }
    _exit(127);
}

struct visits {
    unsigned count;
    pid_t last; /* thread of the last visit */
};

/* True if this stop is immediately before, or after, the n-th visit of the point. */
static bool is_reached(pid_t thread, const struct trace_point *point, struct visits *visits)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof info, &info) <= 0)
        return false;
    bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (entry && visits->count < point->nth && (point->syscall < 0 || (long)info.entry.nr == point->syscall)) {
        visits->count++;
        visits->last = thread;
    }
    return visits->count == point->nth && visits->last == thread && entry == !point->after;
}

static enum trace_end finish(pid_t program, enum trace_end end)
{
    kill(program, SIGKILL);
    for (pid_t gone; (gone = waitpid(-1, NULL, __WALL)) > 0 || errno == EINTR;)
        if (gone < 0 && errno != EINTR)
            break;
    return end;
}

/* Let every thread run from stop to stop until the point is reached. */
static enum trace_end run_until(pid_t program, const struct trace_point *point)
{
    struct visits visits = {0};
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (timed_out)
            return finish(program, TRACE_TIMEOUT);
        if (thread < 0)
            return TRACE_ENDED;
        if (!WIFSTOPPED(status)) {
            if (thread == program)
                return finish(program, TRACE_ENDED);
            continue;
        }
        int signum = WSTOPSIG(status);
        if (signum == SYSCALL_STOP && is_reached(thread, point, &visits))
            return finish(program, TRACE_KILLED);
        bool own = signum == SYSCALL_STOP || signum == SIGTRAP || signum == SIGSTOP;
        ptrace(PTRACE_SYSCALL, thread, NULL, own ? NULL : (void *)(uintptr_t)signum);
    }
}

static enum trace_end trace(const char *const argv[], const char *log, const struct trace_point *point)
{
    pid_t program = fork();
    if (program == 0)
        run_traced(argv, log);
    int status;
    if (program < 0 || waitpid(program, &status, 0) != program || !WIFSTOPPED(status))
        return TRACE_UNSUPPORTED;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_value = {point->timeout_ms / 1000, point->timeout_ms % 1000 * 1000},
                              .it_interval = {.tv_usec = 10000}};
    sigaction(SIGALRM, &action, NULL);
    if (ptrace(PTRACE_SETOPTIONS, program, NULL, (void *)options) || setitimer(ITIMER_REAL, &timer, NULL) ||
        ptrace(PTRACE_SYSCALL, program, NULL, NULL))
        return finish(program, TRACE_UNSUPPORTED);
    return run_until(program, point);
}

enum trace_end trace_kill(const char *const argv[], const char *log, const struct trace_point *point)
{
    pid_t tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit((int)trace(argv, log, point));
    }
    int status = tracer > 0 ? proc_end(tracer) : -1;
    return status >= 0 && WIFEXITED(status) ? (enum trace_end)WEXITSTATUS(status) : TRACE_UNSUPPORTED;
}
