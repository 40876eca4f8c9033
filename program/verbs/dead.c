/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/dead.c - outbox dead: list dead letters, publish them again, or delete them
 *
 * A filter, --limit and --dry-run first read the letters and note the numbers of those that fit. The action is one
 * operation of the store, on these numbers: later letters are not touched, but by --all with more than MAX_NUMBERS.
 * Nothing is dropped on a terminal before somebody has confirmed the number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/exit_code.h"
#include "cli/oneshot.h"
#include "verbs/dead_filter.h"
#include "verbs/dead_render.h"
#include "verbs/verbs.h"

enum { MAX_WORDS = 1000, MAX_NUMBERS = 10000 }; /* of the command line; of one operation */

struct request {
    enum outbox_dead_action action;
    const char *relay;
    bool json, all, dry_run, yes;
    struct obx_dead_filter filter;
    uint32_t limit;                /* 0: none */
    uint64_t matched;              /* letters that fit the filter, beyond the limit, too */
    uint32_t count;                /* numbers */
    uint64_t numbers[MAX_NUMBERS]; /* without duplicates */
    bool found[MAX_NUMBERS];       /* numbers[i] is a dead letter */
};

/* ---- rows -------------------------------------------------------------------------------------------------------- */

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

static void print_letter(const struct request *request, const struct outbox_dead_letter *letter)
{
    if (request->json)
        obx_dead_print_json(letter);
    else if (request->action == OUTBOX_DEAD_SHOW)
        obx_dead_print_fields(letter);
    else
        obx_dead_print_line(letter);
}

/* Of show with numbers. */
static void print_numbered(void *arg, const struct outbox_dead_letter *letter)
{
    mark_found(arg, letter);
    print_letter(arg, letter);
}

static uint32_t limit_of(const struct request *request)
{
    return request->limit ? OBX_MIN(request->limit, (uint32_t)MAX_NUMBERS) : MAX_NUMBERS;
}

static bool only_reads(const struct request *request)
{
    return request->action == OUTBOX_DEAD_LIST || request->action == OUTBOX_DEAD_SHOW;
}

