/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/fault/fault.c - which calls are struck, and what happens to them
 *
 * Calls that are not chosen go straight down. A struck call fails without the plugin underneath (error), fails after
 * that has done its work (drop_ack), never answers until it is canceled (hang), loses the connection (lost), or ends
 * the process by SIGKILL just before or just after the work is done (crash_before, crash_after).
 *
 * A stop that is struck still stops what is underneath, and a start whose answer is dropped is undone: the contract
 * with the plugin underneath is kept whatever is told to the host. Rows of a claim whose answer is dropped are
 * released.
 */
#include "fault.h"

#include <signal.h>
#include <unistd.h>

static const struct fault_kind kinds[] = {
    {OUTBOX_E_NOT_CONNECTED, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_AGAIN, OUTBOX_RETRY},
    {OUTBOX_E_REJECTED, OUTBOX_REJECTED},
    {OUTBOX_E_UNKNOWN_OUTCOME, OUTBOX_UNKNOWN},
    {OUTBOX_E_AGAIN, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_TIMEOUT, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_FULL, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_NO_MEMORY, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_IO, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_PERMISSION, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_READ_ONLY, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_SCHEMA, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_STANDBY, OUTBOX_NOT_CONNECTED},
    {OUTBOX_E_FENCED, OUTBOX_NOT_CONNECTED},
};
const char *const fault_kind_names[] = {"not_connected", "retry",  "rejected",  "unknown", "again",
                                        "timeout",       "full",   "no_memory", "io",      "permission",
                                        "read_only",     "schema", "standby",   "fenced",  NULL};
_Static_assert(sizeof kinds / sizeof kinds[0] + 1 == sizeof fault_kind_names / sizeof fault_kind_names[0],
               "a name for each kind");

static const char *const effect_names[] = {"error", "drop_ack", "crash_before", "crash_after", "hang", "lost", NULL};

const struct fault_kind *fault_kind(const struct fault *fault)
{
    return &kinds[fault->kind];
}

int fault_error(const struct fault *fault, enum deco_call call, struct outbox_error *error)
{
    return outbox_error_set(error, fault_kind(fault)->code, "%s: failed on purpose by the fault plugin: %s",
                            deco_call_names[call], fault_kind_names[fault->kind]);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

int fault_init(struct fault *fault, const struct outbox_init *init, enum outbox_kind plugin, struct outbox_error *error)
{
    fault->host = fault->held.host = init->host;
    fault->inner = init->inner;
    fault->plugin = plugin;
    fault->random = fault->seed ? (uint64_t)fault->seed : init->host->random(init->host) | 1;
    return deco_parse_calls(fault->calls_text, plugin, &fault->calls, error);
}

void fault_fini(void *self)
{
    struct fault *fault = self;
    held_clear(&fault->held);
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

bool fault_strikes(struct fault *fault)
{
    int64_t number = ++fault->seen;
    if (number < fault->nth || (number - fault->nth) % fault->every)
        return false;
    if (fault->count && fault->struck >= fault->count)
        return false;
    if (fault->rate < 100 && (int64_t)(next_random(fault) >> 33) % 100 >= fault->rate)
        return false;
    fault->struck++;
    return true;
}

/* ---- passing on -------------------------------------------------------------------------------------------------- */

static void finish(struct fault_op *entry, const struct outbox_error *error)
{
    const struct outbox_host *host = entry->fault->host;
    fault_plan_free(entry);
    host->op_done(host, entry->op, error);
}

/* There was no memory for an op: nothing was done. */
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
    finish(entry, &error);
}

void fault_pass(struct fault_op *entry, void *argument,
                void (*done)(void *arg, outbox_op_t child, const struct outbox_error *error),
                void (*outcomes)(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes))
{
    struct fault *fault = entry->fault;
    struct outbox_child child = {.struct_size = sizeof child, .done = done, .outcomes = outcomes, .arg = entry};
    if (!deco_has(fault->inner, fault->plugin, entry->call)) { /* optional ones: as if it did nothing */
        finish(entry, NULL);
        return;
    }
    entry->child = fault->host->op_child(fault->host, entry->op, &child);
    if (entry->child)
        deco_pass(fault->inner, fault->plugin, entry->call, entry->child, argument);
    else
        fail_unsent(entry);
}

/* ---- effects ----------------------------------------------------------------------------------------------------- */

static void tell_struck(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)child, (void)error;
    struct fault_op *entry = arg;
    struct outbox_error told;
    fault_error(entry->fault, entry->call, &told);
    finish(entry, &told);
}

/* What was started must be stopped before the host starts again: it was told that there is nothing to stop. */
static void undo_start(struct fault_op *entry)
{
    entry->call = DECO_STOP;
    fault_pass(entry, NULL, tell_struck, NULL);
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
    tell_struck(entry, child, error);
}

static void crash(void *arg, outbox_op_t child, const struct outbox_error *error)
{
    (void)arg, (void)child, (void)error;
    raise(SIGKILL);
}

static void hear_nothing(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes)
{
    (void)arg, (void)child, (void)outcomes;
}

void fault_hang(struct fault_op *entry)
{
    struct fault_op **end = &entry->fault->hung;
    while (*end)
        end = &(*end)->next;
    *end = entry;
    entry->hangs = true;
}

