/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/dead.c - outbox dead: list dead letters, publish them again, or delete them */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/exit_code.h"
#include "cli/oneshot.h"
#include "verbs/dead_render.h"
#include "verbs/verbs.h"

#define MAX_NUMBERS 1000

struct request {
    enum outbox_dead_action action;
    const char *relay;
    bool json, all;
    uint32_t limit, count;
    uint64_t numbers[MAX_NUMBERS]; /* without duplicates */
    bool found[MAX_NUMBERS];       /* numbers[i] is a dead letter */
};

static uint32_t index_of(const struct request *request, uint64_t number)
{
    uint32_t i = 0;
    while (i < request->count && request->numbers[i] != number)
        i++;
    return i;
}

static void mark_found(void *arg, const struct outbox_dead_letter *letter)
{
    struct request *request = arg;
    uint32_t i = index_of(request, letter->number);
    if (i < request->count)
        request->found[i] = true;
}

static void print_row(void *arg, const struct outbox_dead_letter *letter)
{
    const struct request *request = arg;
    mark_found(arg, letter);
    if (request->json)
        obx_dead_print_json(letter);
    else if (request->action == OUTBOX_DEAD_SHOW)
        obx_dead_print_fields(letter);
    else
        obx_dead_print_line(letter);
}

static int run_action(struct obx_oneshot *oneshot, enum outbox_dead_action action, struct request *request,
                      void (*row)(void *arg, const struct outbox_dead_letter *letter), uint64_t *affected,
                      struct outbox_error *error)
{
    struct outbox_dead dead = {.struct_size = sizeof dead,
                               .action = (uint32_t)action,
                               .numbers = request->numbers,
                               .count = request->count,
                               .limit = request->limit,
                               .row = row,
                               .arg = request};
    obx_store_dead(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &dead);
    int status = obx_oneshot_wait(oneshot, error);
    *affected = dead.affected;
    return status;
}

/* List the missing numbers: the store only counts. */
static int refuse_missing(const struct request *request, uint64_t missing, struct outbox_error *error)
{
    char list[200] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < request->count && used < sizeof list - 30; i++)
        if (!request->found[i])
            used +=
                (size_t)snprintf(list + used, sizeof list - used, "%s %" PRIu64, used ? "," : ":", request->numbers[i]);
    return obx_error_set(error, OUTBOX_E_REJECTED, "%" PRIu64 " of %" PRIu32 " numbers are no dead letters of %s%s%s",
                         missing, request->count, request->relay, list, used < sizeof list - 30 ? "" : " ...");
}

static int act(struct obx_oneshot *oneshot, struct request *request, struct outbox_error *error)
{
    uint64_t affected = 0;
    int status = OUTBOX_OK;
    if (request->count && request->action != OUTBOX_DEAD_SHOW) /* before the rows are gone */
        status = run_action(oneshot, OUTBOX_DEAD_SHOW, request, mark_found, &affected, error);
    if (!status)
        status = run_action(oneshot, request->action, request, print_row, &affected, error);
    if (!status && request->action == OUTBOX_DEAD_REPLAY)
        printf("%s: %" PRIu64 " back in the outbox\n", request->relay, affected);
    if (!status && request->action == OUTBOX_DEAD_DROP)
        printf("%s: %" PRIu64 " dropped\n", request->relay, affected);
    if (!status && affected < request->count)
        return refuse_missing(request, request->count - affected, error);
    return status;
}

static int work(struct obx_context *context, void *arg, struct outbox_error *error)
{
    struct request *request = arg;
    struct obx_oneshot oneshot;
    int status = obx_context_single_relay(context, &request->relay, error);
    if (!status)
        status = obx_oneshot_open(&oneshot, context, request->relay, OUTBOX_STORE, error);
    if (status)
        return status;
    status = obx_oneshot_require(&oneshot, OUTBOX_CAP_DEAD_LETTERS, "dead letters", error);
    if (!status)
        status = obx_oneshot_start(&oneshot, OUTBOX_STORE, error);
    if (!status)
        status = act(&oneshot, request, error);
    obx_oneshot_close(&oneshot);
    return status;
}

static bool find_action(const char *word, enum outbox_dead_action *action)
{
    static const char *const names[] = {"list", "show", "replay", "drop"};
    for (size_t i = 0; i < OBX_COUNT(names); i++)
        if (!strcmp(word, names[i])) {
            *action = (enum outbox_dead_action)i;
            return true;
        }
    return false;
}

static int read_arguments(const struct obx_verb *verb, struct request *request, char **arguments, int count)
{
    if (!find_action(arguments[0], &request->action))
        return obx_args_refuse(verb, "unknown action '%s': list, show, replay or drop", arguments[0]);
    for (int i = 1; i < count; i++) {
        uint64_t number;
        if (!obx_args_number(arguments[i], 0, UINT64_MAX, &number))
            return obx_args_refuse(verb, "'%s' is not the number of a dead letter", arguments[i]);
        if (index_of(request, number) == request->count)
            request->numbers[request->count++] = number;
    }
    if (request->action != OUTBOX_DEAD_LIST && !request->count && !request->all)
        return obx_args_refuse(verb, "numbers are missing: give the numbers of dead letters, or --all");
    if (request->count && (request->all || request->action == OUTBOX_DEAD_LIST))
        return obx_args_refuse(verb, "numbers cannot be combined with %s", request->all ? "--all" : "list");
    return 0;
}

/* 0, or the exit code after printing what is wrong. */
static int set_option(const struct obx_verb *verb, struct request *request, int option)
{
    uint64_t limit = 0;
    request->json |= option == 'j';
    request->all |= option == 'a';
    if (option == 'n' && !obx_args_number(optarg, 1, UINT32_MAX, &limit))
        return obx_args_refuse(verb, "--limit needs a number, not '%s'", optarg);
    if (option == 'n')
        request->limit = (uint32_t)limit;
    return 0;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"json", no_argument, NULL, 'j'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"limit", required_argument, NULL, 'n'},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {0};
    int found, refused, count;
    while ((found = obx_args_next(&args)) != -1)
        if ((refused = set_option(verb, &request, found)))
            return refused;
    char **rest = obx_args_rest(&args, 1, MAX_NUMBERS + 1, &count);
    refused = args.finished ? args.exit : read_arguments(verb, &request, rest, count);
    if (args.finished || refused)
        return refused;
    return obx_context_run(&args, work, &request);
}

const struct obx_verb obx_verb_dead = {"dead",
                                       "list, show, replay or drop dead letters",
                                       "(list | show | replay | drop) [-c FILE] [--relay NAME] [NUMBER... | --all]",
                                       "  list                print one line each; --limit N: only the first N\n"
                                       "  show                print all fields\n"
                                       "  replay              move them back to the end of the outbox\n"
                                       "  drop                delete them\n"
                                       "  --all               all dead letters\n"
                                       "  --json              print one JSON object per line\n",
                                       run,
                                       false};
