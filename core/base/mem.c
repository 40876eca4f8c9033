/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/mem.c - allocates from the C library; the out-of-memory tests link tests/support/mem_fault.c instead */
#include "base/mem.h"

#include <stdlib.h>

void *obx_alloc(size_t size)
{
    return calloc(1, size ? size : 1);
}

void *obx_resize(void *memory, size_t size)
{
    return realloc(memory, size ? size : 1);
}

void obx_free(void *memory)
{
    free(memory);
}