static void lose(struct fault_op *entry)
{
    struct outbox_error error;
    fault_error(entry->fault, entry->call, &error);
    entry->fault->host->lost(entry->fault->host, &error);
    fault_pass(entry, entry->argument, NULL, NULL);
}

void fault_strike(struct fault_op *entry)
{
    switch ((enum fault_effect)entry->fault->effect) {
    case FAULT_ERROR:
        if (entry->call != DECO_STOP) {
            tell_struck(entry, 0, NULL);
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
        fault_pass(entry, entry->argument, crash, hear_nothing);
        return;
    case FAULT_HANG:
        fault_hang(entry);
        return;
    case FAULT_LOST:
        lose(entry);
        return;
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool is_struck(struct fault *fault, enum deco_call call)
{
    return (fault->calls & 1u << call) && fault_is_active(fault) && fault_strikes(fault);
}

static void run(struct fault_op *entry)
{
    if (is_struck(entry->fault, entry->call))
        fault_strike(entry);
    else
        fault_pass(entry, entry->argument, NULL, NULL);
}

void fault_submit(struct fault *fault, outbox_op_t op, enum deco_call call, void *argument)
{
    struct fault_op *entry = fault->host->op_scratch(fault->host, op);
    *entry = (struct fault_op){.fault = fault, .op = op, .call = call, .argument = argument};
    if (call == DECO_START) {
        held_clear(&fault->held);
        fault->broken = false;
    }
    if (call == DECO_STOP && fault->hung)
        fault->stop = entry;
    else if (call == DECO_PUBLISH)
        fault_publish(entry);
    else
        run(entry);
}

static void end_hanging(struct fault_op *entry)
{
    struct fault *fault = entry->fault;
    struct fault_op **at = &fault->hung;
    struct outbox_error error;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->hangs = false;
    if (entry->call == DECO_STOP) { /* what is underneath is stopped in any case */
        fault_pass(entry, NULL, NULL, NULL);
        return;
    }
    outbox_error_set(&error, OUTBOX_E_CANCELED, "%s: canceled while the fault plugin made it hang",
                     deco_call_names[entry->call]);
    if (entry->call == DECO_PUBLISH)
        outbox_report_outcomes(entry->fault->host, entry->op, 0,
                               ((const struct outbox_publish *)entry->argument)->count, OUTBOX_NOT_CONNECTED, &error);
    fault->broken |= entry->call == DECO_PUBLISH;
    finish(entry, &error);
}

void fault_cancel(void *self, outbox_op_t op)
{
    struct fault *fault = self;
    struct fault_op *entry = fault->host->op_scratch(fault->host, op);
    if (!entry)
        return;
    if (entry->hangs)
        end_hanging(entry);
    else
        deco_cancel(fault->inner, fault->plugin, entry->child);
    if (fault->stop && !fault->hung) {
        entry = fault->stop;
        fault->stop = NULL;
        run(entry);
    }
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

#define OPTION(member) .offset = offsetof(struct fault, member)
const struct outbox_option fault_options[FAULT_OPTIONS] = {
    {.name = "calls",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED,
     OPTION(calls_text),
     .help = "which calls may be struck, by name: start, stop, publish, check; or of a store also acquire, renew, "
             "claim, settle, dead_letter, setup, status, add, dead"},
    {.name = "effect",
     .type = OUTBOX_OPT_ENUM,
     OPTION(effect),
     .default_value = "error",
     .choices = effect_names,
     .help = "error: fail without doing it; drop_ack: do it, and fail; hang: no answer until canceled; lost: the "
             "connection is gone; crash_before and crash_after: kill this process"},
    {.name = "kind",
     .type = OUTBOX_OPT_ENUM,
     OPTION(kind),
     .default_value = "not_connected",
     .choices = fault_kind_names,
     .help = "what the failure is told as; of events of a publish retry, rejected and unknown, all others as not "
             "connected"},
    {.name = "nth",
     .type = OUTBOX_OPT_INT,
     OPTION(nth),
     .default_value = "1",
     .min = 1,
     .max = INT64_MAX,
     .help = "the first call that is struck, counted over all chosen calls while the trigger is there"},
    {.name = "every",
     .type = OUTBOX_OPT_INT,
     OPTION(every),
     .default_value = "1",
     .min = 1,
     .max = INT64_MAX,
     .help = "after the nth, only each so-manieth call"},
    {.name = "count",
     .type = OUTBOX_OPT_INT,
     OPTION(count),
     .default_value = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "strike so often and no more; 0: no end"},
    {.name = "rate",
     .type = OUTBOX_OPT_INT,
     OPTION(rate),
     .default_value = "100",
     .min = 0,
     .max = 100,
     .help = "percent of the calls left by the other options, drawn by 'seed'"},
    {.name = "seed",
     .type = OUTBOX_OPT_INT,
     OPTION(seed),
     .default_value = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "of the draws; 0: another one each time"},
    {.name = "key",
     .type = OUTBOX_OPT_STRING,
     OPTION(key),
     .help = "in a publish, strike events with this key only; then, and with 'rate' below 100, events are counted "
             "instead of calls"},
    {.name = "trigger", .type = OUTBOX_OPT_STRING, OPTION(trigger), .help = "strike only while this file exists"},
};
