/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/broker.h - a part of plugin.h, which includes it: the functions of a broker, and their arguments
 *
 * The contract at the beginning of plugin.h applies.
 */
#ifndef OUTBOX_BROKER_H
#define OUTBOX_BROKER_H

#include <outbox/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct outbox_broker_start {
    uint32_t struct_size;
    uint32_t flags; /* OUTBOX_START_* */
};
/* Probe: only check() follows. Connect; create, lock and modify nothing. Another writer is not an error. */
#define OUTBOX_START_PROBE (1u << 0)

static inline bool outbox_broker_start_probes(const struct outbox_broker_start *start)
{
    return start->struct_size >= sizeof *start && (start->flags & OUTBOX_START_PROBE);
}

struct outbox_publish {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_message *messages; /* read through outbox_message_at() */
    uint32_t stride;                       /* sizeof(struct outbox_message) of the host */
};

static inline const struct outbox_message *outbox_message_at(const struct outbox_publish *publish, uint32_t index)
{
    return (const struct outbox_message *)(const void *)((const char *)publish->messages +
                                                         (size_t)index * publish->stride);
}

struct outbox_broker_ops {
    uint32_t struct_size;

    int (*init)(void *self, const struct outbox_init *init, struct outbox_error *error);
    void (*fini)(void *self);

    void (*start)(void *self, outbox_op_t op, const struct outbox_broker_start *start);
    void (*stop)(void *self, outbox_op_t op);
    void (*cancel)(void *self, outbox_op_t op); /* optional */

    /* Send messages, report the outcome of each when it is certain, then complete. Several publishes are in flight.
     * OUTBOX_CAP_ORDERED: messages of one key are appended in submission order. When a message ends RETRY, UNKNOWN or
     * NOT_CONNECTED, every later message of its key that was submitted before that report must end so, too. From the
     * report on the host keeps the order. */
    void (*publish)(void *self, outbox_op_t op, const struct outbox_publish *publish);

    /* Optional, OUTBOX_CAP_ADMIT: OUTBOX_OK, or in error why this message can never be sent. The host calls it before
     * publish(), so that a message that is too large, or has an invalid topic, blocks its key before a later message
     * overtakes it. Fast, pure, no I/O. */
    int (*admit)(void *self, const struct outbox_message *message, struct outbox_error *error);

    void (*check)(void *self, outbox_op_t op, const struct outbox_check *check); /* optional; on a started broker */
};

#ifdef __cplusplus
}
#endif
#endif
