/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/text.c - copies strings and wipes secrets */
#include "base/mem.h"

#include <string.h>

char *obx_strdup(const char *text)
{
    return obx_strndup(text, strlen(text));
}

char *obx_strndup(const char *text, size_t size)
{
    char *copy = obx_alloc(size + 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void obx_wipe(void *memory, size_t size)
{
    volatile unsigned char *byte = memory;
    while (size--)
        *byte++ = 0;
}
