/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/failpoint.h - the failpoints of a build for tests: what is armed, and the macros of the core
 *
 * include/outbox/failpoint.h says what they are and lists them. What is armed belongs to the process, like the
 * environment that it comes from: the one global of the core, and only of such a build.
 */
#ifndef OBX_BASE_FAILPOINT_H
#define OBX_BASE_FAILPOINT_H

#include <outbox/failpoint.h>

#ifdef OUTBOX_WITH_FAILPOINTS

/* Arm what the text says, instead of what was armed before; NULL and "" disarm. Before there are other threads. */
int obx_failpoints_arm(const char *text, struct outbox_error *error);

/* Any thread. What OUTBOX_FAILPOINT_ERROR gives. */
int obx_failpoint(const char *name, struct outbox_error *error);

/* The list, for those who print it: false behind its end. error: "", "errno" or "code". */
struct obx_failpoint_info {
    const char *name, *error, *where;
};
bool obx_failpoint_info(unsigned index, struct obx_failpoint_info *info);

#define OBX_FAILPOINT(group, step) ((void)obx_failpoint(OUTBOX_FAILPOINT_NAME(group, step), NULL))
#define OBX_FAILPOINT_ERROR(group, step, error) obx_failpoint(OUTBOX_FAILPOINT_NAME(group, step), (error))

#else
#define OBX_FAILPOINT(group, step) ((void)0)
#define OBX_FAILPOINT_ERROR(group, step, error) 0
#endif

#endif
