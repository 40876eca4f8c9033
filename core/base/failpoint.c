/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/failpoint.c - reads OUTBOX_FAILPOINTS, and triggers failpoints
 *
 *     relay.after_claim=crash@3;file.before_sync=error(EIO)@1;relay.before_settle=delay(50ms)
 *
 * A rule is a failpoint, an action and a time: @3 the third hit, @3+ from the third hit on, @25% of the hits (the same
 * ones in every run), none: every hit. Each action is reported on stderr in one line before it happens. Only in builds
 * with the option `failpoints`.
 *
 * Failure: an invalid text arms nothing; the error quotes the rule.
 */
#include "base/failpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/suggest.h"

#define MAX_RULES 128
#define MAX_RULE_TEXT 96

enum fails { NONE, ERRNO, CODE };
enum action { CRASH, FAIL, DELAY };
enum when { ALWAYS, NTH, FROM, PERCENT };

static const struct point {
    const char *name;
    enum fails fails;
    const char *where;
} points[] = {
#define POINT(group, step, error, where) {#group "." #step, error, where},
    OUTBOX_FAILPOINTS(POINT)
#undef POINT
};

static const struct {
    const char *name;
    int number;
} errnos[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EINTR", EINTR}, {"EACCES", EACCES},
              {"ENOENT", ENOENT}, {"EAGAIN", EAGAIN}, {"EROFS", EROFS},   {"EPERM", EPERM}, {"EMFILE", EMFILE}};

struct rule {
    const struct point *point;
    enum action action;
    int failure; /* errno or code */
    uint64_t delay_us;
    enum when when;
    uint64_t count; /* hits, or percent */
    atomic_uint_fast64_t hits;
};

static struct rule rules[MAX_RULES];
static unsigned armed;

bool obx_failpoint_info(unsigned index, struct obx_failpoint_info *info)
{
    static const char *const kinds[] = {"", "errno", "code"};
    if (index >= OBX_COUNT(points))
        return false;
    *info = (struct obx_failpoint_info){points[index].name, kinds[points[index].fails], points[index].where};
    return true;
}

/* ---- reading ---- */

static int refuse(struct outbox_error *error, const char *rule, const char *what, const char *advice)
{
    return obx_error_set(error, OUTBOX_E_CONFIG, "OUTBOX_FAILPOINTS: '%s': %s; %s", rule, what, advice);
}

static int find_point(struct rule *rule, const char *text, const char *name, struct outbox_error *error)
{
    struct obx_suggest suggestion = {.word = name};
    for (size_t i = 0; i < OBX_COUNT(points); i++) {
        if (!strcmp(points[i].name, name))
            rule->point = &points[i];
        obx_suggest_offer(&suggestion, points[i].name);
    }
    if (rule->point)
        return OUTBOX_OK;
    char advice[128] = "docs/FAILPOINTS.md lists them";
    if (suggestion.best)
        snprintf(advice, sizeof advice, "did you mean '%s'?", suggestion.best);
    return refuse(error, text, "there is no such failpoint", advice);
}

