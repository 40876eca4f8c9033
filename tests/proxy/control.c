/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/control.c - commands that change the rules of a route
 *
 *     ROUTE VERB [up | down] [NUMBER [NUMBER]]     ROUTE may be "all"; without a direction: both
 *       latency MS [JITTER]   rate BYTES_PER_SECOND   stall   blackhole   cut BYTES     rules, until "clear"
 *       hold                  the links that are open now stall, new ones pass, until "clear"
 *       down                  new clients are reset, until "clear"
 *       reset                 all links end now; no rule changes
 *       clear                 removes all rules; links that lost bytes end now
 *       status                "ok links N lost N up BYTES down BYTES": open links, links that lost bytes, and the
 *                             bytes that have passed since the start
 *
 * Each line has one response. An invalid line changes nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proxy.h"

struct command {
    char route[32], verb[16];
    bool directions[PROXY_DIRECTIONS];
    uint64_t numbers[2];
    int count; /* numbers */
};

static bool parse(const char *line, struct command *command)
{
    char direction[8] = "";
    int used = 0;
    *command = (struct command){.count = 0};
    if (sscanf(line, "%31s %15s%n", command->route, command->verb, &used) < 2)
        return false;
    line += used;
    if (sscanf(line, " %7[a-z]%n", direction, &used) == 1)
        line += used;
    command->directions[PROXY_UP] = strcmp(direction, "down") != 0;
    command->directions[PROXY_DOWN] = strcmp(direction, "up") != 0;
    command->count = sscanf(line, "%" SCNu64 " %" SCNu64, &command->numbers[0], &command->numbers[1]);
    command->count = command->count < 0 ? 0 : command->count;
    return !*direction || !strcmp(direction, "up") || !strcmp(direction, "down");
}

/* False: no such rule, or a wrong count of numbers. */
static bool make_rule(const struct command *command, struct proxy_rule *rule)
{
    if (!strcmp(command->verb, "stall") || !strcmp(command->verb, "blackhole")) {
        rule->mode = *command->verb == 's' ? PROXY_STALL : PROXY_BLACKHOLE;
        return command->count == 0;
    }
    if (!strcmp(command->verb, "latency")) {
        rule->latency_ms = command->numbers[0];
        rule->jitter_ms = command->numbers[1];
        return command->count >= 1;
    }
    if (!strcmp(command->verb, "rate"))
        rule->rate = command->numbers[0];
    else if (!strcmp(command->verb, "cut")) {
        rule->cut = true;
        rule->cut_after = command->numbers[0];
    } else
        return false;
    return command->count == 1;
}

static void clear(struct proxy_route *route)
{
    memset(route->rules, 0, sizeof route->rules);
    route->down = false;
    proxy_route_release(route);
    proxy_route_reset(route, true);
    proxy_route_changed(route);
}

static unsigned count_lost(const struct proxy_route *route)
{
    unsigned count = 0;
    for (const struct proxy_link *link = route->links; link; link = link->next)
        count += link->lost && !link->closing;
    return count;
}

static bool apply(struct proxy_route *route, const struct command *command, char response[200])
{
    struct proxy_rule rules[PROXY_DIRECTIONS];
    memcpy(rules, route->rules, sizeof rules);
    if (!strcmp(command->verb, "status"))
        snprintf(response, 200, "ok links %u lost %u up %" PRIu64 " down %" PRIu64, route->count, count_lost(route),
                 route->passed[PROXY_UP], route->passed[PROXY_DOWN]);
    else if (!strcmp(command->verb, "clear"))
        clear(route);
    else if (!strcmp(command->verb, "reset"))
        proxy_route_reset(route, false);
    else if (!strcmp(command->verb, "hold"))
        proxy_route_hold(route, command->directions);
    else if (!strcmp(command->verb, "down"))
        route->down = true;
    else {
        for (int i = 0; i < PROXY_DIRECTIONS; i++)
            if (command->directions[i] && !make_rule(command, &rules[i]))
                return false;
        memcpy(route->rules, rules, sizeof rules);
        proxy_route_changed(route);
    }
    return true;
}

void proxy_control(struct proxy_route *routes, const char *line, char response[200])
{
    struct command command;
    bool found = false, valid = parse(line, &command);
    strcpy(response, "ok");
    for (struct proxy_route *route = routes; valid && route; route = route->next) {
        if (strcmp(command.route, "all") != 0 && strcmp(command.route, route->name) != 0)
            continue;
        found = true;
        valid = apply(route, &command, response);
    }
    if (!valid)
        snprintf(response, 200, "error: invalid command: %.150s", line);
    else if (!found)
        snprintf(response, 200, "error: no route %s", command.route);
}
