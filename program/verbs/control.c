/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/control.c - outbox pause, resume, retry, skip: requests to the running service (control/control.h) */
#include <stdio.h>

#include "base/error.h"
#include "cli/context.h"
#include "cli/escape.h"
#include "cli/exit_code.h"
#include "control/control.h"
#include "verbs/verbs.h"

struct request {
    const char *relay, *key, *topic;
};

static int work(struct obx_context *context, void *arg, struct outbox_error *error)
{
    const struct request *request = arg;
    struct outbox_error answer;
    if (!context->settings.control)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "%s has no service.control; add control: unix:/run/outbox/control.sock, and restart the "
                             "service",
                             context->path);
    int code = obx_control_send(context->settings.control, context->verb->name, request->relay, request->key,
                                request->topic, &answer);
    if (code)
        obx_escape_line(stderr, "outbox %s: %s: %s", context->verb->name, request->relay, answer.text);
    else
        obx_escape_line(stdout, "%s: %s", request->relay, answer.text);
    return code;
}

/* Only retry and skip are about a key. */
static bool takes_key(const struct obx_verb *verb)
{
    enum obx_control_action action;
    return obx_control_find_action(verb->name, &action) && (action == OBX_CONTROL_RETRY || action == OBX_CONTROL_SKIP);
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {
        OBX_ARGS_HELP, {"config", required_argument, NULL, 'c'}, {"topic", required_argument, NULL, 't'}, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {0};
    int count;
    while (obx_args_next(&args) != -1)
        request.topic = optarg;
    char **words = obx_args_rest(&args, 1, takes_key(verb) ? 2 : 1, &count);
    if (args.finished)
        return args.exit;
    if (request.topic && !takes_key(verb))
        return obx_args_refuse(verb, "--topic is of no use here");
    request.relay = words[0];
    request.key = count > 1 ? words[1] : NULL;
    return obx_context_run(&args, work, &request);
}

#define RELAY "RELAY [-c FILE]"
#define KEY "RELAY [KEY] [-c FILE] [--topic TOPIC]"
#define TOPIC "  --topic TOPIC       of the key, if several topics have it\n"

const struct obx_verb obx_verb_pause = {
    "pause", "claim no more events of a relay; it stays the owner", RELAY, NULL, run, false};
const struct obx_verb obx_verb_resume = {"resume", "let a paused or halted relay go on", RELAY, NULL, run, false};
const struct obx_verb obx_verb_retry = {"retry", "try blocked keys now; a halted relay goes on", KEY, TOPIC, run,
                                        false};
const struct obx_verb obx_verb_skip = {
    "skip", "make the event that blocks a key, or halted a relay, a dead letter", KEY, TOPIC, run, false};