/* error, error(EIO), error(not_connected) */
static int read_failure(struct rule *rule, const char *text, const char *argument, struct outbox_error *error)
{
    rule->action = FAIL;
    if (rule->point->fails == NONE)
        return refuse(error, text, "this failpoint cannot fail", "use crash or delay(50ms)");
    if (!argument)
        rule->failure = rule->point->fails == ERRNO ? EIO : OUTBOX_E_NOT_CONNECTED;
    for (size_t i = 0; argument && rule->point->fails == ERRNO && i < OBX_COUNT(errnos); i++)
        if (!strcasecmp(argument, errnos[i].name))
            rule->failure = errnos[i].number;
#define TRY(name, value, meaning)                                               \
    if (argument && rule->point->fails == CODE && !strcasecmp(argument, #name)) \
        rule->failure = value;
    OUTBOX_ERRORS(TRY)
#undef TRY
    if (rule->failure)
        return OUTBOX_OK;
    return refuse(error, text, "this failpoint has no such error",
                  rule->point->fails == ERRNO ? "use one like EIO or ENOSPC"
                                              : "use one of outbox/error.h, like not_connected or again");
}

static int read_delay(struct rule *rule, const char *text, const char *argument, struct outbox_error *error)
{
    char *unit = NULL;
    uint64_t number = argument ? strtoull(argument, &unit, 10) : 0;
    rule->action = DELAY;
    if (number && !strcmp(unit, "ms"))
        rule->delay_us = number * 1000;
    else if (number && !strcmp(unit, "s"))
        rule->delay_us = number * 1000000;
    else
        return refuse(error, text, "the delay is not a duration", "use delay(50ms) or delay(2s)");
    return OUTBOX_OK;
}

static int read_action(struct rule *rule, const char *text, char *action, struct outbox_error *error)
{
    char *argument = strchr(action, '('), *end = argument ? strchr(argument, ')') : NULL;
    if (argument && (!end || end[1]))
        return refuse(error, text, "a parenthesis is not closed", "use error(EIO) or delay(50ms)");
    if (argument) {
        *argument++ = '\0';
        *end = '\0';
    }
    if (!strcmp(action, "error"))
        return read_failure(rule, text, argument, error);
    if (!strcmp(action, "delay"))
        return read_delay(rule, text, argument, error);
    rule->action = CRASH;
    return !strcmp(action, "crash") && !argument
               ? OUTBOX_OK
               : refuse(error, text, "there is no such action", "use crash, error, error(WHAT) or delay(50ms)");
}

static int read_when(struct rule *rule, const char *text, const char *when, struct outbox_error *error)
{
    char *end;
    rule->when = ALWAYS;
    if (!when)
        return OUTBOX_OK;
    rule->count = strtoull(when, &end, 10);
    rule->when = !strcmp(end, "+") ? FROM : !strcmp(end, "%") ? PERCENT : NTH;
    if (!rule->count || (rule->when == NTH && *end) || (rule->when == PERCENT && rule->count > 100))
        return refuse(error, text, "the time is invalid", "use @3 (the third time), @3+ (from then on) or @25%");
    return OUTBOX_OK;
}

static int read_rule(struct rule *rule, const char *text, struct outbox_error *error)
{
    char copy[MAX_RULE_TEXT];
    memset(rule, 0, sizeof *rule);
    snprintf(copy, sizeof copy, "%s", text);
    char *action = strchr(copy, '='), *when = strrchr(copy, '@');
    if (!action)
        return refuse(error, text, "the action is missing", "write NAME=crash, NAME=error(WHAT) or NAME=delay(50ms)");
    *action++ = '\0';
    if (when)
        *when++ = '\0';
    int code = find_point(rule, text, copy, error);
    if (!code)
        code = read_action(rule, text, action, error);
    return code ? code : read_when(rule, text, when, error);
}

int obx_failpoints_arm(const char *text, struct outbox_error *error)
{
    unsigned count = 0;
    armed = 0;
    for (const char *at = text ? text : ""; *at;) {
        char one[MAX_RULE_TEXT];
        size_t size = strcspn(at, ";");
        if (size >= sizeof one || count == MAX_RULES)
            return obx_error_set(error, OUTBOX_E_CONFIG, "OUTBOX_FAILPOINTS: too long at '%.*s...'",
                                 OUTBOX_CUT(at, 40));
        memcpy(one, at, size);
        one[size] = '\0';
        if (size && read_rule(&rules[count++], one, error))
            return error ? error->code : OUTBOX_E_CONFIG;
        at += size + (at[size] == ';');
    }
    armed = count;
    return OUTBOX_OK;
}

/* ---- triggering ---- */

static bool is_due(const struct rule *rule, uint64_t hit)
{
    switch (rule->when) {
    case NTH:
        return hit == rule->count;
    case FROM:
        return hit >= rule->count;
    case PERCENT:
        return (hit * 0x9e3779b97f4a7c15u >> 32) % 100 < rule->count;
    default:
        return true;
    }
}

static int trigger(const struct rule *rule, uint64_t hit, struct outbox_error *error)
{
    static const char *const names[] = {"crash", "error", "delay"};
    const char *name = rule->point->name;
    dprintf(STDERR_FILENO, "failpoint %s: %s, hit %llu\n", name, names[rule->action], (unsigned long long)hit);
    if (rule->action == DELAY) {
        struct timespec pause = {(time_t)(rule->delay_us / 1000000), (long)(rule->delay_us % 1000000) * 1000};
        while (nanosleep(&pause, &pause) && errno == EINTR) {
        }
        return 0;
    }
    if (rule->action == FAIL) {
        if (rule->point->fails == CODE)
            obx_error_set(error, rule->failure, "failpoint %s", name);
        return rule->failure;
    }
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

int obx_failpoint(const char *name, struct outbox_error *error)
{
    int code = 0;
    for (unsigned i = 0; i < armed; i++) {
        struct rule *rule = &rules[i];
        if (strcmp(rule->point->name, name) != 0)
            continue;
        uint64_t hit = atomic_fetch_add(&rule->hits, 1) + 1;
        if (!code && is_due(rule, hit))
            code = trigger(rule, hit, error);
    }
    return code;
}
