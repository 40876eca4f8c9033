/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/drain_left.h - what a drain leaves in the outbox, and why; on stderr. Loop thread. */
#ifndef OBX_PROGRAM_VERBS_DRAIN_LEFT_H
#define OBX_PROGRAM_VERBS_DRAIN_LEFT_H

#include "cli/exit_code.h"
#include "daemon/relay_set.h"

/* The blocked keys of each relay, at most 100; rows that cannot be removed, moved or claimed, and why. */
void obx_drain_print_left(struct obx_relay_set *relays);

/* --timeout: print which relays are not finished. Returns the exit code: DATA if each of them waits for blocked events
 * only, the code of a connection that failed, else AGAIN. */
enum obx_exit obx_drain_print_late(struct obx_relay_set *relays, const char *timeout);

/* Count the rows of all outboxes, on connections opened for this. -1: unknown. */
int64_t obx_drain_count_rows(struct obx_context *context);

#endif
