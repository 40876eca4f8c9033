/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/mem_fault.h - an allocator that counts blocks and bytes, and fails on request */
#ifndef OBX_TESTS_SUPPORT_MEM_FAULT_H
#define OBX_TESTS_SUPPORT_MEM_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Fail the n-th allocation from now (1 = the next); persistent: and every later one. 0 = never. */
void mem_fail_at(size_t n, bool persistent);
bool mem_failed(void); /* did one fail since mem_fail_at? */
size_t mem_live(void); /* blocks allocated and not freed */
size_t mem_live_bytes(void);
/* The most bytes that were allocated at one time since the last call, above those that were allocated at that call. */
size_t mem_grown(void);

#endif
