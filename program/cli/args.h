/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/args.h - the command line of a verb
 *
 * Every verb takes --help, and those that read the configuration -c FILE, --relay NAME and --verbose; these are
 * handled here. A verb lists its own options after OBX_ARGS_COMMON and gets them from obx_args_next().
 */
#ifndef OBX_PROGRAM_CLI_ARGS_H
#define OBX_PROGRAM_CLI_ARGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "verbs/verb.h"

/* Values above all characters, so that a verb may use letters and small numbers for its own. */
enum { OBX_ARG_HELP = 1000, OBX_ARG_RELAY, OBX_ARG_VERBOSE };

#define OBX_ARGS_HELP                           \
    {                                           \
        "help", no_argument, NULL, OBX_ARG_HELP \
    }
#define OBX_ARGS_COMMON                                                                                         \
    OBX_ARGS_HELP, {"config", required_argument, NULL, 'c'}, {"relay", required_argument, NULL, OBX_ARG_RELAY}, \
    {                                                                                                           \
        "verbose", no_argument, NULL, OBX_ARG_VERBOSE                                                           \
    }

struct obx_args {
    const struct obx_verb *verb;
    const struct option *options; /* ends with a zero entry */
    int argc;
    char **argv;

    /* out */
    const char *config; /* -c; NULL: not given */
    const char *relay;  /* --relay; NULL: not given */
    bool verbose;
    bool finished; /* --help was answered or the line is wrong: leave with `exit` */
    int exit;
};

/* The next option of the verb's own (its value is in optarg); -1 after the last, or when finished. */
int obx_args_next(struct obx_args *args);
/* What stands after the options. Checks that there are min to max of them; finished if not. */
char **obx_args_rest(struct obx_args *args, int min, int max, int *count);
/* There may be none. True: the verb is done, with args->exit. */
bool obx_args_end(struct obx_args *args);

/* A whole number, and nothing else, from min to max. */
bool obx_args_number(const char *word, uint64_t min, uint64_t max, uint64_t *number);

/* "outbox VERB: text; see outbox VERB --help" on stderr; returns the usage exit code. */
int obx_args_refuse(const struct obx_verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
