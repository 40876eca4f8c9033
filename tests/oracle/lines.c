/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/lines.c - reads lines; memory is bounded by the longest line */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int oracle_each_line(struct oracle *oracle, const char *path,
                     int (*each)(struct oracle *oracle, char *line, size_t size, uint64_t number,
                                 struct outbox_error *error),
                     uint64_t *unfinished, struct outbox_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return obx_error_set(error, OUTBOX_E_IO, "open %s: %s", path, strerror(errno));
    char *line = NULL; /* getline's */
    size_t room = 0;
    int result = OUTBOX_OK;
    ssize_t size;
    for (uint64_t number = 1; result == OUTBOX_OK && (size = getline(&line, &room, file)) > 0; number++) {
        if (line[size - 1] != '\n') {
            if (unfinished)
                *unfinished += (uint64_t)size;
            break;
        }
        line[--size] = '\0';
        result = each(oracle, line, (size_t)size, number, error);
        if (result != OUTBOX_OK)
            obx_error_wrap(error, "%s:%llu", path, (unsigned long long)number);
    }
    if (result == OUTBOX_OK && ferror(file))
        result = obx_error_set(error, OUTBOX_E_IO, "read %s: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return result;
}
