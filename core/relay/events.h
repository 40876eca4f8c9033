/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/events.h - what a relay reports to its owner; on the loop thread */
#ifndef OBX_RELAY_EVENTS_H
#define OBX_RELAY_EVENTS_H

#include <outbox/outbox.h>

struct outbox_message;

struct obx_relay_events {
    void (*state)(void *arg, enum outbox_state state, const char *why); /* may be NULL */
    /* The outbox was seen empty with nothing in flight, or with nothing but blocked events (blocked > 0). Each time
     * that becomes so; may be NULL. */
    void (*drained)(void *arg, uint64_t blocked);
    void *arg;
    /* The broker has confirmed this event; for measurements, else NULL. May run inside publish(): only record it. */
    void (*delivered)(void *arg, const struct outbox_message *message);
};

#endif
