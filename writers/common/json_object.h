/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/json_object.h - is this text one JSON object?
 *
 * The grammar of RFC 8259, with the limits of the relay: nesting of at most 64, at most 32 members. No allocation, no
 * state. tests/fuzz compares it with the reader of the relay and with another parser.
 */
#ifndef OBX_WRITERS_COMMON_JSON_OBJECT_H
#define OBX_WRITERS_COMMON_JSON_OBJECT_H

#include <outbox/event.h>

/* NULL if it is; else what is wrong, "a string does not end", and in *offset the byte where. */
const char *obx_json_object_error(struct outbox_bytes text, size_t *offset);

#endif
