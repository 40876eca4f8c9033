/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/kills/trace.h - kill a program at a certain system call
 *
 * The failpoints that need no code: whatever a process does to a file or a database, it does by a system call, and it
 * can die right before or right after each of them.
 */
#ifndef OBX_TESTS_END_TO_END_KILLS_TRACE_H
#define OBX_TESTS_END_TO_END_KILLS_TRACE_H

#include <stdbool.h>

struct trace_point {
    long syscall;         /* SYS_...; -1: any */
    unsigned nth;         /* from 1, over all threads */
    bool after;           /* when it has been done, instead of before */
    unsigned patience_ms; /* killed then anyhow */
};

enum trace_end {
    TRACE_KILLED,   /* at the point */
    TRACE_LATE,     /* the point did not come in time; killed */
    TRACE_ENDED,    /* it ended by itself before */
    TRACE_NOT_HERE, /* this machine does not let processes be traced */
};

/* Start a program, see it die. Output as in proc_start(). Works in a process of its own. */
enum trace_end trace_kill(const char *const argv[], const char *log, const struct trace_point *point);

#endif