/* Prints the letters that fit, or notes their numbers. */
static void select_letter(void *arg, const struct outbox_dead_letter *letter)
{
    struct request *request = arg;
    bool reads = only_reads(request);
    if (!obx_dead_filter_matches(&request->filter, letter))
        return;
    request->matched++;
    if (reads ? request->limit && request->matched > request->limit : request->count == limit_of(request))
        return;
    if (reads || request->dry_run)
        print_letter(request, letter);
    if (!reads)
        request->numbers[request->count++] = letter->number;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static int run_action(struct obx_oneshot *oneshot, enum outbox_dead_action action, struct request *request,
                      void (*row)(void *arg, const struct outbox_dead_letter *letter), uint64_t *affected,
                      struct outbox_error *error)
{
    struct outbox_dead dead = {.struct_size = sizeof dead,
                               .action = (uint32_t)action,
                               .numbers = request->numbers,
                               .count = request->count,
                               .limit = only_reads(request) && !request->filter.any ? request->limit : 0,
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

/* On a terminal. Nobody is asked where nobody can reply. */
static bool confirms(const struct request *request, uint64_t count)
{
    char line[16];
    if (request->yes || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "delete %" PRIu64 " dead letters of %s for ever? [y/N] ", count, request->relay);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int act_on_numbers(struct obx_oneshot *oneshot, struct request *request, uint64_t *affected,
                          struct outbox_error *error)
{
    bool drops = request->action == OUTBOX_DEAD_DROP;
    int status = OUTBOX_OK;
    if (request->action != OUTBOX_DEAD_SHOW) /* before the rows are gone */
        status = run_action(oneshot, OUTBOX_DEAD_SHOW, request, mark_found, affected, error);
    if (!status && drops && !confirms(request, *affected)) {
        *affected = 0;
        return OUTBOX_OK;
    }
    if (!status)
        status = run_action(oneshot, request->action, request, print_numbered, affected, error);
    if (!status && *affected < request->count)
        return refuse_missing(request, request->count - *affected, error);
    return status;
}

/* ---- a selection ------------------------------------------------------------------------------------------------- */

/* Without a filter and a limit all letters are meant, however many they are. */
static bool means_all(const struct request *request)
{
    return request->all && !request->filter.any && !request->limit;
}

static int act_on_selection(struct obx_oneshot *oneshot, struct request *request, uint64_t *affected,
                            struct outbox_error *error)
{
    int status = run_action(oneshot, request->action == OUTBOX_DEAD_SHOW ? OUTBOX_DEAD_SHOW : OUTBOX_DEAD_LIST, request,
                            select_letter, affected, error);
    if (status || only_reads(request))
        return status;
    uint64_t count = means_all(request) ? request->matched : request->count;
    *affected = request->dry_run ? count : 0;
    bool drops = request->action == OUTBOX_DEAD_DROP;
    if (request->dry_run || !count || (drops && !confirms(request, count)))
        return OUTBOX_OK;
    if (means_all(request) && request->matched > request->count) /* more than one operation takes by their numbers */
        request->count = 0;
    return run_action(oneshot, request->action, request, NULL, affected, error);
}

static void print_result(const struct request *request, uint64_t affected)
{
    static const char *const done[] = {[OUTBOX_DEAD_REPLAY] = "back in the outbox", [OUTBOX_DEAD_DROP] = "dropped"};
    if (only_reads(request))
        return;
    printf("%s: %" PRIu64 " %s%s\n", request->relay, affected, request->dry_run ? "would be " : "",
           done[request->action]);
    if (!means_all(request) && request->matched > request->count)
        printf("%s: %" PRIu64 " more fit\n", request->relay, request->matched - request->count);
}

static int act(struct obx_oneshot *oneshot, struct request *request, struct outbox_error *error)
{
    uint64_t affected = 0;
    int status = request->count ? act_on_numbers(oneshot, request, &affected, error)
                                : act_on_selection(oneshot, request, &affected, error);
    if (!status || error->code == OUTBOX_E_REJECTED)
        print_result(request, affected);
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

/* ---- the command line -------------------------------------------------------------------------------------------- */

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

/* 0, or the exit code after printing what is wrong. */
static int check_arguments(const struct obx_verb *verb, const struct request *request)
{
    bool selects = request->all || request->filter.any;
    if (request->action != OUTBOX_DEAD_LIST && !request->count && !selects)
        return obx_args_refuse(verb, "numbers are missing: give the numbers of dead letters, a filter, or --all");
    if (request->count && (selects || request->limit || request->dry_run || request->action == OUTBOX_DEAD_LIST))
        return obx_args_refuse(verb, "numbers cannot be combined with %s",
                               request->action == OUTBOX_DEAD_LIST ? "list"
                               : request->all                      ? "--all"
                                                                   : "a filter, --limit or --dry-run");
    return 0;
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
    return check_arguments(verb, request);
}

static int set_time(const struct obx_verb *verb, const char *option, int64_t *us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (obx_dead_filter_time(optarg, (int64_t)now.tv_sec * 1000000, us))
        return 0;
    return obx_args_refuse(verb, "%s needs a time, like 2026-11-29T20:15:00Z, 2026-11-29 or 2h ago as 2h, not '%s'",
                           option, optarg);
}

static int set_limit(const struct obx_verb *verb, struct request *request)
{
    uint64_t limit;
    if (!obx_args_number(optarg, 1, UINT32_MAX, &limit))
        return obx_args_refuse(verb, "--limit needs a number, not '%s'", optarg);
    request->limit = (uint32_t)limit;
    return 0;
}

/* 0, or the exit code after printing what is wrong. */
static int set_option(const struct obx_verb *verb, struct request *request, int option)
{
    struct obx_dead_filter *filter = &request->filter;
    const char **text = option == 't'   ? &filter->topic
                        : option == 'k' ? &filter->key
                        : option == 'T' ? &filter->type
                        : option == 'r' ? &filter->reason
                                        : NULL;
    request->json |= option == 'j';
    request->all |= option == 'a';
    request->dry_run |= option == 'd';
    request->yes |= option == 'y';
    filter->any |= text || option == 's' || option == 'u';
    if (text)
        *text = optarg;
    switch (option) {
    case 'n':
        return set_limit(verb, request);
    case 's':
        return set_time(verb, "--since", &filter->since_us);
    case 'u':
        return set_time(verb, "--until", &filter->until_us);
    default:
        return 0;
    }
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"json", no_argument, NULL, 'j'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"topic", required_argument, NULL, 't'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"type", required_argument, NULL, 'T'},
                                            {"reason", required_argument, NULL, 'r'},
                                            {"since", required_argument, NULL, 's'},
                                            {"until", required_argument, NULL, 'u'},
                                            {"limit", required_argument, NULL, 'n'},
                                            {"dry-run", no_argument, NULL, 'd'},
                                            {"yes", no_argument, NULL, 'y'},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {0};
    int found, refused, count;
    while ((found = obx_args_next(&args)) != -1)
        if ((refused = set_option(verb, &request, found)))
            return refused;
    char **rest = obx_args_rest(&args, 1, MAX_WORDS + 1, &count);
    refused = args.finished ? args.exit : read_arguments(verb, &request, rest, count);
    if (args.finished || refused)
        return refused;
    return obx_context_run(&args, work, &request);
}

const struct obx_verb obx_verb_dead = {
    "dead",
    "list, show, replay or drop dead letters",
    "(list | show | replay | drop) [-c FILE] [--relay NAME] [NUMBER... | FILTER... | --all]",
    "  list                print one line each\n"
    "  show                print all fields\n"
    "  replay              move them back to the end of the outbox\n"
    "  drop                delete them; on a terminal, after a question\n"
    "  --all               all dead letters\n"
    "  --topic TOPIC       a filter, like the next five: those of this topic,\n"
    "  --key KEY           of this key,\n"
    "  --type TYPE         of this event type,\n"
    "  --reason TEXT       with this text in their reason,\n"
    "  --since TIME        that died at this time or later: 2026-11-29,\n"
    "                      2026-11-29T20:15:00Z, or 2h for two hours ago,\n"
    "  --until TIME        that died before it\n"
    "  --limit N           only the first N; replay and drop take 10,000 at most,\n"
    "                      but for --all alone\n"
    "  --dry-run           print what replay or drop would move or delete\n"
    "  --yes               drop without a question\n"
    "  --json              print one JSON object per line\n",
    run,
    false};
