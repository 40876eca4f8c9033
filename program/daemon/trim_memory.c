/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/trim_memory.c - returns freed heap memory to the kernel after a backlog
 *
 * A backlog fills the byte budget of each relay and the queues of the client libraries. When it is gone, the C library
 * keeps the freed memory, which is private dirty memory that no other process can use. malloc_trim() returns it.
 *
 * After 300,000 events from Postgres to Kafka that is about 20 MB and takes 4 to 16 ms of processor time on a small
 * cloud machine, in one step. So a worker calls it. The loop waits meanwhile if it needs the lock of the heap.
 */
#include "daemon/trim_memory.h"

#include <malloc.h>

void obx_trim_memory(void)
{
#ifdef __GLIBC__ /* musl returns memory on its own */
    malloc_trim(0);
#endif
}
