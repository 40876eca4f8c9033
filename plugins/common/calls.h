/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/common/calls.h - what every decorator needs: calls by name, and passing a call to the inner plugin
 *
 * A decorator handles each operation as a call with one argument: one function instead of a dozen. The lists
 * DECO_STORE_OPS and DECO_BROKER_OPS generate the functions of the ABI from it.
 */
#ifndef OBX_PLUGINS_COMMON_CALLS_H
#define OBX_PLUGINS_COMMON_CALLS_H

#include <outbox/plugin_util.h>

/* X(CALL, function, type of its argument) */
#define DECO_STORE_OPS(X)                                             \
    X(START, start, const struct outbox_store_start)                  \
    X(ACQUIRE, acquire, struct outbox_acquire)                        \
    X(CLAIM, claim, struct outbox_claim)                              \
    X(SETTLE, settle, const struct outbox_settle)                     \
    X(DEAD_LETTER, dead_letter, const struct outbox_dead_letter_rows) \
    X(CHECK, check, const struct outbox_check)                        \
    X(STATUS, status, struct outbox_store_status)                     \
    X(ADD, add, const struct outbox_add)                              \
    X(DEAD, dead, struct outbox_dead)
#define DECO_STORE_PLAIN_OPS(X) \
    X(STOP, stop)               \
    X(RENEW, renew)             \
    X(SETUP, setup)             \
    X(SETUP_INBOX, setup_inbox)
#define DECO_BROKER_OPS(X)                            \
    X(START, start, const struct outbox_broker_start) \
    X(PUBLISH, publish, const struct outbox_publish)  \
    X(CHECK, check, const struct outbox_check)
#define DECO_BROKER_PLAIN_OPS(X) X(STOP, stop)

enum deco_call {
    DECO_START,
    DECO_STOP,
    DECO_ACQUIRE,
    DECO_RENEW,
    DECO_CLAIM,
    DECO_SETTLE,
    DECO_DEAD_LETTER,
    DECO_SETUP,
    DECO_SETUP_INBOX,
    DECO_CHECK,
    DECO_STATUS,
    DECO_ADD,
    DECO_DEAD,
    DECO_PUBLISH,
    DECO_CALLS
};

extern const char *const deco_call_names[DECO_CALLS];

/* Arguments are passed as void *; the function of the inner plugin adds const again. */
static inline void *deco_argument(const void *argument)
{
    return (void *)(uintptr_t)argument;
}

/* "claim, settle" into bits 1 << DECO_...; a name that this kind of plugin lacks is an error. Fills error. */
int deco_parse_calls(const char *text, enum outbox_kind kind, uint32_t *calls, struct outbox_error *error);

/* Does the inner plugin have the function? */
bool deco_has(const struct outbox_inner *inner, enum outbox_kind kind, enum deco_call call);
/* Submits the call to the inner plugin, which has the function. */
void deco_pass(const struct outbox_inner *inner, enum outbox_kind kind, enum deco_call call, outbox_op_t child,
               void *argument);
void deco_cancel(const struct outbox_inner *inner, enum outbox_kind kind, outbox_op_t child);

#endif
