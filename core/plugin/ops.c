/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/ops.c - operations in flight: from submission to exactly one done
 *
 * An op is named by a token of index, generation and the instance's salt. So a completion that comes twice, too late or
 * from another instance finds no op; it is counted, and the first one is logged. op_done() only stores the result: a
 * deferred task delivers it, so a plugin may complete inside the call that submitted. An op that times out is canceled
 * once and stays in flight until the plugin completes it: until then the plugin may use the caller's arguments.
 * A call that gets no op, for lack of memory, fails through memory of its own.
 */
#include <assert.h>

#include "base/error.h"
#include "base/mem.h"
#include <outbox/plugin_util.h>
#include "plugin/internal.h"

#define INDEX_BITS 20
#define GENERATION_BITS 28
#define INDEX_MAX ((1u << INDEX_BITS) - 1)
#define GENERATION_MAX ((1u << GENERATION_BITS) - 1)

static void deliver(struct obx_task *task);
static void time_out(struct obx_timer *timer);

/* ---- the slab ---------------------------------------------------------------------------------------------------- */

static outbox_op_t new_token(struct obx_ops *ops, uint32_t index)
{
    ops->generation = ops->generation == GENERATION_MAX ? 1 : ops->generation + 1;
    return (ops->salt << 48) | ((uint64_t)ops->generation << INDEX_BITS) | index;
}

static bool grow_table(struct obx_ops *ops)
{
    if (ops->count < ops->room)
        return true;
    uint32_t room = ops->room ? ops->room * 2 : 16;
    struct obx_op **all = obx_resize(ops->all, room * sizeof(struct obx_op *));
    if (!all)
        return false;
    ops->all = all;
    ops->room = room;
    return true;
}

static struct obx_op *add_op(struct obx_instance *instance)
{
    struct obx_ops *ops = &instance->ops;
    if (ops->count > INDEX_MAX || !grow_table(ops))
        return NULL;
    struct obx_op *op = obx_alloc(sizeof *op + instance->plugin->descriptor.op_size);
    if (!op)
        return NULL;
    op->deliver.run = deliver;
    op->timer.fire = time_out;
    op->instance = instance;
    op->token = ops->count;
    ops->all[ops->count++] = op;
    return op;
}

static struct obx_op *new_op(struct obx_instance *instance, const char *what)
{
    struct obx_ops *ops = &instance->ops;
    struct obx_op *op = ops->free;
    if (op)
        ops->free = op->next_free;
    else if (!(op = add_op(instance)))
        return NULL;
    op->token = new_token(ops, (uint32_t)op->token & INDEX_MAX);
    op->what = what;
    op->call = NULL;
    op->parent = 0;
    op->state = OBX_OP_IN_FLIGHT;
    op->canceled = op->timed_out = op->stops = op->publishes = false;
    op->count = op->reported_count = 0;
    op->error.code = 0;
    if (instance->plugin->descriptor.op_size)
        memset(op->scratch, 0, instance->plugin->descriptor.op_size);
    ops->in_flight++;
    ops->with_plugin++;
    return op;
}

static void free_op(struct obx_op *op)
{
    struct obx_ops *ops = &op->instance->ops;
    op->state = OBX_OP_FREE;
    op->next_free = ops->free;
    ops->free = op;
    ops->in_flight--;
}

void obx_ops_free(struct obx_instance *instance)
{
    struct obx_ops *ops = &instance->ops;
    for (uint32_t i = 0; i < ops->count; i++) {
        instance->loop->ops->cancel(instance->loop, &ops->all[i]->deliver);
        instance->loop->ops->timer_clear(instance->loop, &ops->all[i]->timer);
        obx_free(ops->all[i]->reported);
        obx_free(ops->all[i]->messages);
        obx_free(ops->all[i]);
    }
    obx_free(ops->all);
    *ops = (struct obx_ops){0};
}

struct obx_op *obx_op_find(const struct obx_instance *instance, outbox_op_t token)
{
    uint32_t index = (uint32_t)token & INDEX_MAX;
    if (index >= instance->ops.count)
        return NULL;
    struct obx_op *op = instance->ops.all[index];
    return op->token == token && op->state == OBX_OP_IN_FLIGHT ? op : NULL;
}

