/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/trim_memory.h - memory that was needed for a while, and is not now, goes back to the kernel
 */
#ifndef OBX_PROGRAM_DAEMON_TRIM_MEMORY_H
#define OBX_PROGRAM_DAEMON_TRIM_MEMORY_H

/* Changes nothing but the resident set. Any thread; best a worker, in a program that has nothing to do. */
void obx_trim_memory(void);

#endif
