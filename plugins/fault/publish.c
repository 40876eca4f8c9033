/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/publish.c - publishes: all of one is struck, or single events of it
 *
 * The events that may go become a publish of their own; their outcomes are told under the numbers that the host knows.
 * The others are told at once. What comes behind a failed event of its key is refused until that one has come again
 * (held.c) - to be tried again where that one was, else as not connected, so that the host sends both in the same way.
 * Rejected events hold nothing up.
 *
 * Failure mode: without memory for any of this the whole publish is told as not connected, and so is every later one
 * until the broker is started again.
 */
#include "fault.h"

#include <string.h>

#define RUN 64 /* outcomes that are told in one call */

enum verdict { GO, DROP, STRIKE, REFUSE };

static bool has_key(const struct fault *fault, const struct outbox_message *message)
{
    return !fault->key || (message->key.data && message->key.size == strlen(fault->key) &&
                           !memcmp(message->key.data, fault->key, message->key.size));
}

static struct outbox_message read_message(const struct outbox_publish *publish, uint32_t index)
{
    struct outbox_message message = {0};
    memcpy(&message, outbox_message_at(publish, index),
           publish->stride < sizeof message ? publish->stride : sizeof message);
    return message;
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

struct run {
    struct fault_op *entry;
    struct outbox_outcomes outcomes;
    uint32_t indexes[RUN];
};

static void end_run(struct run *run)
{
    run->outcomes.indexes = run->indexes;
    if (run->outcomes.count)
        run->entry->fault->host->outcomes(run->entry->fault->host, run->entry->op, &run->outcomes);
    run->outcomes.count = 0;
}

static void add_to_run(struct run *run, uint32_t index)
{
    if (run->outcomes.count == RUN)
        end_run(run);
    run->indexes[run->outcomes.count++] = index;
}

static void hear_outcomes(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    (void)child;
    struct fault_op *entry = arg;
    struct outbox_error dropped;
    outbox_error_set(&dropped, OUTBOX_E_UNKNOWN_OUTCOME,
                     "publish: the answer was dropped on purpose by the fault plugin");
    struct run as_told = {.entry = entry, .outcomes = *outcomes}, unknown = as_told;
    as_told.outcomes.first = unknown.outcomes.first = 0;
    as_told.outcomes.count = unknown.outcomes.count = 0;
    unknown.outcomes.outcome = OUTBOX_UNKNOWN;
    unknown.outcomes.error = &dropped;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t index = outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i;
        bool drop = entry->plan->verdicts[index] == DROP && outcomes->outcome == OUTBOX_DELIVERED;
        add_to_run(drop ? &unknown : &as_told, entry->plan->index[index]);
    }
    end_run(&as_told);
    end_run(&unknown);
}

static void hear_done(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)child;
    struct fault_op *entry = arg;
    fault_plan_free(entry);
    held_landed(&entry->fault->held, entry->op);
    entry->fault->host->op_done(entry->fault->host, entry->op, error);
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

void fault_plan_free(struct fault_op *entry)
{
    if (entry->plan)
        entry->fault->host->release(entry->fault->host, entry->plan);
    entry->plan = NULL;
}

static bool make_plan(struct fault_op *entry, uint32_t count)
{
    const struct outbox_host *host = entry->fault->host;
    size_t each = sizeof(struct outbox_message) + sizeof(uint32_t) + sizeof(uint8_t);
    struct fault_plan *plan = entry->plan = host->alloc(host, sizeof *plan + count * each);
    if (!plan)
        return false;
    plan->messages = (struct outbox_message *)(plan + 1);
    plan->index = (uint32_t *)(plan->messages + count);
    plan->verdicts = (uint8_t *)(plan->index + count);
    plan->publish.struct_size = sizeof plan->publish;
    plan->publish.messages = plan->messages;
    plan->publish.stride = sizeof *plan->messages;
    return true;
}

/* Fails with all of it: the one way that needs no memory. */
static void refuse_all(struct fault_op *entry, const char *why)
{
    const struct outbox_publish *publish = entry->argument;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "publish: %s", why);
    fault_plan_free(entry);
    entry->fault->broken = true;
    outbox_report_outcomes(entry->fault->host, entry->op, 0, publish->count, OUTBOX_NOT_CONNECTED, &error);
    entry->fault->host->op_done(entry->fault->host, entry->op, NULL);
}

