/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/thread_check.h - can this process have the threads that it will need? */
#ifndef OBX_PROGRAM_DAEMON_THREAD_CHECK_H
#define OBX_PROGRAM_DAEMON_THREAD_CHECK_H

#include <outbox/plugin.h>

/* OUTBOX_OK; NO_MEMORY where a limit on processes or on memory forbids it. */
int obx_workers_try(struct outbox_error *error);

#endif
