/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/exit_code.h - the fixed exit codes of the program, and how an error becomes one */
#ifndef OBX_PROGRAM_CLI_EXIT_CODE_H
#define OBX_PROGRAM_CLI_EXIT_CODE_H

#include <outbox/error.h>

enum obx_exit {
    OBX_EXIT_OK = 0,
    OBX_EXIT_USAGE = 64,       /* the command line is wrong */
    OBX_EXIT_DATA = 65,        /* an event or an input line is invalid */
    OBX_EXIT_UNAVAILABLE = 69, /* a database, broker, file or resource limit prevents it now */
    OBX_EXIT_BUG = 70,
    OBX_EXIT_AGAIN = 75, /* interrupted, or another relay owns the outbox; the same call may succeed later */
    OBX_EXIT_PERMISSION = 77,
    OBX_EXIT_CONFIG = 78,
};

enum obx_exit obx_exit_code(int status);

/* The more important of two exit codes: BUG, USAGE, CONFIG, PERMISSION, DATA, UNAVAILABLE, AGAIN, OK. */
enum obx_exit obx_exit_worse(enum obx_exit a, enum obx_exit b);

/* "outbox VERB: text" on stderr; returns the exit code of the error. */
enum obx_exit obx_exit_report(const char *verb, const struct outbox_error *error);

#endif
