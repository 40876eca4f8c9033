/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/delay/delay.c - chosen calls wait before they reach the inner plugin, or before their answer reaches the host
 *
 * The outcomes of a publish wait with its answer. stop() waits in both queues, so that it completes last.
 *
 * Order after a failure: a publish that the host submitted before it knew of a failure must not be appended after it.
 * The inner plugin knows neither the publishes that wait here nor that its outcomes wait here too. So each publish that
 * waits when a failure arrives, and each one that is submitted before the host knows of it, fails in the same way, with
 * any key.
 *
 * Failure modes:
 *   no memory to collect outcomes      they are reported early, not lost
 *   canceled before it was submitted   it was not done; later calls in the queue are canceled too, to keep the order
 *   canceled while its answer waits    the answer is reported at once
 */
#include "delay.h"

#define MS 1000000u

static void submit_inner(struct delay_op *entry);
static void complete_outer(struct delay_op *entry);

int delay_init(struct delay *delay, const struct outbox_init *init, enum outbox_kind plugin, struct outbox_error *error)
{
    delay->host = init->host;
    delay->inner = init->inner;
    delay->plugin = plugin;
    if (deco_parse_calls(delay->calls_text, plugin, &delay->calls, error))
        return error->code;
    if (delay_queue_open(&delay->requests, delay, submit_inner) ||
        delay_queue_open(&delay->answers, delay, complete_outer))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "set up delays: out of memory");
    return OUTBOX_OK;
}

void delay_fini(void *self)
{
    struct delay *delay = self;
    delay_queue_close(&delay->requests);
    delay_queue_close(&delay->answers);
}

static uint64_t delay_ns(const struct delay *delay, int64_t ms)
{
    uint64_t jitter = delay->jitter_ms && ms ? delay->host->random(delay->host) % ((uint64_t)delay->jitter_ms + 1) : 0;
    return ((uint64_t)ms + jitter) * MS;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static uint32_t refusal_for(uint32_t failure)
{
    return failure == OUTBOX_RETRY ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED;
}

static void note_failure(struct delay_op *entry, uint32_t outcome)
{
    struct delay *delay = entry->delay;
    if (outcome == OUTBOX_DELIVERED || outcome == OUTBOX_REJECTED || !(delay->calls & 1u << DECO_PUBLISH))
        return;
    delay->unreported += !entry->failure;
    if (entry->failure != OUTBOX_NOT_CONNECTED)
        entry->failure = refusal_for(outcome);
    delay->refusal = entry->failure;
    for (struct delay_op *later = delay->requests.first; later; later = later->next)
        later->refusal = entry->failure;
}

static void report_outcomes(struct delay_op *entry)
{
    const struct delay_outcomes *collected = entry->collected;
    for (uint32_t first = 0, end; first < collected->count; first = end) {
        for (end = first + 1; end < collected->count && collected->outcomes[end] == collected->outcomes[first]; end++) {
        }
        uint32_t outcome = collected->outcomes[first];
        if (outcome)
            outbox_report_outcomes(entry->delay->host, entry->op, first, end - first, outcome,
                                   &collected->errors[outcome]);
    }
    entry->delay->host->release(entry->delay->host, entry->collected);
    entry->collected = NULL;
}

static void complete_outer(struct delay_op *entry)
{
    const struct outbox_host *host = entry->delay->host;
    if (entry->collected)
        report_outcomes(entry);
    entry->delay->unreported -= entry->failure != 0;
    host->op_done(host, entry->op, &entry->error);
}

static void on_inner_done(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)child;
    struct delay_op *entry = arg;
    struct delay *delay = entry->delay;
    entry->child = 0;
    if (error)
        entry->error = *error;
    bool chosen = delay->calls & 1u << entry->call;
    if (chosen || entry->call == DECO_STOP)
        delay_queue_add(&delay->answers, entry, chosen ? delay_ns(delay, delay->after_ms) : 0);
    else
        complete_outer(entry);
}

