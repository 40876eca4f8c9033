/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/exit_code.c - one table from error codes to exit codes, so that scripts can rely on them */
#include "cli/exit_code.h"

#include <stdio.h>

#include "base/mem.h"
#include "cli/escape.h"

enum obx_exit obx_exit_code(int status)
{
    switch (status) {
    case OUTBOX_OK:
        return OBX_EXIT_OK;
    case OUTBOX_E_CONFIG:
    case OUTBOX_E_INVALID:
    case OUTBOX_E_NOT_FOUND:
    case OUTBOX_E_SCHEMA:
    case OUTBOX_E_UNSUPPORTED:
    case OUTBOX_E_ABI:
        return OBX_EXIT_CONFIG;
    case OUTBOX_E_PERMISSION:
        return OBX_EXIT_PERMISSION;
    case OUTBOX_E_CORRUPT:
    case OUTBOX_E_REJECTED:
        return OBX_EXIT_DATA;
    case OUTBOX_E_CANCELED:
    case OUTBOX_E_AGAIN:
    case OUTBOX_E_STANDBY:
    case OUTBOX_E_FENCED:
    case OUTBOX_E_UNKNOWN_OUTCOME:
        return OBX_EXIT_AGAIN;
    case OUTBOX_E_BUG:
        return OBX_EXIT_BUG;
    default:
        return OBX_EXIT_UNAVAILABLE;
    }
}

enum obx_exit obx_exit_worse(enum obx_exit a, enum obx_exit b)
{
    static const enum obx_exit order[] = {OBX_EXIT_BUG,  OBX_EXIT_USAGE,       OBX_EXIT_CONFIG, OBX_EXIT_PERMISSION,
                                          OBX_EXIT_DATA, OBX_EXIT_UNAVAILABLE, OBX_EXIT_AGAIN};
    for (size_t i = 0; i < OBX_COUNT(order); i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return OBX_EXIT_OK;
}

enum obx_exit obx_exit_report(const char *verb, const struct outbox_error *error)
{
    obx_escape_line(stderr, "outbox %s: %s", verb, error->text);
    return obx_exit_code(error->code);
}
