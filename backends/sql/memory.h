/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/memory.h - arrays that grow, in memory of the host
 *
 * Everything in backends/sql allocates through the host table of the plugin that uses it.
 */
#ifndef OBX_BACKENDS_SQL_MEMORY_H
#define OBX_BACKENDS_SQL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <outbox/plugin.h>

/* Make room for `need` elements of `size` bytes; *array and *room change only on success. */
bool obx_sql_grow(const struct outbox_host *host, void **array, uint32_t *room, uint32_t need, size_t size);

/* A copy of text that lives until host->release(). NULL when there is no memory. */
char *obx_sql_strdup(const struct outbox_host *host, const char *text);

#endif
