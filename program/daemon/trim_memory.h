/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/trim_memory.h - returns freed heap memory to the kernel after a backlog */
#ifndef OBX_PROGRAM_DAEMON_TRIM_MEMORY_H
#define OBX_PROGRAM_DAEMON_TRIM_MEMORY_H

/* Any thread. Takes the heap's lock for milliseconds if much was freed: call it on a worker, while the process is idle.
 */
void obx_trim_memory(void);

#endif
