/* SPDX-License-Identifier: Apache-2.0 */
/* bench/inbox.h - the database under bench/inbox.c; a failure is printed and ends the program */
#ifndef BENCH_INBOX_H
#define BENCH_INBOX_H

#include <stdbool.h>

#include <outbox/error.h>
#include <outbox/event.h>
#include <outbox/window.h>

void bench_open(const char *place);
void bench_run(const char *sql);
void bench_take(const char *consumer, const struct outbox_bytes *ids, size_t count, bool *is_new);
struct outbox_window *bench_window(const char *topic); /* of partition 0 */
void bench_save(struct outbox_window *window);
void bench_close(void);

#endif
