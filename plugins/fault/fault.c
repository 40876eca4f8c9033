/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/fault.c - which calls fail
 *
 * Chosen calls are counted, and `nth`, `every`, `count`, `rate` and `trigger` decide which of them fail (effects.c).
 * All others go straight to the inner plugin. A stop waits until no call is hung.
 */
#include "fault.h"

#include <unistd.h>

/* ---- life -------------------------------------------------------------------------------------------------------- */

int fault_init(struct fault *fault, const struct outbox_init *init, enum outbox_kind plugin, struct outbox_error *error)
{
    fault->host = fault->guard.host = init->host;
    fault->inner = init->inner;
    fault->plugin = plugin;
    fault->random = fault->seed ? (uint64_t)fault->seed : init->host->random(init->host) | 1;
    return deco_parse_calls(fault->calls_text, plugin, &fault->calls, error);
}

void fault_fini(void *self)
{
    struct fault *fault = self;
    order_guard_clear(&fault->guard);
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

bool fault_is_active(const struct fault *fault)
{
    return !fault->trigger || access(fault->trigger, F_OK) == 0;
}

static uint64_t next_random(struct fault *fault)
{
    fault->random ^= fault->random << 13;
    fault->random ^= fault->random >> 7;
    fault->random ^= fault->random << 17;
    return fault->random;
}

bool fault_should_inject(struct fault *fault)
{
    int64_t number = ++fault->seen;
    if (number < fault->nth || (number - fault->nth) % fault->every)
        return false;
    if (fault->count && fault->injected >= fault->count)
        return false;
    if (fault->rate < 100 && (int64_t)(next_random(fault) >> 33) % 100 >= fault->rate)
        return false;
    fault->injected++;
    return true;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool should_inject(struct fault *fault, enum deco_call call)
{
    return (fault->calls & 1u << call) && fault_is_active(fault) && fault_should_inject(fault);
}

static void run(struct fault_op *entry)
{
    if (should_inject(entry->fault, entry->call))
        fault_inject(entry);
    else
        fault_pass(entry, entry->argument, NULL, NULL);
}

void fault_submit(struct fault *fault, outbox_op_t op, enum deco_call call, void *argument)
{
    struct fault_op *entry = fault->host->op_scratch(fault->host, op);
    *entry = (struct fault_op){.fault = fault, .op = op, .call = call, .argument = argument};
    if (call == DECO_START) {
        order_guard_clear(&fault->guard);
        fault->broken = false;
    }
    if (call == DECO_STOP && fault->hung)
        fault->stop = entry;
    else if (call == DECO_PUBLISH)
        fault_publish(entry);
    else
        run(entry);
}

static void cancel_hung(struct fault_op *entry)
{
    struct fault *fault = entry->fault;
    struct fault_op **at = &fault->hung;
    struct outbox_error error;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->is_hung = false;
    if (entry->call == DECO_STOP) { /* the inner plugin is stopped in any case */
        fault_pass(entry, NULL, NULL, NULL);
        return;
    }
    outbox_error_set(&error, OUTBOX_E_CANCELED, "%s: canceled while it hung in the fault plugin",
                     deco_call_names[entry->call]);
    if (entry->call == DECO_PUBLISH)
        outbox_report_outcomes(entry->fault->host, entry->op, 0,
                               ((const struct outbox_publish *)entry->argument)->count, OUTBOX_NOT_CONNECTED, &error);
    fault->broken |= entry->call == DECO_PUBLISH;
    fault_finish(entry, &error);
}

void fault_cancel(void *self, outbox_op_t op)
{
    struct fault *fault = self;
    struct fault_op *entry = fault->host->op_scratch(fault->host, op);
    if (!entry)
        return;
    if (entry->is_hung)
        cancel_hung(entry);
    else
        deco_cancel(fault->inner, fault->plugin, entry->child);
    if (fault->stop && !fault->hung) {
        entry = fault->stop;
        fault->stop = NULL;
        run(entry);
    }
}
