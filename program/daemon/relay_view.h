/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/relay_view.h - what a snapshot shows of one relay. Loop thread. */
#ifndef OBX_PROGRAM_DAEMON_RELAY_VIEW_H
#define OBX_PROGRAM_DAEMON_RELAY_VIEW_H

#include "daemon/relay_entry.h"
#include "daemon/snapshot.h"

void obx_relay_view_sample(struct obx_relay_entry *entry); /* remember how much is settled, for the rate */
/* Is it late now, by this limit? True: that has changed. Before the sample of the same moment. */
bool obx_relay_view_note_late(struct obx_relay_entry *entry, uint64_t limit_ns);
/* "HOST/PID" of an owner's text "RELAY on HOST, process PID, ..."; "" of any other. */
void obx_relay_view_process(const char *owner, char *process, size_t size);
void obx_relay_view_fill(struct obx_relay_view *view, const struct obx_relay_entry *entry);

#endif
