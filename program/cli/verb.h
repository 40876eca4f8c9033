/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/verb.h - a verb of the program: `outbox run`, `outbox status`, ... */
#ifndef OBX_PROGRAM_CLI_VERB_H
#define OBX_PROGRAM_CLI_VERB_H

#include <stdbool.h>

struct obx_verb {
    const char *name;
    const char *summary;                                            /* for `outbox --help` */
    const char *synopsis;                                           /* after the verb's name: "[--json] ..." */
    const char *help;                                               /* the options in its --help; may be NULL */
    int (*run)(const struct obx_verb *verb, int argc, char **argv); /* argv[0] is the verb; returns the exit code */
    bool hidden;                                                    /* not in `outbox --help` */
};

#endif
