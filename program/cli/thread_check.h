/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/thread_check.h - can this process create the worker threads that it needs? */
#ifndef OBX_PROGRAM_CLI_THREAD_CHECK_H
#define OBX_PROGRAM_CLI_THREAD_CHECK_H

#include <outbox/plugin.h>

/* OUTBOX_OK; NO_MEMORY if a limit on processes or memory is too low. */
int obx_thread_check(struct outbox_error *error);

#endif
