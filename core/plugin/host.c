/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/host.c - the host's services for a plugin: struct outbox_host, one table for each instance
 *
 * Time, log, memory, operations and events; descriptors, timers and threads are in host_loop.c. now, random, log and
 * memory may be used by any thread.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "plugin/internal.h"

/* ---- time, log, memory ------------------------------------------------------------------------------------------- */

static uint64_t now(const struct outbox_host *host)
{
    return obx_loop_now(obx_instance_of(host)->loop);
}

static uint64_t random_bits(const struct outbox_host *host)
{
    struct obx_loop *loop = obx_instance_of(host)->loop;
    return loop->ops->random(loop);
}

__attribute__((format(printf, 3, 4))) static void log_text(const struct outbox_host *host, enum outbox_log_level level,
                                                           const char *format, ...)
{
    const struct obx_instance *instance = obx_instance_of(host);
    if (!obx_log_on(instance->log, level))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    instance->log->write(instance->log->arg, level, instance->subject, text);
}

static bool log_enabled(const struct outbox_host *host, enum outbox_log_level level)
{
    return obx_log_on(obx_instance_of(host)->log, level);
}

static void *allocate(const struct outbox_host *host, size_t size)
{
    (void)host;
    return obx_alloc(size);
}

static void *resize(const struct outbox_host *host, void *memory, size_t size)
{
    (void)host;
    return obx_resize(memory, size);
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    obx_free(memory);
}

/* ---- operations and events --------------------------------------------------------------------------------------- */

static void *op_scratch(const struct outbox_host *host, outbox_op_t token)
{
    struct obx_op *op = obx_op_find(obx_instance_of(host), token);
    return op && op->instance->plugin->descriptor.op_size ? op->scratch : NULL;
}

static void *op_messages(const struct outbox_host *host, outbox_op_t token)
{
    struct obx_op *op = obx_op_find(obx_instance_of(host), token);
    return op ? obx_op_messages(op) : NULL;
}

static void op_done(const struct outbox_host *host, outbox_op_t op, const struct outbox_error *error)
{
    obx_op_done(obx_instance_of(host), op, error);
}

static void outcomes(const struct outbox_host *host, outbox_op_t op, const struct outbox_outcomes *reported)
{
    obx_op_outcomes(obx_instance_of(host), op, reported);
}

static outbox_op_t op_child(const struct outbox_host *host, outbox_op_t parent, const struct outbox_child *child)
{
    struct obx_instance *instance = obx_instance_of(host);
    return instance->inner ? obx_op_child(instance->inner, parent, child) : 0;
}

#ifdef OUTBOX_WITH_FAILPOINTS
static int failpoint(const struct outbox_host *host, const char *name, struct outbox_error *error)
{
    (void)host;
    return obx_failpoint(name, error);
}
#endif

static void run_wake(struct obx_task *task)
{
    struct obx_instance *instance = OBX_CONTAINER(task, struct obx_instance, wake_task);
    if (instance->events.wake)
        instance->events.wake(instance->events.arg);
}

static void wake(const struct outbox_host *host)
{
    struct obx_instance *instance = obx_instance_of(host);
    instance->loop->ops->defer(instance->loop, &instance->wake_task);
}

static void run_lost(struct obx_task *task)
{
    struct obx_instance *instance = OBX_CONTAINER(task, struct obx_instance, lost_task);
    struct outbox_error error = instance->lost_error;
    if (instance->events.lost)
        instance->events.lost(instance->events.arg, &error);
}

/* Reported once for each loss: calls while the report is queued are consequences of the same loss. */
static void lost(const struct outbox_host *host, const struct outbox_error *error)
{
    struct obx_instance *instance = obx_instance_of(host);
    if (instance->lost_task.queued)
        return;
    if (error && error->code)
        instance->lost_error = *error;
    else
        obx_error_set(&instance->lost_error, OUTBOX_E_NOT_CONNECTED, "%s: the connection was lost", instance->label);
    instance->loop->ops->defer(instance->loop, &instance->lost_task);
}

static void reconnected(const struct outbox_host *host)
{
    obx_instance_of(host)->reconnects++;
}

static void transaction_ended(const struct outbox_host *host, int committed)
{
    struct obx_transactions *transactions = &obx_instance_of(host)->transactions;
    ++*(committed ? &transactions->committed : &transactions->aborted);
}

void obx_instance_violation(struct obx_instance *instance, uint64_t *counter, const char *what, outbox_op_t op)
{
    ++*counter;
    if (instance->violation_logged)
        return;
    instance->violation_logged = true;
    obx_log_write(instance->log, OUTBOX_LOG_WARN, instance->subject,
                  "the plugin broke the completion contract: %s for op %016" PRIx64
                  "; ignored, as later violations will be; please report this to the plugin's author",
                  what, op);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static const struct outbox_host table = {
    .struct_size = sizeof table,
    .abi_major = OUTBOX_ABI_MAJOR,
    .now = now,
    .random = random_bits,
    .log = log_text,
    .log_enabled = log_enabled,
    .alloc = allocate,
    .resize = resize,
    .release = release,
    .op_scratch = op_scratch,
    .op_done = op_done,
    .outcomes = outcomes,
    .wake = wake,
    .lost = lost,
    .op_messages = op_messages,
    .op_child = op_child,
    .reconnected = reconnected,
    .transaction_ended = transaction_ended,
#ifdef OUTBOX_WITH_FAILPOINTS
    .failpoint = failpoint,
#endif
};

void obx_host_open(struct obx_instance *instance)
{
    instance->host = table;
    obx_host_loop_open(instance);
    instance->wake_task.run = run_wake;
    instance->lost_task.run = run_lost;
}

void obx_host_close(struct obx_instance *instance)
{
    const struct obx_loop_ops *ops = instance->loop->ops;
    obx_host_loop_close(instance);
    ops->cancel(instance->loop, &instance->wake_task);
    ops->cancel(instance->loop, &instance->lost_task);
}
