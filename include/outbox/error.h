/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/error.h - error codes and error values, shared by embedders and plugins
 *
 * Zero is success; a negative code is an error. An error value is plain memory that the caller owns: setting it
 * allocates nothing and cannot fail. A text names what was attempted, on what, why it failed, and what to do; it is
 * lower case without a full stop.
 */
#ifndef OUTBOX_ERROR_H
#define OUTBOX_ERROR_H

#include <stdint.h>

#if defined(__GNUC__)
#define OUTBOX_API __attribute__((visibility("default")))
#else
#define OUTBOX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, text): appended to, never reordered. */
#define OUTBOX_ERRORS(X)                                           \
    X(NO_MEMORY, -1, "out of memory")                              \
    X(INVALID, -2, "invalid argument")                             \
    X(CONFIG, -3, "bad configuration")                             \
    X(NOT_CONNECTED, -4, "not connected")                          \
    X(TIMEOUT, -5, "timed out")                                    \
    X(CANCELED, -6, "canceled")                                    \
    X(AGAIN, -7, "try again")                                      \
    X(STANDBY, -8, "another relay owns this outbox")               \
    X(FENCED, -9, "ownership of this outbox was lost")             \
    X(PERMISSION, -10, "permission denied")                        \
    X(NOT_FOUND, -11, "not found")                                 \
    X(SCHEMA, -12, "the table does not have the expected columns") \
    X(CORRUPT, -13, "data is corrupt")                             \
    X(READ_ONLY, -14, "read-only")                                 \
    X(FULL, -15, "no space left")                                  \
    X(UNSUPPORTED, -16, "not supported")                           \
    X(IO, -17, "input or output failed")                           \
    X(REJECTED, -18, "rejected")                                   \
    X(UNKNOWN_OUTCOME, -19, "outcome unknown")                     \
    X(ABI, -20, "plugin does not fit this host")                   \
    X(BUG, -21, "internal error")

enum outbox_status {
    OUTBOX_OK = 0,
#define OUTBOX_ERROR_ENUM(name, value, text) OUTBOX_E_##name = value,
    OUTBOX_ERRORS(OUTBOX_ERROR_ENUM)
#undef OUTBOX_ERROR_ENUM
};

#define OUTBOX_ERROR_TEXT_SIZE 384

struct outbox_error {
    int32_t code;                      /* enum outbox_status */
    int32_t native;                    /* the client library's or the kernel's number; 0 = none */
    char state[8];                     /* SQLSTATE; "" = none */
    char text[OUTBOX_ERROR_TEXT_SIZE]; /* never empty when code is not 0 */
};

/* "NOT_FOUND"; 0: "OK"; "UNKNOWN". In each library of outbox, but not for plugins, which link none. */
OUTBOX_API const char *outbox_error_name(int code);

#ifdef __cplusplus
}
#endif
#endif