/* ---- submission -------------------------------------------------------------------------------------------------- */

static void fail_call(struct obx_task *task)
{
    struct obx_call *call = OBX_CONTAINER(task, struct obx_call, failed.task);
    struct obx_instance *instance = call->failed.instance;
    struct outbox_error error;
    obx_error_set(&error, call->failed.code, "%s: %s: %s", instance->label, call->failed.what,
                  obx_error_text(call->failed.code));
    instance->ops.in_flight--;
    call->op = 0;
    call->done(call, &error);
}

void obx_call_fail(struct obx_instance *instance, struct obx_call *call, const char *what, int code)
{
    call->op = ~(outbox_op_t)0; /* busy; names no op */
    call->failed.task = (struct obx_task){.run = fail_call};
    call->failed.instance = instance;
    call->failed.what = what;
    call->failed.code = code;
    instance->ops.in_flight++;
    instance->loop->ops->defer(instance->loop, &call->failed.task);
}

outbox_op_t obx_op_begin(struct obx_instance *instance, const char *what, struct obx_call *call, uint32_t timeout_ms)
{
    assert(!obx_call_busy(call));
    bool stopping = obx_instance_top(instance)->stopping;
    struct obx_op *op = stopping ? NULL : new_op(instance, what);
    if (!op) {
        obx_call_fail(instance, call, what, stopping ? OUTBOX_E_CANCELED : OUTBOX_E_NO_MEMORY);
        return 0;
    }
    op->call = call;
    op->timeout_ms = timeout_ms;
    call->op = op->token;
    call->failed.code = OUTBOX_OK;
    if (timeout_ms)
        instance->loop->ops->timer_set(instance->loop, &op->timer, timeout_ms * OBX_MS);
    return op->token;
}

outbox_op_t obx_op_child(struct obx_instance *inner, outbox_op_t parent, const struct outbox_child *child)
{
    struct obx_op *up = obx_op_find(inner->outer, parent);
    if (!up) {
        obx_instance_violation(inner->outer, &inner->outer->violations.unknown_ops, "op_child", parent);
        return 0;
    }
    struct obx_op *op = new_op(inner, up->what);
    if (!op)
        return 0;
    op->parent = parent;
    op->child = (struct outbox_child){0};
    if (child)
        memcpy(&op->child, child, OBX_MIN(child->struct_size, sizeof op->child));
    return op->token;
}

/* ---- completion -------------------------------------------------------------------------------------------------- */

static bool others_with_plugin(struct obx_instance *instance)
{
    for (instance = obx_instance_top(instance); instance; instance = instance->inner)
        if (instance->ops.with_plugin)
            return true;
    return false;
}

static void deliver_later(struct obx_op *op)
{
    struct obx_loop *loop = op->instance->loop;
    loop->ops->timer_clear(loop, &op->timer);
    loop->ops->defer(loop, &op->deliver);
}

/* A stop that completes before the ops in flight waits for them; its timeout, which cancels them, continues. */
static void finish_stop(struct obx_op *op)
{
    struct obx_instance *instance = op->instance;
    if (!others_with_plugin(instance)) {
        deliver_later(op);
        return;
    }
    obx_instance_top(instance)->early_stop = op;
    obx_instance_violation(instance, &instance->violations.early_stops, "stop completed before what was in flight",
                           op->token);
}

static void finish(struct obx_op *op)
{
    struct obx_instance *top = obx_instance_top(op->instance);
    deliver_later(op);
    if (!top->early_stop || others_with_plugin(top))
        return;
    deliver_later(top->early_stop);
    top->early_stop = NULL;
}

void obx_op_done(struct obx_instance *instance, outbox_op_t token, const struct outbox_error *error)
{
    struct obx_op *op = obx_op_find(instance, token);
    if (!op) {
        obx_instance_violation(instance, &instance->violations.unknown_ops, "op_done", token);
        return;
    }
    op->state = OBX_OP_DONE;
    instance->ops.with_plugin--;
    if (error && error->code) {
        op->error = *error;
        op->error.text[sizeof op->error.text - 1] = '\0';
        op->error.state[sizeof op->error.state - 1] = '\0';
    }
    if (op->stops)
        finish_stop(op);
    else
        finish(op);
}

