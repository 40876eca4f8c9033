/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/delay/delay.c - chosen calls wait before they go down, or before their answer goes up, or both
 *
 * An answer that waits takes its outcomes along: nothing is heard of a publish before its time. stop() waits in both
 * queues behind everything else, so that it is the last to complete.
 *
 * Publishes that were submitted before the host is told of a failure must not be appended after it, if they hold
 * messages of its key. The plugin underneath cannot know of those that still wait here, nor that what it told waits
 * here too. So all publishes that wait to go down when a failure is heard, and all that come before the host is told,
 * are refused in the same way; which keys they hold is not looked at.
 *
 * Failure modes: without memory to keep outcomes they are told early, never lost. A call that is canceled while it
 * waits to go down was not done, and everything that waits behind it is given up with it, because it would overtake;
 * one that waits to go up is told at once.
 */
#include "delay.h"

#define MS 1000000u

static void go_down(struct delay_op *entry);
static void go_up(struct delay_op *entry);

int delay_init(struct delay *delay, const struct outbox_init *init, enum outbox_kind plugin, struct outbox_error *error)
{
    delay->host = init->host;
    delay->inner = init->inner;
    delay->plugin = plugin;
    if (deco_parse_calls(delay->calls_text, plugin, &delay->calls, error))
        return error->code;
    if (delay_queue_open(&delay->down, delay, go_down) || delay_queue_open(&delay->up, delay, go_up))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "set up delays: out of memory");
    return OUTBOX_OK;
}

void delay_fini(void *self)
{
    struct delay *delay = self;
    delay_queue_close(&delay->down);
    delay_queue_close(&delay->up);
}

static uint64_t pause_of(const struct delay *delay, int64_t ms)
{
    uint64_t jitter = delay->jitter_ms && ms ? delay->host->random(delay->host) % ((uint64_t)delay->jitter_ms + 1) : 0;
    return ((uint64_t)ms + jitter) * MS;
}

/* ---- the way up -------------------------------------------------------------------------------------------------- */

static uint32_t refusal_for(uint32_t failure)
{
    return failure == OUTBOX_RETRY ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED;
}

static void note_failure(struct delay_op *entry, uint32_t outcome)
{
    struct delay *delay = entry->delay;
    if (outcome == OUTBOX_DELIVERED || outcome == OUTBOX_REJECTED || !(delay->calls & 1u << DECO_PUBLISH))
        return;
    delay->untold += !entry->failure;
    if (entry->failure != OUTBOX_NOT_CONNECTED)
        entry->failure = refusal_for(outcome);
    delay->refusal = entry->failure;
    for (struct delay_op *behind = delay->down.first; behind; behind = behind->next)
        behind->refusal = entry->failure;
}

static void tell_all(struct delay_op *entry)
{
    const struct delay_told *told = entry->told;
    for (uint32_t first = 0, end; first < told->count; first = end) {
        for (end = first + 1; end < told->count && told->outcomes[end] == told->outcomes[first]; end++) {
        }
        uint32_t outcome = told->outcomes[first];
        if (outcome)
            outbox_report_outcomes(entry->delay->host, entry->op, first, end - first, outcome, &told->errors[outcome]);
    }
    entry->delay->host->release(entry->delay->host, entry->told);
    entry->told = NULL;
}

static void go_up(struct delay_op *entry)
{
    const struct outbox_host *host = entry->delay->host;
    if (entry->told)
        tell_all(entry);
    entry->delay->untold -= entry->failure != 0;
    host->op_done(host, entry->op, &entry->error);
}

static void hear_done(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)child;
    struct delay_op *entry = arg;
    struct delay *delay = entry->delay;
    entry->child = 0;
    if (error)
        entry->error = *error;
    bool chosen = delay->calls & 1u << entry->call;
    if (chosen || entry->call == DECO_STOP)
        delay_queue_add(&delay->up, entry, chosen ? pause_of(delay, delay->after_ms) : 0);
    else
        go_up(entry);
}

static void hear_outcomes(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    (void)child;
    struct delay_op *entry = arg;
    struct delay_told *told = entry->told;
    note_failure(entry, outcomes->outcome);
    if (!told) {
        entry->delay->host->outcomes(entry->delay->host, entry->op, outcomes);
        return;
    }
    if (outcomes->error && !told->errors[outcomes->outcome].code)
        told->errors[outcomes->outcome] = *outcomes->error;
    for (uint32_t i = 0; i < outcomes->count; i++)
        told->outcomes[outcomes->indexes ? outcomes->indexes[i] : outcomes->first + i] = (uint8_t)outcomes->outcome;
}

/* ---- the way down ------------------------------------------------------------------------------------------------ */