/* -1: no memory. */
static int judge(struct fault_op *entry, const struct outbox_message *message, bool struck)
{
    struct fault *fault = entry->fault;
    bool rejects = fault->effect == FAULT_ERROR && fault_kind(fault)->outcome == OUTBOX_REJECTED;
    switch (held_ask(&fault->held, entry->op, message, struck && !rejects)) {
    case HELD_PASS:
        return struck ? STRIKE : GO;
    case HELD_STRUCK:
        return fault->effect == FAULT_DROP_ACK ? DROP : STRIKE;
    case HELD_REFUSE:
        return REFUSE;
    default:
        return -1;
    }
}

static void tell_not_sent(struct fault_op *entry, uint32_t index, uint8_t verdict)
{
    struct outbox_error error;
    if (verdict == STRIKE) {
        fault_error(entry->fault, DECO_PUBLISH, &error);
        outbox_report_outcomes(entry->fault->host, entry->op, index, 1, fault_kind(entry->fault)->outcome, &error);
        return;
    }
    bool retry = entry->fault->effect == FAULT_ERROR && fault_kind(entry->fault)->outcome == OUTBOX_RETRY;
    outbox_error_set(&error, OUTBOX_E_AGAIN,
                     "publish: an earlier event of this key was made to fail and must go first");
    outbox_report_outcomes(entry->fault->host, entry->op, index, 1, retry ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED,
                           &error);
}

/* whole: every event with the key is struck; else each is counted and drawn. False: no memory. */
static bool fill_plan(struct fault_op *entry, bool active, bool whole)
{
    struct fault *fault = entry->fault;
    const struct outbox_publish *publish = entry->argument;
    struct fault_plan *plan = entry->plan;
    for (uint32_t i = 0; i < publish->count; i++) {
        const struct outbox_message message = read_message(publish, i);
        bool struck = active && has_key(fault, &message) && (whole || fault_strikes(fault));
        int verdict = judge(entry, &message, struck);
        if (verdict < 0)
            return false;
        plan->verdicts[i] = (uint8_t)verdict;
    }
    for (uint32_t i = 0; i < publish->count; i++) {
        uint8_t verdict = plan->verdicts[i]; /* its place is taken by one that goes on, at the earliest now */
        if (verdict != GO && verdict != DROP) {
            tell_not_sent(entry, i, verdict);
            continue;
        }
        plan->messages[plan->publish.count] = read_message(publish, i);
        plan->index[plan->publish.count] = i;
        plan->verdicts[plan->publish.count++] = verdict;
    }
    return true;
}

static void publish_parts(struct fault_op *entry, bool active, bool whole)
{
    const struct outbox_publish *publish = entry->argument;
    if (!make_plan(entry, publish->count) || !fill_plan(entry, active, whole))
        refuse_all(entry, "out of memory");
    else if (entry->plan->publish.count)
        fault_pass(entry, &entry->plan->publish, hear_done, hear_outcomes);
    else
        hear_done(entry, 0, NULL);
}

/* ---- publish ----------------------------------------------------------------------------------------------------- */

static bool holds_key(const struct fault *fault, const struct outbox_publish *publish)
{
    for (uint32_t i = 0; i < publish->count; i++) {
        const struct outbox_message message = read_message(publish, i);
        if (has_key(fault, &message))
            return true;
    }
    return false;
}

static bool publish_hangs(const struct fault *fault)
{
    for (const struct fault_op *entry = fault->hung; entry; entry = entry->next)
        if (entry->call == DECO_PUBLISH)
            return true;
    return false;
}

void fault_publish(struct fault_op *entry)
{
    struct fault *fault = entry->fault;
    const struct outbox_publish *publish = entry->argument;
    bool active = (fault->calls & 1u << DECO_PUBLISH) && fault_is_active(fault);
    bool in_parts = fault->effect == FAULT_ERROR || fault->effect == FAULT_DROP_ACK;
    bool by_event = in_parts && (fault->key || fault->rate < 100);
    if (fault->broken) {
        refuse_all(entry, "the broker must be started again first");
    } else if (publish_hangs(fault)) {
        fault_hang(entry); /* or it would overtake */
    } else if (by_event && active) {
        publish_parts(entry, true, false);
    } else {
        bool struck = active && holds_key(fault, publish) && fault_strikes(fault);
        if (struck && !in_parts)
            fault_strike(entry);
        else if (struck || fault->held.count)
            publish_parts(entry, struck, true);
        else
            fault_pass(entry, entry->argument, NULL, NULL);
    }
}