static void on_inner_outcomes(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    (void)child;
    struct delay_op *entry = arg;
    struct delay_outcomes *collected = entry->collected;
    note_failure(entry, outcomes->outcome);
    if (!collected) {
        entry->delay->host->outcomes(entry->delay->host, entry->op, outcomes);
        return;
    }
    if (outcomes->error && !collected->errors[outcomes->outcome].code)
        collected->errors[outcomes->outcome] = *outcomes->error;
    for (uint32_t i = 0; i < outcomes->count; i++) {
        uint32_t index = outbox_outcomes_index(outcomes, i);
        collected->outcomes[index] = (uint8_t)outcomes->outcome;
    }
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void collect_outcomes(struct delay_op *entry)
{
    const struct delay *delay = entry->delay;
    const struct outbox_publish *publish = entry->argument;
    if (entry->call != DECO_PUBLISH || !(delay->calls & 1u << DECO_PUBLISH) || !delay->after_ms)
        return;
    entry->collected = delay->host->alloc(delay->host, sizeof *entry->collected + publish->count);
    if (entry->collected)
        entry->collected->count = publish->count;
}

/* It was not submitted to the inner plugin. */
static void cancel_entry(struct delay_op *entry, int code, const char *why)
{
    const struct outbox_host *host = entry->delay->host;
    const struct outbox_publish *publish = entry->argument;
    outbox_error_set(&entry->error, code, "%s: %s", deco_call_names[entry->call], why);
    if (entry->collected)
        host->release(host, entry->collected);
    entry->collected = NULL;
    if (entry->call == DECO_PUBLISH && publish->count)
        host->outcomes(host, entry->op,
                       &(struct outbox_outcomes){.struct_size = sizeof(struct outbox_outcomes),
                                                 .outcome = OUTBOX_NOT_CONNECTED,
                                                 .count = publish->count,
                                                 .error = &entry->error});
    host->op_done(host, entry->op, &entry->error);
}

/* Its answer waits after the failure's, as one more failure. */
static void refuse(struct delay_op *entry)
{
    const struct outbox_publish *publish = entry->argument;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_AGAIN,
                     "publish: an earlier event failed while this one waited in the delay plugin");
    struct outbox_outcomes all = {
        .struct_size = sizeof all, .outcome = entry->refusal, .count = publish->count, .error = &error};
    collect_outcomes(entry);
    if (publish->count)
        on_inner_outcomes(entry, 0, &all);
    on_inner_done(entry, 0, NULL);
}

static void submit_inner(struct delay_op *entry)
{
    struct delay *delay = entry->delay;
    if (entry->call == DECO_PUBLISH && entry->refusal) {
        refuse(entry);
        return;
    }
    struct outbox_child child = {
        .struct_size = sizeof child, .done = on_inner_done, .outcomes = on_inner_outcomes, .arg = entry};
    if (!deco_has(delay->inner, delay->plugin,
                  entry->call)) { /* an optional call that the inner plugin lacks does nothing */
        complete_outer(entry);
        return;
    }
    entry->child = delay->host->op_child(delay->host, entry->op, &child);
    if (!entry->child) {
        cancel_entry(entry, OUTBOX_E_NO_MEMORY, "out of memory");
        return;
    }
    collect_outcomes(entry);
    deco_pass(delay->inner, delay->plugin, entry->call, entry->child, entry->argument);
}

void delay_submit(struct delay *delay, outbox_op_t op, enum deco_call call, void *argument)
{
    struct delay_op *entry = delay->host->op_scratch(delay->host, op);
    *entry = (struct delay_op){.delay = delay, .op = op, .call = call, .argument = argument};
    bool chosen = delay->calls & 1u << call;
    if (delay->unreported)
        entry->refusal = delay->refusal;
    if (chosen && delay->before_ms)
        delay_queue_add(&delay->requests, entry, delay_ns(delay, delay->before_ms));
    else if (call == DECO_STOP && delay->requests.first)
        delay_queue_add(&delay->requests, entry, 0);
    else
        submit_inner(entry);
}

void delay_cancel(void *self, outbox_op_t op)
{
    struct delay *delay = self;
    struct delay_op *entry = delay->host->op_scratch(delay->host, op);
    if (!entry)
        return;
    if (entry->queue == &delay->answers) {
        delay_queue_remove(entry);
        complete_outer(entry);
    } else if (entry->queue == &delay->requests) {
        while (entry) {
            struct delay_op *next = entry->next;
            delay_queue_remove(entry);
            if (entry->call == DECO_STOP)
                submit_inner(entry);
            else
                cancel_entry(entry, OUTBOX_E_CANCELED, "canceled while it waited in the delay plugin");
            entry = next;
        }
    } else {
        deco_cancel(delay->inner, delay->plugin, entry->child);
    }
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

#define OPTION(member) .offset = offsetof(struct delay, member)
#define MOST_MS 86400000 /* a day */
const struct outbox_option delay_options[DELAY_OPTIONS] = {
    {.name = "calls",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED,
     OPTION(calls_text),
     .help = "names of the calls that wait: start, stop, publish, check; for a store also acquire, renew, claim, "
             "settle, dead_letter, setup, setup_inbox, status, add, dead"},
    {.name = "before",
     .type = OUTBOX_OPT_DURATION,
     OPTION(before_ms),
     .default_value = "0ms",
     .max = MOST_MS,
     .help = "how long a call waits before it is submitted"},
    {.name = "after",
     .type = OUTBOX_OPT_DURATION,
     OPTION(after_ms),
     .default_value = "0ms",
     .max = MOST_MS,
     .help = "how long an answer waits before it is reported"},
    {.name = "jitter",
     .type = OUTBOX_OPT_DURATION,
     OPTION(jitter_ms),
     .default_value = "0ms",
     .max = MOST_MS,
     .help = "longest random addition to each wait"},
};