static void keep_outcomes(struct delay_op *entry)
{
    const struct delay *delay = entry->delay;
    const struct outbox_publish *publish = entry->argument;
    if (entry->call != DECO_PUBLISH || !(delay->calls & 1u << DECO_PUBLISH) || !delay->after_ms)
        return;
    entry->told = delay->host->alloc(delay->host, sizeof *entry->told + publish->count);
    if (entry->told)
        entry->told->count = publish->count;
}

/* It was not done; nothing is told of it but that. */
static void give_up(struct delay_op *entry, int code, const char *why)
{
    const struct outbox_host *host = entry->delay->host;
    const struct outbox_publish *publish = entry->argument;
    outbox_error_set(&entry->error, code, "%s: %s", deco_call_names[entry->call], why);
    if (entry->told)
        host->release(host, entry->told);
    entry->told = NULL;
    if (entry->call == DECO_PUBLISH && publish->count)
        host->outcomes(host, entry->op,
                       &(struct outbox_outcomes){.struct_size = sizeof(struct outbox_outcomes),
                                                 .outcome = OUTBOX_NOT_CONNECTED,
                                                 .count = publish->count,
                                                 .error = &entry->error});
    host->op_done(host, entry->op, &entry->error);
}

/* It goes up behind the failure, as one more. */
static void refuse(struct delay_op *entry)
{
    const struct outbox_publish *publish = entry->argument;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_AGAIN,
                     "publish: an event before it failed while the delay plugin made this one wait");
    struct outbox_outcomes all = {
        .struct_size = sizeof all, .outcome = entry->refusal, .count = publish->count, .error = &error};
    keep_outcomes(entry);
    if (publish->count)
        hear_outcomes(entry, 0, &all);
    hear_done(entry, 0, NULL);
}

static void go_down(struct delay_op *entry)
{
    struct delay *delay = entry->delay;
    if (entry->call == DECO_PUBLISH && entry->refusal) {
        refuse(entry);
        return;
    }
    struct outbox_child child = {
        .struct_size = sizeof child, .done = hear_done, .outcomes = hear_outcomes, .arg = entry};
    if (!deco_has(delay->inner, delay->plugin, entry->call)) { /* optional ones: as if it did nothing */
        go_up(entry);
        return;
    }
    entry->child = delay->host->op_child(delay->host, entry->op, &child);
    if (!entry->child) {
        give_up(entry, OUTBOX_E_NO_MEMORY, "out of memory");
        return;
    }
    keep_outcomes(entry);
    deco_pass(delay->inner, delay->plugin, entry->call, entry->child, entry->argument);
}

void delay_submit(struct delay *delay, outbox_op_t op, enum deco_call call, void *argument)
{
    struct delay_op *entry = delay->host->op_scratch(delay->host, op);
    *entry = (struct delay_op){.delay = delay, .op = op, .call = call, .argument = argument};
    bool chosen = delay->calls & 1u << call;
    if (delay->untold)
        entry->refusal = delay->refusal;
    if (chosen && delay->before_ms)
        delay_queue_add(&delay->down, entry, pause_of(delay, delay->before_ms));
    else if (call == DECO_STOP && delay->down.first)
        delay_queue_add(&delay->down, entry, 0);
    else
        go_down(entry);
}

void delay_cancel(void *self, outbox_op_t op)
{
    struct delay *delay = self;
    struct delay_op *entry = delay->host->op_scratch(delay->host, op);
    if (!entry)
        return;
    if (entry->queue == &delay->up) {
        delay_queue_remove(entry);
        go_up(entry);
    } else if (entry->queue == &delay->down) {
        while (entry) {
            struct delay_op *next = entry->next;
            delay_queue_remove(entry);
            if (entry->call == DECO_STOP)
                go_down(entry);
            else
                give_up(entry, OUTBOX_E_CANCELED, "canceled while the delay plugin made it wait");
            entry = next;
        }
    } else {
        deco_cancel(delay->inner, delay->plugin, entry->child);
    }
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

#define OPTION(member) .offset = offsetof(struct delay, member)
#define MOST_MS (24 * 3600 * 1000)
const struct outbox_option delay_options[DELAY_OPTIONS] = {
    {.name = "calls",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED,
     OPTION(calls_text),
     .help = "which calls are slow, by name: start, stop, publish, check; or of a store also acquire, renew, claim, "
             "settle, dead_letter, setup, status, add, dead"},
    {.name = "before",
     .type = OUTBOX_OPT_DURATION,
     OPTION(before_ms),
     .default_value = "0ms",
     .max = MOST_MS,
     .help = "how long a call waits before it is done"},
    {.name = "after",
     .type = OUTBOX_OPT_DURATION,
     OPTION(after_ms),
     .default_value = "0ms",
     .max = MOST_MS,
     .help = "how long its answer waits before it is told"},
    {.name = "jitter",
     .type = OUTBOX_OPT_DURATION,
     OPTION(jitter_ms),
     .default_value = "0ms",
     .max = MOST_MS,
     .help = "up to so much is added to each wait, by chance"},
};
