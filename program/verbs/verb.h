/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/verb.h - the verbs of the program; each has a file of its own */
#ifndef OBX_PROGRAM_VERBS_VERB_H
#define OBX_PROGRAM_VERBS_VERB_H

#include <stdbool.h>

struct obx_verb {
    const char *name;
    const char *summary;                                            /* for `outbox --help` */
    const char *synopsis;                                           /* after the verb's name: "[--json] ..." */
    const char *help;                                               /* the rest of its own --help; may be NULL */
    int (*run)(const struct obx_verb *verb, int argc, char **argv); /* argv[0] is the verb; returns the exit code */
    bool hidden;
};

extern const struct obx_verb obx_verb_init, obx_verb_check, obx_verb_run, obx_verb_drain, obx_verb_add, obx_verb_status,
    obx_verb_dead, obx_verb_plugins, obx_verb_bench, obx_verb_reference;

#endif
