/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/abi/modules/plain.h - a correct store and broker that do nothing; each module here changes one thing of them
 *
 * They include plugin.h alone, as any plugin does.
 */
#ifndef OBX_TESTS_ABI_MODULES_PLAIN_H
#define OBX_TESTS_ABI_MODULES_PLAIN_H

#include <outbox/plugin.h>

struct plain {
    const struct outbox_host *host;
    int64_t number;
};

static inline int plain_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    (void)error;
    ((struct plain *)self)->host = init->host;
    return OUTBOX_OK;
}

static inline void plain_fini(void *self)
{
    (void)self;
}

static inline void plain_done(void *self, outbox_op_t op)
{
    const struct plain *plain = (const struct plain *)self;
    plain->host->op_done(plain->host, op, NULL);
}

static inline void plain_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    (void)start;
    plain_done(self, op);
}

static inline void plain_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    (void)acquire;
    plain_done(self, op);
}

static inline void plain_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    claim->batch = NULL;
    plain_done(self, op);
}

static inline void plain_release(void *self, struct outbox_batch *batch)
{
    (void)self;
    (void)batch;
}

static inline void plain_settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    (void)settle;
    plain_done(self, op);
}

static inline void plain_broker_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    (void)start;
    plain_done(self, op);
}

static inline void plain_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    const struct plain *plain = (const struct plain *)self;
    struct outbox_outcomes all = {.struct_size = sizeof all, .outcome = OUTBOX_DELIVERED, .count = publish->count};
    plain->host->outcomes(plain->host, op, &all);
    plain_done(self, op);
}

#define PLAIN_STORE_OPS                                                                                         \
    .init = plain_init, .fini = plain_fini, .start = plain_start, .stop = plain_done, .acquire = plain_acquire, \
    .claim = plain_claim, .release = plain_release, .settle = plain_settle

#define PLAIN_BROKER_OPS \
    .init = plain_init, .fini = plain_fini, .start = plain_broker_start, .stop = plain_done, .publish = plain_publish

#define PLAIN_DESCRIPTOR(NAME, OPS)                                                                             \
    .abi_major = OUTBOX_ABI_MAJOR, .struct_size = sizeof(struct outbox_plugin),                                 \
    .option_size = sizeof(struct outbox_option), .name = NAME, .version = "1.0", .description = "does nothing", \
    .instance_size = sizeof(struct plain), .ops = OPS

#endif
