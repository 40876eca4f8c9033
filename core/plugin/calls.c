/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/calls.c - the calls of the relay and the verbs: submit to the first plugin of the stack that has the
 * function
 *
 * If no plugin has the function, the call fails with UNSUPPORTED, through done() like every other failure.
 */
#include "plugin/internal.h"

#include "base/error.h"

/* The instance that has the function, its op in *op; NULL: the call fails, and done() runs later. */
static struct obx_instance *submit(struct obx_instance *top, size_t offset, const char *what, struct obx_call *call,
                                   uint32_t timeout_ms, outbox_op_t *op)
{
    struct obx_instance *at = obx_instance_with(top, offset);
    if (!at) {
        obx_call_fail(top, call, what, OUTBOX_E_UNSUPPORTED);
        return NULL;
    }
    *op = obx_op_begin(at, what, call, timeout_ms);
    return *op ? at : NULL;
}

#define STORE_CALL(name, type)                                                                                     \
    void obx_store_##name(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms, type *arguments) \
    {                                                                                                              \
        outbox_op_t op;                                                                                            \
        struct obx_instance *at = submit(store, OBX_STORE_OP(name), #name, call, timeout_ms, &op);                 \
        if (at)                                                                                                    \
            at->plugin->ops.store.name(at->self, op, arguments);                                                   \
    }
#define STORE_PLAIN_CALL(name)                                                                     \
    void obx_store_##name(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms)  \
    {                                                                                              \
        outbox_op_t op;                                                                            \
        struct obx_instance *at = submit(store, OBX_STORE_OP(name), #name, call, timeout_ms, &op); \
        if (at)                                                                                    \
            at->plugin->ops.store.name(at->self, op);                                              \
    }

STORE_CALL(start, const struct outbox_store_start)
STORE_CALL(acquire, struct outbox_acquire)
STORE_CALL(claim, struct outbox_claim)
STORE_CALL(settle, const struct outbox_settle)
STORE_CALL(dead_letter, const struct outbox_dead_letter_rows)
STORE_CALL(spool, const struct outbox_spool)
STORE_CALL(check, const struct outbox_check)
STORE_CALL(status, struct outbox_store_status)
STORE_CALL(add, const struct outbox_add)
STORE_CALL(dead, struct outbox_dead)
STORE_CALL(survey, struct outbox_survey)
STORE_PLAIN_CALL(renew)
STORE_PLAIN_CALL(setup)
STORE_PLAIN_CALL(setup_inbox)

bool obx_store_can_renew(const struct obx_instance *store)
{
    for (; store; store = store->inner)
        if (store->plugin->ops.store.renew)
            return true;
    return false;
}

bool obx_store_can_survey(const struct obx_instance *store)
{
    for (; store; store = store->inner)
        if (store->plugin->ops.store.survey)
            return true;
    return false;
}

void obx_store_release(struct obx_instance *store, struct outbox_batch *batch)
{
    struct obx_instance *at = obx_instance_with(store, OBX_STORE_OP(release));
    at->plugin->ops.store.release(at->self, batch);
}

int obx_store_print(struct obx_instance *store, enum outbox_print what, void (*line)(void *arg, const char *text),
                    void *arg, struct outbox_error *error)
{
    struct obx_instance *at = obx_instance_with(store, OBX_STORE_OP(print));
    if (!at)
        return obx_error_set(error, OUTBOX_E_UNSUPPORTED, "%s: print: not supported", store->label);
    return at->plugin->ops.store.print(at->self, what, line, arg, error);
}

const struct outbox_broker_start obx_no_outbox = {.struct_size = sizeof obx_no_outbox, .outbox = ""};

void obx_broker_start(struct obx_instance *broker, struct obx_call *call, uint32_t timeout_ms,
                      const struct outbox_broker_start *start)
{
    outbox_op_t op;
    struct obx_instance *at = submit(broker, OBX_BROKER_OP(start), "start", call, timeout_ms, &op);
    if (at)
        at->plugin->ops.broker.start(at->self, op, start);
}

void obx_broker_start_to_probe(struct obx_instance *broker, struct obx_call *call, uint32_t timeout_ms)
{
    static const struct outbox_broker_start start = {
        .struct_size = sizeof start, .flags = OUTBOX_START_PROBE, .outbox = ""};
    obx_broker_start(broker, call, timeout_ms, &start);
}

/* No op, so nothing was sent: report NOT_CONNECTED for each event. */
static void report_not_sent(struct obx_instance *broker, struct obx_call *call, uint32_t count)
{
    struct outbox_error error;
    obx_error_set(&error, OUTBOX_E_NOT_CONNECTED, "%s: publish: %s", broker->label, obx_error_text(call->failed.code));
    if (call->outcomes)
        call->outcomes(call, &(struct outbox_outcomes){.struct_size = sizeof(struct outbox_outcomes),
                                                       .outcome = OUTBOX_NOT_CONNECTED,
                                                       .count = count,
                                                       .error = &error});
}

void obx_broker_publish(struct obx_instance *broker, struct obx_call *call, const struct outbox_publish *publish)
{
    outbox_op_t token;
    struct obx_instance *at = submit(broker, OBX_BROKER_OP(publish), "publish", call, 0, &token);
    if (!at) {
        report_not_sent(broker, call, publish->count);
        return;
    }
    struct obx_op *op = obx_op_find(at, token);
    if (obx_op_publishes(op, publish->count))
        at->plugin->ops.broker.publish(at->self, token, publish);
    else
        obx_op_fail_publish(op, publish->count);
}

int obx_broker_admit(struct obx_instance *broker, const struct outbox_message *message, struct outbox_error *error)
{
    struct obx_instance *at = obx_instance_with(broker, OBX_BROKER_OP(admit));
    return at ? at->plugin->ops.broker.admit(at->self, message, error) : OUTBOX_OK;
}

void obx_broker_check(struct obx_instance *broker, struct obx_call *call, uint32_t timeout_ms,
                      const struct outbox_check *check)
{
    outbox_op_t op;
    struct obx_instance *at = submit(broker, OBX_BROKER_OP(check), "check", call, timeout_ms, &op);
    if (at)
        at->plugin->ops.broker.check(at->self, op, check);
}

void obx_broker_record(struct obx_instance *broker, const struct outbox_record *record)
{
    struct obx_instance *at = obx_instance_with(broker, OBX_BROKER_OP(record));
    if (at)
        at->plugin->ops.broker.record(at->self, record);
}

int obx_transform_apply(struct obx_instance *transform, const struct outbox_transform *event,
                        struct outbox_error *error)
{
    return transform->plugin->ops.transform.transform(transform->self, event, error);
}

void obx_transform_check(struct obx_instance *transform, struct obx_call *call, uint32_t timeout_ms,
                         const struct outbox_check *check)
{
    outbox_op_t op;
    struct obx_instance *at = submit(transform, OBX_TRANSFORM_OP(check), "check", call, timeout_ms, &op);
    if (at)
        at->plugin->ops.transform.check(at->self, op, check);
}

void obx_instance_stop(struct obx_instance *instance, struct obx_call *call, uint32_t timeout_ms)
{
    bool store = instance->plugin->descriptor.kind == OUTBOX_STORE;
    outbox_op_t op;
    struct obx_instance *at =
        submit(instance, store ? OBX_STORE_OP(stop) : OBX_BROKER_OP(stop), "stop", call, timeout_ms, &op);
    if (!at)
        return;
    obx_op_find(at, op)->stops = true;
    obx_instance_top(instance)->stopping = true;
    if (store)
        at->plugin->ops.store.stop(at->self, op);
    else
        at->plugin->ops.broker.stop(at->self, op);
}
