/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/control.c - the words that change the rules of a route while it runs
 *
 *     ROUTE VERB [up | down] [NUMBER [NUMBER]]     ROUTE may be "all"; without a direction both are meant
 *       latency MS [JITTER]   rate BYTES_PER_SECOND   stall   blackhole   cut BYTES     rules, until "clear"
 *       down                  new clients are reset, until "clear"
 *       reset                 all links end now; no rule changes
 *       clear                 no rules any more; links that lost something end now
 *       status                "ok links N lost N up BYTES down BYTES": how many there are, and have swallowed
 * something; bytes that have passed since the start
 *
 * Each line has one answer. A line that makes no sense changes nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proxy.h"

struct words {
    char route[32], verb[16];
    bool meant[PROXY_DIRECTIONS];
    uint64_t numbers[2];
    int count; /* numbers */
};

static bool split(const char *line, struct words *words)
{
    char direction[8] = "";
    int used = 0;
    *words = (struct words){.count = 0};
    if (sscanf(line, "%31s %15s%n", words->route, words->verb, &used) < 2)
        return false;
    line += used;
    if (sscanf(line, " %7[a-z]%n", direction, &used) == 1)
        line += used;
    words->meant[PROXY_UP] = strcmp(direction, "down") != 0;
    words->meant[PROXY_DOWN] = strcmp(direction, "up") != 0;
    words->count = sscanf(line, "%" SCNu64 " %" SCNu64, &words->numbers[0], &words->numbers[1]);
    words->count = words->count < 0 ? 0 : words->count;
    return !*direction || !strcmp(direction, "up") || !strcmp(direction, "down");
}

/* False: no such rule, or not so many numbers. */
static bool make_rule(const struct words *words, struct proxy_rule *rule)
{
    if (!strcmp(words->verb, "stall") || !strcmp(words->verb, "blackhole")) {
        rule->mode = *words->verb == 's' ? PROXY_STALL : PROXY_BLACKHOLE;
        return words->count == 0;
    }
    if (!strcmp(words->verb, "latency")) {
        rule->latency_ms = words->numbers[0];
        rule->jitter_ms = words->numbers[1];
        return words->count >= 1;
    }
    if (!strcmp(words->verb, "rate"))
        rule->rate = words->numbers[0];
    else if (!strcmp(words->verb, "cut")) {
        rule->cut = true;
        rule->cut_after = words->numbers[0];
    } else
        return false;
    return words->count == 1;
}

static void clear(struct proxy_route *route)
{
    memset(route->rules, 0, sizeof route->rules);
    route->down = false;
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

static bool apply(struct proxy_route *route, const struct words *words, char answer[200])
{
    struct proxy_rule rules[PROXY_DIRECTIONS];
    memcpy(rules, route->rules, sizeof rules);
    if (!strcmp(words->verb, "status"))
        snprintf(answer, 200, "ok links %u lost %u up %" PRIu64 " down %" PRIu64, route->count, count_lost(route),
                 route->passed[PROXY_UP], route->passed[PROXY_DOWN]);
    else if (!strcmp(words->verb, "clear"))
        clear(route);
    else if (!strcmp(words->verb, "reset"))
        proxy_route_reset(route, false);
    else if (!strcmp(words->verb, "down"))
        route->down = true;
    else {
        for (int i = 0; i < PROXY_DIRECTIONS; i++)
            if (words->meant[i] && !make_rule(words, &rules[i]))
                return false;
        memcpy(route->rules, rules, sizeof rules);
        proxy_route_changed(route);
    }
    return true;
}

void proxy_control(struct proxy_route *routes, const char *line, char answer[200])
{
    struct words words;
    bool found = false, fine = split(line, &words);
    strcpy(answer, "ok");
    for (struct proxy_route *route = routes; fine && route; route = route->next) {
        if (strcmp(words.route, "all") != 0 && strcmp(words.route, route->name) != 0)
            continue;
        found = true;
        fine = apply(route, &words, answer);
    }
    if (!fine)
        snprintf(answer, 200, "error: not understood: %.150s", line);
    else if (!found)
        snprintf(answer, 200, "error: no route %s", words.route);
}
