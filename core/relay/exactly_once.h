/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/exactly_once.h - delivery: exactly-once, the relay's part
 *
 * The broker writes events and a record of their positions in one transaction, and reports an event as delivered only
 * after the commit. Its start reads the record; what the record names is reported as delivered without being sent, and
 * settled as usual.
 *
 *     own the outbox -> start the broker (fences former owners, reads the record) -> own it still -> publish -> settle
 *
 * Failure modes. A commit with an unknown outcome: the broker reports UNKNOWN, is started again, and its record
 * decides. Fenced, by another relay or by the server's own timeout: the relay makes sure that it still owns the outbox
 * before the next start; two relays would fence each other without end otherwise. Loop thread only.
 */
#ifndef OBX_RELAY_EXACTLY_ONCE_H
#define OBX_RELAY_EXACTLY_ONCE_H

#include "relay/stages.h"

struct obx_section;

/* Has the broker what `delivery` requests? CONFIG: it has not. section: relays.NAME. */
int obx_exactly_once_check(const struct obx_stages *stages, const struct obx_section *section,
                           struct outbox_error *error);
/* With delivery: exactly-once: the outbox is owned, and proven to be since the broker was fenced last. */
bool obx_exactly_once_may_start(struct obx_stages *stages);
/* The start has succeeded: does the relay own the outbox still? The store has to confirm that once more. The record
 * forgets what has left the outbox: a relay that was suspended, and does not know that it lost the outbox, would
 * publish rows that the next owner has settled. Once this is true, a next owner fences this relay's producer. */
bool obx_exactly_once_may_publish(struct obx_stages *stages);
/* The outbox was acquired since the broker was started, or lost before that was confirmed: another relay may have
 * written the record. */
bool obx_exactly_once_out_of_date(const struct obx_stages *stages);

#endif
