/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/effects.c - how a call fails
 *
 *     error                       the call fails, and the inner plugin does not get it
 *     drop_ack                    the inner plugin does it, and the call fails
 *     hang                        no answer until the call is canceled
 *     lost                        the connection is reported as lost, and the call is done
 *     crash_before, crash_after   SIGKILL just before or just after the call is done
 *
 * The contract of the inner plugin is kept in every case: a stop that fails still stops it, a start whose answer is
 * dropped is undone, and the rows of a claim whose answer is dropped are released.
 */
#include "fault.h"

#include <signal.h>

/* ---- passing on -------------------------------------------------------------------------------------------------- */

void fault_finish(struct fault_op *entry, const struct outbox_error *error)
{
    const struct outbox_host *host = entry->fault->host;
    fault_plan_free(entry);
    host->op_done(host, entry->op, error);
}

/* No memory for an op: the inner plugin did not get the call. */
static void fail_unsent(struct fault_op *entry)
{
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "%s: out of memory", deco_call_names[entry->call]);
    if (entry->call == DECO_PUBLISH && entry->plan) {
        for (uint32_t i = 0; i < entry->plan->publish.count; i++)
            outbox_report_outcomes(entry->fault->host, entry->op, entry->plan->index[i], 1, OUTBOX_NOT_CONNECTED,
                                   &error);
    } else if (entry->call == DECO_PUBLISH) {
        outbox_report_outcomes(entry->fault->host, entry->op, 0,
                               ((const struct outbox_publish *)entry->argument)->count, OUTBOX_NOT_CONNECTED, &error);
    }
    entry->fault->broken |= entry->call == DECO_PUBLISH;
    fault_finish(entry, &error);
}

void fault_pass(struct fault_op *entry, void *argument,
                void (*done)(void *arg, outbox_op_t child, const struct outbox_error *error),
                void (*outcomes)(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes))
{
    struct fault *fault = entry->fault;
    struct outbox_child child = {.struct_size = sizeof child, .done = done, .outcomes = outcomes, .arg = entry};
    if (!deco_has(fault->inner, fault->plugin,
                  entry->call)) { /* an optional call that the inner plugin lacks does nothing */
        fault_finish(entry, NULL);
        return;
    }
    entry->child = fault->host->op_child(fault->host, entry->op, &child);
    if (entry->child)
        deco_pass(fault->inner, fault->plugin, entry->call, entry->child, argument);
    else
        fail_unsent(entry);
}

/* ---- effects ----------------------------------------------------------------------------------------------------- */

static void complete_injected(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)child, (void)error;
    struct fault_op *entry = arg;
    struct outbox_error injected;
    fault_error(entry->fault, entry->call, &injected);
    fault_finish(entry, &injected);
}

/* The host sees a failed start and will not stop it, so it is stopped here. */
static void undo_start(struct fault_op *entry)
{
    entry->call = DECO_STOP;
    fault_pass(entry, NULL, complete_injected, NULL);
}

static void drop_answer(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    struct fault_op *entry = arg;
    struct fault *fault = entry->fault;
    if (!error && entry->call == DECO_START) {
        undo_start(entry);
        return;
    }
    struct outbox_claim *claim = entry->call == DECO_CLAIM ? entry->argument : NULL;
    if (claim && claim->batch) {
        ((const struct outbox_store_ops *)fault->inner->ops)->release(fault->inner->self, claim->batch);
        claim->batch = NULL;
    }
    complete_injected(entry, child, error);
}

static void crash(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)arg, (void)child, (void)error;
    raise(SIGKILL);
}

static void ignore_outcomes(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    (void)arg, (void)child, (void)outcomes;
}

void fault_hang(struct fault_op *entry)
{
    struct fault_op **end = &entry->fault->hung;
    while (*end)
        end = &(*end)->next;
    *end = entry;
    entry->is_hung = true;
}

static void lose_connection(struct fault_op *entry)
{
    struct outbox_error error;
    fault_error(entry->fault, entry->call, &error);
    entry->fault->host->lost(entry->fault->host, &error);
    fault_pass(entry, entry->argument, NULL, NULL);
}

void fault_inject(struct fault_op *entry)
{
    switch ((enum fault_effect)entry->fault->effect) {
    case FAULT_ERROR:
        if (entry->call != DECO_STOP) {
            complete_injected(entry, 0, NULL);
            return;
        }
        /* fall through */
    case FAULT_DROP_ACK:
        fault_pass(entry, entry->argument, drop_answer, NULL);
        return;
    case FAULT_CRASH_BEFORE:
        crash(NULL, 0, NULL);
        return;
    case FAULT_CRASH_AFTER:
        fault_pass(entry, entry->argument, crash, ignore_outcomes);
        return;
    case FAULT_HANG:
        fault_hang(entry);
        return;
    case FAULT_LOST:
        lose_connection(entry);
        return;
    }
}
