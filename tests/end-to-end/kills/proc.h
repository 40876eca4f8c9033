/* SPDX-License-Identifier: Apache-2.0 */
/* tests/end-to-end/kills/proc.h - child processes, and waiting for conditions */
#ifndef OBX_TESTS_END_TO_END_KILLS_PROC_H
#define OBX_TESTS_END_TO_END_KILLS_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_TIMEOUT_MS 180000u

/* stdout and stderr are appended to the file `log`. Ends with the parent. -1: it was not started. */
pid_t proc_start(const char *const argv[], const char *log);
/* Wait for its end; returns the status of waitpid(), or -1 after PROC_TIMEOUT_MS, when it is killed. */
int proc_end(pid_t pid);
bool proc_ended(pid_t pid, int *status);                 /* and is reaped */
int proc_run(const char *const argv[], const char *log); /* start and wait: exit code, or -1 */
void proc_kill(pid_t pid);                               /* SIGKILL, and reap */

uint64_t proc_now_us(void);
/* Poll every 200 us until holds(). False after timeout_ms. */
bool proc_until(bool (*holds)(void *arg), void *arg, uint64_t timeout_ms);
uint64_t proc_file_size(const char *path); /* 0 if it does not exist */

#endif
