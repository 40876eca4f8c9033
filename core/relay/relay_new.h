/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/relay_new.h - the parts of a relay, and how it is put together; for relay.c only, which runs it
 *
 * Happy path: make the stages, read the section of the configuration, open the instances of store, broker and
 * transforms. Failure modes: whatever fails, nothing is left. Loop thread only.
 */
#ifndef OBX_RELAY_RELAY_NEW_H
#define OBX_RELAY_RELAY_NEW_H

#include "relay/key_set.h"
#include "relay/keys.h"
#include "relay/progress.h"
#include "relay/relay.h"
#include "relay/route.h"
#include "relay/stages.h"
#include "relay/status.h"
#include "relay/transforms.h"

struct obx_relay {
    struct obx_stages stages;
    struct obx_progress progress;
    struct obx_keys keys;
    struct obx_key_set dead_letter_keys;
    struct obx_route route;
    struct obx_transforms transforms;
    struct obx_status status;
    struct obx_timer timer;
    bool running; /* between start and stop */
    uint64_t stop_deadline;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* A relay without a tick. As obx_relay_new(), which adds it. */
int obx_relay_make(const struct obx_relay_setup *setup, struct obx_relay **out, struct outbox_error *error);

#endif
