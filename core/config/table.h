/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/table.h - reads an option table whose entries may have the size of another version */
#ifndef OBX_CONFIG_TABLE_H
#define OBX_CONFIG_TABLE_H

#include <string.h>

#include <outbox/plugin.h>

#include "base/mem.h"

/* Fields that a smaller entry lacks are zero. */
static inline struct outbox_option obx_option_at(const struct outbox_option *options, uint32_t stride, uint32_t index)
{
    struct outbox_option option = {0};
    memcpy(&option, (const char *)options + (size_t)stride * index, OBX_MIN((size_t)stride, sizeof option));
    return option;
}

#endif
