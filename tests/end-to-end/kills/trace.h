/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/kills/trace.h - kill a program at a certain system call
 *
 * Failpoints without code: a process changes files and databases by system calls only, and it can be killed immediately
 * before or after each of them.
 */
#ifndef OBX_TESTS_END_TO_END_KILLS_TRACE_H
#define OBX_TESTS_END_TO_END_KILLS_TRACE_H

#include <stdbool.h>

struct trace_point {
    long syscall;        /* SYS_...; -1: any */
    unsigned nth;        /* from 1, over all threads */
    bool after;          /* after the call instead of before it */
    unsigned timeout_ms; /* then it is killed anywhere */
};

enum trace_end {
    TRACE_KILLED,      /* at the point */
    TRACE_TIMEOUT,     /* the point was not reached in time; killed */
    TRACE_ENDED,       /* it ended by itself before */
    TRACE_UNSUPPORTED, /* this machine does not allow ptrace */
};

/* Start a program and kill it at the point. Output as in proc_start(). */
enum trace_end trace_kill(const char *const argv[], const char *log, const struct trace_point *point);

#endif
