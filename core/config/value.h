/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/value.h - the texts of numbers, sizes and durations, both ways
 *
 * A size is a whole number of bytes, with an optional unit: KiB MiB GiB TiB are powers of 1024, kB MB GB TB and k M G T
 * powers of 1000. A duration needs a unit, ms s m h or d, unless it is 0. Case is ignored, and a space before the unit
 * is allowed. A written text reads back as the same number.
 */
#ifndef OBX_CONFIG_VALUE_H
#define OBX_CONFIG_VALUE_H

#include <outbox/plugin.h>

enum obx_value { OBX_VALUE_OK, OBX_VALUE_BAD, OBX_VALUE_TOO_LARGE, OBX_VALUE_NO_UNIT };

bool obx_value_bool(const char *text, bool *value); /* true false yes no on off */
enum obx_value obx_value_int(const char *text, int64_t *value);
enum obx_value obx_value_size(const char *text, int64_t *bytes);
enum obx_value obx_value_duration(const char *text, int64_t *ms);

#define OBX_VALUE_TEXT 32
const char *obx_value_size_text(int64_t bytes, char text[OBX_VALUE_TEXT]);
const char *obx_value_duration_text(int64_t ms, char text[OBX_VALUE_TEXT]);
/* type: enum outbox_option_type. */
const char *obx_value_print(uint32_t type, int64_t value, char text[OBX_VALUE_TEXT]);

#endif
