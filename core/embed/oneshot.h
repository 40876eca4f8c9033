/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/oneshot.h - one store, broker or transform, for a few operations one after another without a relay
 *
 * Submit an operation with obx_store_...() or obx_broker_...() and obx_oneshot_call(), then wait for it:
 *
 *     obx_store_status(oneshot.instance, obx_oneshot_call(&oneshot), timeout_ms, &status);
 *     if (obx_oneshot_wait(&oneshot, error)) ...
 *
 * One operation at a time. Loop thread; waiting runs the loop.
 */
#ifndef OBX_EMBED_ONESHOT_H
#define OBX_EMBED_ONESHOT_H

#include "plugin/instance.h"
#include "relay/relay.h"
#include "relay/route.h"

struct obx_oneshot {
    struct obx_loop *loop;
    struct obx_instance *instance;
    struct obx_call call;
    struct outbox_error result;
    uint32_t timeout_ms; /* of start and stop */
    bool done;
    bool started;
};

/* Make the relay's instance of this kind, store or broker; no I/O. After a failure there is nothing to close. */
int obx_oneshot_open_part(struct obx_oneshot *oneshot, const struct obx_relay_setup *relay, enum outbox_kind kind,
                          uint32_t timeout_ms, struct outbox_error *error);
/* The same for the section of any plugin, such as a transform. */
int obx_oneshot_open_section(struct obx_oneshot *oneshot, const struct obx_relay_setup *relay,
                             const struct obx_section *section, enum outbox_kind kind, uint32_t timeout_ms,
                             struct outbox_error *error);
/* Connect a broker, or a store for administration. */
int obx_oneshot_start(struct obx_oneshot *oneshot, enum outbox_kind kind, struct outbox_error *error);
/* Connect a broker for obx_broker_check() only: it changes nothing there. */
int obx_oneshot_start_probe(struct obx_oneshot *oneshot, struct outbox_error *error);
/* Connect a store as a relay does, with the columns of its route. It does not acquire the outbox. */
int obx_oneshot_start_columns(struct obx_oneshot *oneshot, const struct obx_columns *columns,
                              struct outbox_error *error);
/* Connect a store, and create or migrate its tables, by obx_store_setup() or obx_store_setup_inbox(). Without a
 * timeout: a migration may take hours. */
int obx_oneshot_set_up(struct obx_oneshot *oneshot,
                       void (*setup)(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms),
                       struct outbox_error *error);
/* Stop if started, and free. */
void obx_oneshot_close(struct obx_oneshot *oneshot);

struct obx_call *obx_oneshot_call(struct obx_oneshot *oneshot);
int obx_oneshot_wait(struct obx_oneshot *oneshot, struct outbox_error *error);

/* Run the loop until this time (nanoseconds); nothing is in flight. */
void obx_oneshot_sleep_until(struct obx_oneshot *oneshot, uint64_t until);

/* OUTBOX_OK, or UNSUPPORTED with a text that names the store and `what`. */
int obx_oneshot_require(const struct obx_oneshot *oneshot, uint64_t caps, const char *what, struct outbox_error *error);

/* Compile the route of a relay: message parts, and the columns that it needs. `settings` must outlive the route; free
 * it with obx_route_free(). */
int obx_oneshot_route(const struct obx_section *relay, struct obx_relay_settings *settings, struct obx_route *route,
                      struct outbox_error *error);

#endif
