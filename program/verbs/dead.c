/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/dead.c - outbox dead: list dead letters, publish them again, or delete them
 *
 * dead_request.h lists the files. Failure modes: those of the store; CONFIG, no column leads to the topic of a replay.
 */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/mem.h"
#include "verbs/dead_request.h"
#include "verbs/verbs.h"

enum { MAX_WORDS = 1000 }; /* of the command line */

/* What the relay does to letters that come back. */
static int read_settings(const struct obx_context *context, struct obx_dead_request *request,
                         struct outbox_error *error)
{
    struct obx_relay_settings settings;
    struct obx_route route;
    int status = obx_context_route(context, request->relay, &settings, &route, error);
    if (status)
        return status;
    request->order = settings.order;
    request->keeps_keys = settings.on_reject == OBX_PARK_KEY;
    if (request->to_topic)
        status = obx_dead_topic_resolve(&route, request->to_topic, request, error);
    obx_route_free(&route);
    return status;
}

static int work(struct obx_context *context, void *arg, struct outbox_error *error)
{
    struct obx_dead_request *request = arg;
    struct obx_oneshot oneshot;
    int status = obx_context_single_relay(context, &request->relay, error);
    if (!status && request->action == OUTBOX_DEAD_REPLAY)
        status = read_settings(context, request, error);
    if (!status)
        status = obx_oneshot_open(&oneshot, context, request->relay, OUTBOX_STORE, error);
    if (status)
        return status;
    status = obx_oneshot_require(&oneshot, OUTBOX_CAP_DEAD_LETTERS, "dead letters", error);
    if (!status && request->to_topic)
        status = obx_oneshot_require(&oneshot, OUTBOX_CAP_DEAD_SET, "a replay to another topic", error);
    if (!status)
        status = obx_oneshot_start(&oneshot, OUTBOX_STORE, error);
    if (!status)
        status = obx_dead_act(&oneshot, request, error);
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
static int check_arguments(const struct obx_verb *verb, const struct obx_dead_request *request)
{
    bool selects = request->all || request->filter.any;
    if (request->action != OUTBOX_DEAD_LIST && !request->count && !selects)
        return obx_args_refuse(verb, "numbers are missing: give the numbers of dead letters, a filter, or --all");
    if ((request->rate || request->to_topic) && request->action != OUTBOX_DEAD_REPLAY)
        return obx_args_refuse(verb, "--rate and --to-topic are for replay");
    if (request->count &&
        (selects || request->limit || request->rate || request->dry_run || request->action == OUTBOX_DEAD_LIST))
        return obx_args_refuse(verb, "numbers cannot be combined with %s",
                               request->action == OUTBOX_DEAD_LIST ? "list"
                               : request->all                      ? "--all"
                                                                   : "a filter, --limit, --rate or --dry-run");
    return 0;
}

static int read_arguments(const struct obx_verb *verb, struct obx_dead_request *request, char **arguments, int count)
{
    if (!find_action(arguments[0], &request->action))
        return obx_args_refuse(verb, "unknown action '%s': list, show, replay or drop", arguments[0]);
    for (int i = 1; i < count; i++) {
        uint64_t number;
        if (!obx_args_number(arguments[i], 0, UINT64_MAX, &number))
            return obx_args_refuse(verb, "'%s' is not the number of a dead letter", arguments[i]);
        if (obx_dead_request_find(request, number) == request->count)
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

static int set_number(const struct obx_verb *verb, const char *option, uint32_t *number)
{
    uint64_t value;
    if (!obx_args_number(optarg, 1, UINT32_MAX, &value))
        return obx_args_refuse(verb, "%s needs a number, not '%s'", option, optarg);
    *number = (uint32_t)value;
    return 0;
}

/* 0, or the exit code after printing what is wrong. */
static int set_option(const struct obx_verb *verb, struct obx_dead_request *request, int option)
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
        return set_number(verb, "--limit", &request->limit);
    case 'R':
        return set_number(verb, "--rate", &request->rate);
    case 'o':
        request->to_topic = optarg;
        return 0;
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
                                            {"rate", required_argument, NULL, 'R'},
                                            {"to-topic", required_argument, NULL, 'o'},
                                            {"dry-run", no_argument, NULL, 'd'},
                                            {"yes", no_argument, NULL, 'y'},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    static struct obx_dead_request request; /* large */
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
    "  --rate N            replay N letters in a second, not all at once\n"
    "  --to-topic TOPIC    replay to this topic: sets the column that route.topic\n"
    "                      is made of\n"
    "  --dry-run           print what replay or drop would move or delete\n"
    "  --yes               drop without a question\n"
    "  --json              print one JSON object per line\n",
    run,
    false};
