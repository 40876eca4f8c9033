/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/mem.h - every allocation of the library goes through here, so that tests can make it fail */
#ifndef OBX_BASE_MEM_H
#define OBX_BASE_MEM_H

#include <stddef.h>

void *obx_alloc(size_t size);                /* zeroed; NULL without memory */
void *obx_resize(void *memory, size_t size); /* added bytes are not zeroed; on failure memory stays valid */
void obx_free(void *memory);                 /* NULL is fine */
char *obx_strdup(const char *text);
char *obx_strndup(const char *text, size_t size);
void obx_wipe(void *memory, size_t size); /* overwrite a secret; not optimised away */

#define OBX_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define OBX_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OBX_MIN(a, b) ((a) < (b) ? (a) : (b))
#define OBX_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
