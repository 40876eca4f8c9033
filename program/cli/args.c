/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/args.c - getopt_long with the options that all verbs share, --help, and uniform error texts */
#include "cli/args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_code.h"
#include "config/value.h"

static const char config_help[] = "  -c, --config FILE   the configuration; default: $OUTBOX_CONFIG, ./outbox.yaml,\n"
                                  "                      /etc/outbox/outbox.yaml\n";
static const char relay_help[] =
    "  --relay NAME        only this relay of the configuration, or those that match a pattern: 'shop-*'\n";
static const char verbose_help[] = "  --verbose           log to stderr from level debug on\n";

int obx_args_refuse(const struct obx_verb *verb, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "outbox %s: %s; see outbox %s --help\n", verb->name, text, verb->name);
    return OBX_EXIT_USAGE;
}

static bool has_option(const struct obx_args *args, const char *name)
{
    for (const struct option *option = args->options; option->name; option++)
        if (!strcmp(option->name, name))
            return true;
    return false;
}

static int finish(struct obx_args *args, int code)
{
    args->finished = true;
    args->exit = code;
    return -1;
}

static int print_help(struct obx_args *args)
{
    printf("usage: outbox %s %s\n\n%s\n\n", args->verb->name, args->verb->synopsis, args->verb->summary);
    if (args->verb->help)
        fputs(args->verb->help, stdout);
    fputs(has_option(args, "config") ? config_help : "", stdout);
    fputs(has_option(args, "relay") ? relay_help : "", stdout);
    fputs(has_option(args, "verbose") ? verbose_help : "", stdout);
    printf("  --help              print this text\n");
    return finish(args, OBX_EXIT_OK);
}

static int refuse_option(struct obx_args *args, int found)
{
    const char *word = args->argv[optind - 1];
    if (found == ':')
        return finish(args, obx_args_refuse(args->verb, "option %s needs a value", word));
    if (optopt > 0 && optopt < 256)
        return finish(args, obx_args_refuse(args->verb, "unknown option -%c", optopt));
    if (optopt)
        return finish(args, obx_args_refuse(args->verb, "option %s takes no value", word));
    return finish(args, obx_args_refuse(args->verb, "unknown or ambiguous option %s", word));
}

int obx_args_next(struct obx_args *args)
{
    opterr = 0;
    const char *letters = has_option(args, "config") ? ":c:h" : ":h";
    for (;;) {
        int found = getopt_long(args->argc, args->argv, letters, args->options, NULL);
        switch (found) {
        case 'c':
            args->config = optarg;
            continue;
        case OBX_ARG_RELAY:
            args->relay = optarg;
            continue;
        case OBX_ARG_VERBOSE:
            args->verbose = true;
            continue;
        case 'h':
        case OBX_ARG_HELP:
            return print_help(args);
        case '?':
        case ':':
            return refuse_option(args, found);
        default:
            return found;
        }
    }
}

char **obx_args_rest(struct obx_args *args, int min, int max, int *count)
{
    char **rest = args->argv + optind;
    *count = args->argc - optind;
    if (args->finished)
        return rest;
    if (*count < min)
        finish(args, obx_args_refuse(args->verb, "an argument is missing"));
    else if (*count > max)
        finish(args, obx_args_refuse(args->verb, "unexpected argument '%s'", rest[max]));
    return rest;
}

bool obx_args_end(struct obx_args *args)
{
    int count;
    obx_args_rest(args, 0, 0, &count);
    return args->finished;
}

bool obx_args_number(const char *word, uint64_t min, uint64_t max, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(word, &end, 10);
    return word[0] >= '0' && word[0] <= '9' && !*end && !errno && *number >= min && *number <= max;
}

bool obx_args_duration(const char *word, int64_t *ms)
{
    return obx_value_duration(word, ms) == OBX_VALUE_OK && *ms > 0;
}
