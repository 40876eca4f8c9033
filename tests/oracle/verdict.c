/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/verdict.c - the checks that need all events, and the verdict */
#include <inttypes.h>

#include "events.h"

static bool is_found(const struct oracle_event *event)
{
    return event->published || event->left || event->dead;
}

/* A transaction in doubt has committed if any of its events is found. */
static void resolve_doubt(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->event_count; i++)
        oracle->transactions[oracle->events[i].transaction].seen += is_found(&oracle->events[i]);
    for (size_t i = 0; i < oracle->transaction_count; i++) {
        struct oracle_transaction *transaction = &oracle->transactions[i];
        if (transaction->outcome != ORACLE_DOUBT)
            continue;
        oracle->verdict.in_doubt += transaction->events;
        if (transaction->seen && transaction->seen != transaction->events)
            oracle_fault(oracle, &oracle->verdict.torn, "torn: of a transaction of %u events %u were found",
                         transaction->events, transaction->seen);
    }
}

static void check_event(struct oracle *oracle, const struct oracle_event *event)
{
    enum oracle_outcome outcome = oracle->transactions[event->transaction].outcome;
    oracle->verdict.committed += outcome == ORACLE_COMMITTED;
    oracle->verdict.rolled_back += outcome == ORACLE_ROLLED_BACK;
    if (outcome == ORACLE_COMMITTED && !is_found(event))
        oracle_fault(oracle, &oracle->verdict.lost, "lost: number %u of a key, event hash %016" PRIx64, event->sequence,
                     (uint64_t)event->id.high64);
    if (event->left && !event->published && !event->excused && event->key != ORACLE_NONE &&
        event->sequence < oracle->keys[event->key].reached)
        oracle_fault(oracle, &oracle->verdict.overtaken, "overtaken: number %u of a key is left, %u was published",
                     event->sequence, oracle->keys[event->key].reached);
}

bool oracle_judge(struct oracle *oracle, struct oracle_verdict *verdict)
{
    resolve_doubt(oracle);
    for (size_t i = 0; i < oracle->event_count; i++)
        check_event(oracle, &oracle->events[i]);
    const struct oracle_rules *rules = &oracle->rules;
    if (rules->incidents != UINT64_MAX && oracle->verdict.duplicates > rules->incidents * rules->window)
        oracle_fault(oracle, &oracle->verdict.surplus, "surplus: %" PRIu64 " duplicates in %" PRIu64 " incidents",
                     oracle->verdict.duplicates, rules->incidents);
    *verdict = oracle->verdict;
    uint64_t faults = 0;
#define ADD_FAULT(name, text) faults += verdict->name;
    ORACLE_FAULTS(ADD_FAULT)
#undef ADD_FAULT
    return faults == 0;
}

void oracle_print(const struct oracle_verdict *verdict, FILE *to)
{
    fprintf(to,
            "committed %" PRIu64 ", rolled back %" PRIu64 ", in doubt %" PRIu64 "\n"
            "published %" PRIu64 ", of these duplicates %" PRIu64 ", at most %" PRIu64 " lines after the one before\n"
            "left %" PRIu64 ", dead %" PRIu64 "\n",
            verdict->committed, verdict->rolled_back, verdict->in_doubt, verdict->published, verdict->duplicates,
            verdict->furthest, verdict->left, verdict->dead);
#define PRINT_FAULT(name, text) \
    fprintf(to, "%-10s %" PRIu64 "%s\n", #name, verdict->name, verdict->name ? "  " text : "");
    ORACLE_FAULTS(PRINT_FAULT)
#undef PRINT_FAULT
}