/* A failure after the timeout is reported as a timeout, with the plugin's error as its reason. */
static void name_timeout(const struct obx_op *op, struct outbox_error *error)
{
    bool has_reason = error->code != OUTBOX_E_CANCELED && error->code != OUTBOX_E_TIMEOUT;
    struct outbox_error reason = *error;
    obx_error_set(error, OUTBOX_E_TIMEOUT, "%s: %s: no answer within %u ms%s%s", op->instance->label, op->what,
                  op->timeout_ms, has_reason ? ": " : "", has_reason ? reason.text : "");
    error->native = reason.native;
}

/* A copy, since the op is free, and maybe in use again, when the caller reads it. NULL on success. */
static const struct outbox_error *copy_error(const struct obx_op *op, struct outbox_error *copy)
{
    if (!op->error.code)
        return NULL;
    *copy = op->error;
    if (!copy->text[0])
        obx_error_set(copy, copy->code, "%s: %s: %s", op->instance->label, op->what, obx_error_text(copy->code));
    if (op->timed_out)
        name_timeout(op, copy);
    return copy;
}

/* The op is free before the callback runs, so that the callback may start the next op or free the instance. */
static void deliver(struct obx_task *task)
{
    struct obx_op *op = OBX_CONTAINER(task, struct obx_op, deliver);
    struct outbox_error copy;
    const struct outbox_error *error = copy_error(op, &copy);
    obx_op_report_rest(op, error);
    struct obx_instance *instance = op->instance, *outer = instance->outer;
    struct obx_call *call = op->call;
    struct outbox_child child = op->child;
    outbox_op_t token = op->token, parent = op->parent;
    if (op->stops)
        obx_instance_top(instance)->stopping = false;
    free_op(op);
    if (call) {
        call->op = 0;
        call->done(call, error ? error : outbox_error_none());
    } else if (child.done) {
        child.done(child.arg, token, error);
    } else {
        obx_op_done(outer, parent, error);
    }
}

/* ---- canceling --------------------------------------------------------------------------------------------------- */

static void cancel_children(struct obx_instance *inner, outbox_op_t parent)
{
    for (uint32_t i = 0; inner && i < inner->ops.count; i++) {
        struct obx_op *op = inner->ops.all[i];
        if (op->state == OBX_OP_IN_FLIGHT && op->parent == parent)
            obx_op_cancel(op);
    }
}

static void (*cancel_of(const struct obx_plugin *plugin))(void *self, outbox_op_t op)
{
    switch (plugin->descriptor.kind) {
    case OUTBOX_STORE:
        return plugin->ops.store.cancel;
    case OUTBOX_BROKER:
        return plugin->ops.broker.cancel;
    default:
        return plugin->ops.transform.cancel;
    }
}

/* A decorator without cancel(): its ops of the inner plugin are canceled. */
void obx_op_cancel(struct obx_op *op)
{
    struct obx_instance *instance = op->instance;
    if (op->canceled || op->state != OBX_OP_IN_FLIGHT)
        return;
    op->canceled = true;
    void (*cancel)(void *self, outbox_op_t op) = cancel_of(instance->plugin);
    if (cancel)
        cancel(instance->self, op->token);
    else
        cancel_children(instance->inner, op->token);
}

void obx_instance_cancel(struct obx_instance *instance)
{
    for (instance = obx_instance_top(instance); instance; instance = instance->inner)
        for (uint32_t i = 0; i < instance->ops.count; i++)
            obx_op_cancel(instance->ops.all[i]);
}

static void time_out(struct obx_timer *timer)
{
    struct obx_op *op = OBX_CONTAINER(timer, struct obx_op, timer);
    op->timed_out = true;
    if (op->stops)
        obx_instance_cancel(op->instance);
    else
        obx_op_cancel(op);
}
