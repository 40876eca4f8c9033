/* SPDX-License-Identifier: Apache-2.0 */
/* tests/end-to-end/kills/proc.h - child processes, and waiting for what they do */
#ifndef OBX_TESTS_END_TO_END_KILLS_PROC_H
#define OBX_TESTS_END_TO_END_KILLS_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_PATIENCE_MS 30000u

/* stdout and stderr are appended to the file `log`. Ends with the parent. -1: it could not be started. */
pid_t proc_start(const char *const argv[], const char *log);
/* Wait for its end; the status of waitpid(), or -1 when the patience is over (it is killed then). */
int proc_end(pid_t pid);
bool proc_ended(pid_t pid, int *status);                 /* and is reaped */
int proc_run(const char *const argv[], const char *log); /* start and wait: exit code, or -1 */
void proc_kill(pid_t pid);                               /* SIGKILL, and reap */

uint64_t proc_now_us(void);
/* Ask every 200 us until it holds. False after the patience. */
bool proc_until(bool (*holds)(void *arg), void *arg, uint64_t patience_ms);
uint64_t proc_file_size(const char *path); /* 0 when it is not there */

#endif
