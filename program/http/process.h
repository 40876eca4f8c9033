/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/process.h - what the kernel knows of this process, for the metrics process_* */
#ifndef OBX_PROGRAM_HTTP_PROCESS_H
#define OBX_PROGRAM_HTTP_PROCESS_H

/* Seconds, bytes, descriptors; 0: unknown, as without /proc. */
struct obx_process {
    double cpu_s, start_s; /* CPU time used; start, since 1970 */
    double resident, virtual_memory;
    double open_fds, max_fds;
};

/* Any thread; reads /proc. */
void obx_process_read(struct obx_process *process);

#endif
