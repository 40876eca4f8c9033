/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/relay_conflicts.h - do two relays of one configuration use the same outbox or target? */
#ifndef OBX_PROGRAM_DAEMON_RELAY_CONFLICTS_H
#define OBX_PROGRAM_DAEMON_RELAY_CONFLICTS_H

#include "cli/context.h"

/* CONFIG, at the location of the section, if two relays that the verb is for have the same store, or the same broker
 * target that allows one writer only. Invalid sections are skipped: making the relay reports them. Errors: NO_MEMORY.
 */
int obx_relay_conflicts_check(const struct obx_context *context, struct outbox_error *error);

/* Do two values of an option, in the memory of two instances, mean the same? A map never does. */
bool obx_relay_same_value(const struct outbox_option *option, const void *a, const void *b);

#endif
