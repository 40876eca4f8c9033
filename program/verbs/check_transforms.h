/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/check_transforms.h - the checks of a relay's transforms, for `outbox check` */
#ifndef OBX_PROGRAM_VERBS_CHECK_TRANSFORMS_H
#define OBX_PROGRAM_VERBS_CHECK_TRANSFORMS_H

#include "cli/context.h"
#include "cli/findings.h"

/* Runs the own checks of each transform that has any. Returns the most important exit code. */
enum obx_exit obx_check_transforms(struct obx_context *context, struct obx_findings *findings, const char *relay);

#endif
