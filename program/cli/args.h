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

#include "cli/verb.h"

/* Above all characters: a verb uses letters and small numbers for its own options. */
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
    const char *config; /* -c; NULL: absent */
    const char *relay;  /* --relay; NULL: absent */
    bool verbose;
    bool finished; /* --help was printed, or the command line is wrong: return `exit` */
    int exit;
};

/* The next option of the verb's own (its value is in optarg); -1 after the last, or when finished. */
int obx_args_next(struct obx_args *args);
/* The arguments after the options. Fewer than min or more than max: finished. */
char **obx_args_rest(struct obx_args *args, int min, int max, int *count);
/* No arguments are allowed. True: the verb returns args->exit. */
bool obx_args_end(struct obx_args *args);

/* A decimal number from min to max, without a sign or anything after it. */
bool obx_args_number(const char *word, uint64_t min, uint64_t max, uint64_t *number);

/* A duration above 0 with its unit, like 90s or 10m, in milliseconds. */
bool obx_args_duration(const char *word, int64_t *ms);

/* "outbox VERB: text; see outbox VERB --help" on stderr; returns the usage exit code. */
int obx_args_refuse(const struct obx_verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
