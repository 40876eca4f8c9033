/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/verbs.h - the verbs of the program; each has its own file */
#ifndef OBX_PROGRAM_VERBS_VERBS_H
#define OBX_PROGRAM_VERBS_VERBS_H

#include "cli/verb.h"

extern const struct obx_verb obx_verb_init, obx_verb_check, obx_verb_run, obx_verb_drain, obx_verb_add, obx_verb_status,
    obx_verb_dead, obx_verb_pause, obx_verb_resume, obx_verb_retry, obx_verb_skip, obx_verb_plugins, obx_verb_bench,
    obx_verb_reference;

#endif
