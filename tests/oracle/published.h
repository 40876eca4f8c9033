/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/published.h - one published line */
#ifndef OBX_TESTS_ORACLE_PUBLISHED_H
#define OBX_TESTS_ORACLE_PUBLISHED_H

#include <jansson.h>

#include "oracle.h"

struct oracle_line {
    json_t *object;
    struct oracle_sighting seen; /* points into the object */
};

/* False: not an event. Drop the line in any case. */
bool oracle_line_parse(struct oracle_line *line, const char *text, size_t size);
void oracle_line_drop(struct oracle_line *line);

#endif
