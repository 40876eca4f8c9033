/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/mem_fault.h - an allocator that counts blocks and fails on request */
#ifndef OBX_TESTS_SUPPORT_MEM_FAULT_H
#define OBX_TESTS_SUPPORT_MEM_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Fail the n-th allocation from now (1 = the next); persistent: and every later one. 0 = never. */
void mem_fail_at(size_t n, bool persistent);
bool mem_failed(void); /* did one fail since mem_fail_at? */
size_t mem_live(void); /* blocks allocated and not freed */

#endif
