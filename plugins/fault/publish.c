/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/publish.c - publishes: a whole one fails, or single events of it
 *
 * The events that may go become a separate publish; their outcomes are reported with the host's indexes. The others are
 * reported at once. An event after a failed one of its key is refused until the failed one has come again
 * (order_guard.c): with RETRY if that one got RETRY, else as not connected, so the host sends both in the same way. A
 * rejected event refuses no other.
 *
 * Failure mode: without memory for any of this the whole publish is reported as not connected, and so is each later one
 * until the broker is started again.
 */
#include "fault.h"

#include <string.h>

#define GROUP_MAX 64 /* outcomes in one report */

enum verdict { GO, DROP, INJECT, REFUSE };

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

struct outcome_group {
    struct fault_op *entry;
    struct outbox_outcomes outcomes;
    uint32_t indexes[GROUP_MAX];
};

static void report_group(struct outcome_group *group)
{
    group->outcomes.indexes = group->indexes;
    if (group->outcomes.count)
        group->entry->fault->host->outcomes(group->entry->fault->host, group->entry->op, &group->outcomes);
    group->outcomes.count = 0;
}

static void add_to_group(struct outcome_group *group, uint32_t index)
{
    if (group->outcomes.count == GROUP_MAX)
        report_group(group);
    group->indexes[group->outcomes.count++] = index;
}

static void on_inner_outcomes(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    (void)child;
    struct fault_op *entry = arg;
    struct outbox_error dropped;
    outbox_error_set(&dropped, OUTBOX_E_UNKNOWN_OUTCOME,
                     "publish: the answer was dropped on purpose by the fault plugin");
    struct outcome_group passed_on = {.entry = entry, .outcomes = *outcomes}, unknown = passed_on;
    passed_on.outcomes.first = unknown.outcomes.first = 0;
    passed_on.outcomes.count = unknown.outcomes.count = 0;
    unknown.outcomes.outcome = OUTBOX_UNKNOWN;
    unknown.outcomes.error = &dropped;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t index = outbox_outcomes_index(outcomes, i);
        bool drop = entry->plan->verdicts[index] == DROP && outcomes->outcome == OUTBOX_DELIVERED;
        add_to_group(drop ? &unknown : &passed_on, entry->plan->index[index]);
    }
    report_group(&passed_on);
    report_group(&unknown);
}

static void on_inner_done(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)child;
    struct fault_op *entry = arg;
    fault_plan_free(entry);
    order_guard_completed(&entry->fault->guard, entry->op);
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

/* Needs no memory. */
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
static int decide(struct fault_op *entry, const struct outbox_message *message, bool inject)
{
    struct fault *fault = entry->fault;
    bool rejects = fault->effect == FAULT_ERROR && fault_kind(fault)->outcome == OUTBOX_REJECTED;
    switch (order_guard_check(&fault->guard, entry->op, message, inject && !rejects)) {
    case ORDER_PASS:
        return inject ? INJECT : GO;
    case ORDER_INJECT:
        return fault->effect == FAULT_DROP_ACK ? DROP : INJECT;
    case ORDER_REFUSE:
        return REFUSE;
    default:
        return -1;
    }
}

static void report_not_sent(struct fault_op *entry, uint32_t index, uint8_t verdict)
{
    struct outbox_error error;
    if (verdict == INJECT) {
        fault_error(entry->fault, DECO_PUBLISH, &error);
        outbox_report_outcomes(entry->fault->host, entry->op, index, 1, fault_kind(entry->fault)->outcome, &error);
        return;
    }
    bool retry = entry->fault->effect == FAULT_ERROR && fault_kind(entry->fault)->outcome == OUTBOX_RETRY;
    outbox_error_set(&error, OUTBOX_E_AGAIN,
                     "publish: the fault plugin failed an earlier event of this key, which must go first");
    outbox_report_outcomes(entry->fault->host, entry->op, index, 1, retry ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED,
                           &error);
}

/* whole: every event with the key fails; else each is counted and drawn. Gives false without memory. */
static bool fill_plan(struct fault_op *entry, bool active, bool whole)
{
    struct fault *fault = entry->fault;
    const struct outbox_publish *publish = entry->argument;
    struct fault_plan *plan = entry->plan;
    for (uint32_t i = 0; i < publish->count; i++) {
        const struct outbox_message message = read_message(publish, i);
        bool inject = active && has_key(fault, &message) && (whole || fault_should_inject(fault));
        int verdict = decide(entry, &message, inject);
        if (verdict < 0)
            return false;
        plan->verdicts[i] = (uint8_t)verdict;
    }
    for (uint32_t i = 0; i < publish->count; i++) {
        uint8_t verdict = plan->verdicts[i]; /* before an event that goes takes its place */
        if (verdict != GO && verdict != DROP) {
            report_not_sent(entry, i, verdict);
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
        fault_pass(entry, &entry->plan->publish, on_inner_done, on_inner_outcomes);
    else
        on_inner_done(entry, 0, NULL);
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
        fault_hang(entry); /* it must not overtake the hung one */
    } else if (by_event && active) {
        publish_parts(entry, true, false);
    } else {
        bool inject = active && holds_key(fault, publish) && fault_should_inject(fault);
        if (inject && !in_parts)
            fault_inject(entry);
        else if (inject || fault->guard.count)
            publish_parts(entry, inject, true);
        else
            fault_pass(entry, entry->argument, NULL, NULL);
    }
}
