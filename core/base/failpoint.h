/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/failpoint.h - arming failpoints, and the failpoint macros of the core; only in builds with failpoints
 *
 * include/outbox/failpoint.h defines and lists them. The armed rules are the only global state of the core. They belong
 * to the process, as the environment does that they are read from.
 */
#ifndef OBX_BASE_FAILPOINT_H
#define OBX_BASE_FAILPOINT_H

#include <outbox/failpoint.h>

#ifdef OUTBOX_WITH_FAILPOINTS

/* Replace the armed rules; NULL and "" disarm. Call it before other threads exist. Errors: CONFIG. */
int obx_failpoints_arm(const char *text, struct outbox_error *error);

/* The value of OUTBOX_FAILPOINT_ERROR. Any thread. */
int obx_failpoint(const char *name, struct outbox_error *error);

/* Entry `index` of the list; false past the end. error: "", "errno" or "code". */
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
