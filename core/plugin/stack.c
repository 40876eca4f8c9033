/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/stack.c - the functions of an instance as the decorator that wraps it sees them
 *
 * A decorator calls inner->ops->claim(inner->self, child, ...). The functions here forward that call to the first
 * plugin inside that has the function, with an op of each plugin in between, so that completions come back through all
 * of them. The table has only functions that some plugin inside has.
 */
#include "plugin/internal.h"

#include "base/error.h"

/* The instance that has the function, and the op that it is to complete. NULL: the op has failed. */
static struct obx_instance *descend(void *self, size_t offset, outbox_op_t *op)
{
    struct obx_instance *at = obx_instance_of_self(self);
    while (!obx_instance_has(at, offset)) {
        struct obx_instance *above = at;
        outbox_op_t parent = *op;
        at = at->inner;
        if (!(*op = obx_op_child(at, parent, NULL))) {
            struct outbox_error error;
            obx_error_no_memory(&error);
            obx_op_done(above, parent, &error);
            return NULL;
        }
    }
    return at;
}

/* ---- stores ------------------------------------------------------------------------------------------------------ */

#define STORE_OP(name, type)                                              \
    static void store_##name(void *self, outbox_op_t op, type *arguments) \
    {                                                                     \
        struct obx_instance *at = descend(self, OBX_STORE_OP(name), &op); \
        if (at)                                                           \
            at->plugin->ops.store.name(at->self, op, arguments);          \
    }
#define STORE_PLAIN_OP(name)                                              \
    static void store_##name(void *self, outbox_op_t op)                  \
    {                                                                     \
        struct obx_instance *at = descend(self, OBX_STORE_OP(name), &op); \
        if (at)                                                           \
            at->plugin->ops.store.name(at->self, op);                     \
    }

STORE_OP(start, const struct outbox_store_start)
STORE_OP(acquire, struct outbox_acquire)
STORE_OP(claim, struct outbox_claim)
STORE_OP(settle, const struct outbox_settle)
STORE_OP(dead_letter, const struct outbox_dead_letter_rows)
STORE_OP(spool, const struct outbox_spool)
STORE_OP(check, const struct outbox_check)
STORE_OP(status, struct outbox_store_status)
STORE_OP(add, const struct outbox_add)
STORE_OP(dead, struct outbox_dead)
STORE_OP(survey, struct outbox_survey)
STORE_PLAIN_OP(stop)
STORE_PLAIN_OP(renew)
STORE_PLAIN_OP(setup)
STORE_PLAIN_OP(setup_inbox)

static void cancel(void *self, outbox_op_t op)
{
    struct obx_op *found = obx_op_find(obx_instance_of_self(self), op);
    if (found)
        obx_op_cancel(found);
}

static void store_release(void *self, struct outbox_batch *batch)
{
    obx_store_release(obx_instance_of_self(self), batch);
}

static int store_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                       struct outbox_error *error)
{
    return obx_store_print(obx_instance_of_self(self), what, line, arg, error);
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

static void broker_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct obx_instance *at = descend(self, OBX_BROKER_OP(start), &op);
    if (at)
        at->plugin->ops.broker.start(at->self, op, start);
}

static void broker_stop(void *self, outbox_op_t op)
{
    struct obx_instance *at = descend(self, OBX_BROKER_OP(stop), &op);
    if (at)
        at->plugin->ops.broker.stop(at->self, op);
}

static void broker_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct obx_instance *at = descend(self, OBX_BROKER_OP(check), &op);
    if (at)
        at->plugin->ops.broker.check(at->self, op, check);
}

/* Every op in between must know the number of messages, since their outcomes pass through it. */
static void broker_publish(void *self, outbox_op_t token, const struct outbox_publish *publish)
{
    struct obx_instance *at = obx_instance_of_self(self);
    struct obx_op *op = obx_op_find(at, token);
    if (!op || op->publishes) {
        obx_instance_violation(at, &at->violations.unknown_ops, "publish", token);
        return;
    }
    if (!obx_op_publishes(op, publish->count)) {
        obx_op_fail_publish(op, publish->count);
    } else if (at->plugin->ops.broker.publish) {
        at->plugin->ops.broker.publish(at->self, token, publish);
    } else {
        outbox_op_t child = obx_op_child(at->inner, token, NULL);
        if (child)
            broker_publish(at->inner->self, child, publish);
        else
            obx_op_fail_publish(op, publish->count);
    }
}

static void broker_record(void *self, const struct outbox_record *record)
{
    obx_broker_record(obx_instance_of_self(self), record);
}

static int broker_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    return obx_broker_admit(obx_instance_of_self(self), message, error);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void store_table(struct obx_instance *instance, struct outbox_store_ops *ops)
{
    ops->struct_size = sizeof *ops;
    ops->cancel = cancel;
#define OFFER(name)                                      \
    if (obx_instance_with(instance, OBX_STORE_OP(name))) \
        ops->name = store_##name;
    OFFER(start)
    OFFER(stop)
    OFFER(acquire)
    OFFER(renew)
    OFFER(claim)
    OFFER(release)
    OFFER(settle)
    OFFER(dead_letter)
    OFFER(spool)
    OFFER(setup)
    OFFER(print)
    OFFER(check)
    OFFER(status)
    OFFER(add)
    OFFER(dead)
    OFFER(setup_inbox)
    OFFER(survey)
#undef OFFER
}

static void broker_table(struct obx_instance *instance, struct outbox_broker_ops *ops)
{
    ops->struct_size = sizeof *ops;
    ops->cancel = cancel;
#define OFFER(name)                                       \
    if (obx_instance_with(instance, OBX_BROKER_OP(name))) \
        ops->name = broker_##name;
    OFFER(start)
    OFFER(stop)
    OFFER(publish)
    OFFER(admit)
    OFFER(record)
    OFFER(check)
#undef OFFER
}

void obx_stack_ops(struct obx_instance *instance, union obx_any_ops *ops)
{
    memset(ops, 0, sizeof *ops);
    if (instance->plugin->descriptor.kind == OUTBOX_STORE)
        store_table(instance, &ops->store);
    else
        broker_table(instance, &ops->broker);
}
