/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/json_fields.h - reads fields of the JSON of a running service, which may lack any */
#ifndef OBX_PROGRAM_CLI_JSON_FIELDS_H
#define OBX_PROGRAM_CLI_JSON_FIELDS_H

#include <jansson.h>

/* "": absent, or no string. */
static inline const char *obx_json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* 0: absent, or no integer. */
static inline json_int_t obx_json_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

#endif
