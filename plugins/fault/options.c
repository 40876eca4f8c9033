/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/fault/options.c - the options, for both descriptors, and the kinds of failures */
#include "fault.h"

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

const struct fault_kind *fault_kind(const struct fault *fault)
{
    return &kinds[fault->kind];
}

int fault_error(const struct fault *fault, enum deco_call call, struct outbox_error *error)
{
    return outbox_error_set(error, fault_kind(fault)->code, "%s: failed on purpose by the fault plugin: %s",
                            deco_call_names[call], fault_kind_names[fault->kind]);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static const char *const effect_names[] = {"error", "drop_ack", "crash_before", "crash_after", "hang", "lost", NULL};

#define OPTION(member) .offset = offsetof(struct fault, member)
const struct outbox_option fault_options[FAULT_OPTIONS] = {
    {.name = "calls",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED,
     OPTION(calls_text),
     .help = "which calls may fail, by name: start, stop, publish, check; for a store also acquire, renew, "
             "claim, settle, dead_letter, setup, setup_inbox, status, add, dead"},
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
     .help = "error code of the failure; events of a publish get retry, rejected or unknown, or else not connected"},
    {.name = "nth",
     .type = OUTBOX_OPT_INT,
     OPTION(nth),
     .default_value = "1",
     .min = 1,
     .max = INT64_MAX,
     .help = "number of the first call that fails, counted over all chosen calls while the trigger file exists"},
    {.name = "every",
     .type = OUTBOX_OPT_INT,
     OPTION(every),
     .default_value = "1",
     .min = 1,
     .max = INT64_MAX,
     .help = "after the nth call, only each call of this distance fails: 3 means every third"},
    {.name = "count",
     .type = OUTBOX_OPT_INT,
     OPTION(count),
     .default_value = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "how many calls fail; 0: no limit"},
    {.name = "rate",
     .type = OUTBOX_OPT_INT,
     OPTION(rate),
     .default_value = "100",
     .min = 0,
     .max = 100,
     .help = "percentage of the calls that the other options leave, drawn by 'seed'"},
    {.name = "seed",
     .type = OUTBOX_OPT_INT,
     OPTION(seed),
     .default_value = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "seed of the random numbers; 0: a new one at each start"},
    {.name = "key",
     .type = OUTBOX_OPT_STRING,
     OPTION(key),
     .help = "fail only events with this key; then, and with 'rate' below 100, events are counted instead of calls"},
    {.name = "trigger", .type = OUTBOX_OPT_STRING, OPTION(trigger), .help = "file; calls fail only while it exists"},
};
