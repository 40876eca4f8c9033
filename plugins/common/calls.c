/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/common/calls.c - see calls.h. The only failure: the name of a call that this kind of plugin lacks. */
#include "calls.h"

#include <stdio.h>
#include <string.h>

const char *const deco_call_names[DECO_CALLS] = {
    [DECO_START] = "start",
    [DECO_STOP] = "stop",
    [DECO_ACQUIRE] = "acquire",
    [DECO_RENEW] = "renew",
    [DECO_CLAIM] = "claim",
    [DECO_SETTLE] = "settle",
    [DECO_DEAD_LETTER] = "dead_letter",
    [DECO_SETUP] = "setup",
    [DECO_SETUP_INBOX] = "setup_inbox",
    [DECO_CHECK] = "check",
    [DECO_STATUS] = "status",
    [DECO_ADD] = "add",
    [DECO_DEAD] = "dead",
    [DECO_PUBLISH] = "publish",
};

#define BIT(CALL, name, type) | 1u << DECO_##CALL
#define PLAIN_BIT(CALL, name) | 1u << DECO_##CALL
static const uint32_t store_calls = 0 DECO_STORE_OPS(BIT) DECO_STORE_PLAIN_OPS(PLAIN_BIT);
static const uint32_t broker_calls = 0 DECO_BROKER_OPS(BIT) DECO_BROKER_PLAIN_OPS(PLAIN_BIT);

static int find_call(const char *name, size_t size, uint32_t allowed)
{
    for (int i = 0; i < DECO_CALLS; i++)
        if ((allowed & 1u << i) && strlen(deco_call_names[i]) == size && !memcmp(deco_call_names[i], name, size))
            return i;
    return -1;
}

static int refuse(const char *name, size_t size, uint32_t allowed, struct outbox_error *error)
{
    char list[160] = "";
    for (int i = 0; i < DECO_CALLS; i++) {
        size_t used = strlen(list);
        if (allowed & 1u << i)
            snprintf(list + used, sizeof list - used, used ? ", %s" : "%s", deco_call_names[i]);
    }
    return outbox_error_set(error, OUTBOX_E_CONFIG, "unknown call '%.*s' in calls; possible are %s", (int)size, name,
                            list);
}

int deco_parse_calls(const char *text, enum outbox_kind kind, uint32_t *calls, struct outbox_error *error)
{
    static const char separators[] = ", \t";
    uint32_t allowed = kind == OUTBOX_STORE ? store_calls : broker_calls;
    *calls = 0;
    for (size_t size; *(text += strspn(text, separators)); text += size) {
        size = strcspn(text, separators);
        int call = find_call(text, size, allowed);
        if (call < 0)
            return refuse(text, size, allowed, error);
        *calls |= 1u << call;
    }
    return *calls ? OUTBOX_OK : refuse("", 0, allowed, error);
}

bool deco_has(const struct outbox_inner *inner, enum outbox_kind kind, enum deco_call call)
{
#define HAS(CALL, name, type) [DECO_##CALL] = ops->name != NULL,
#define HAS_PLAIN(CALL, name) [DECO_##CALL] = ops->name != NULL,
    if (kind == OUTBOX_STORE) {
        const struct outbox_store_ops *ops = inner->ops;
        const bool has[DECO_CALLS] = {DECO_STORE_OPS(HAS) DECO_STORE_PLAIN_OPS(HAS_PLAIN)};
        return has[call];
    }
    const struct outbox_broker_ops *ops = inner->ops;
    const bool has[DECO_CALLS] = {DECO_BROKER_OPS(HAS) DECO_BROKER_PLAIN_OPS(HAS_PLAIN)};
    return has[call];
}

#define PASS(CALL, name, type)                   \
    case DECO_##CALL:                            \
        ops->name(inner->self, child, argument); \
        break;
#define PASS_PLAIN(CALL, name)         \
    case DECO_##CALL:                  \
        ops->name(inner->self, child); \
        break;

static void pass_store(const struct outbox_inner *inner, enum deco_call call, outbox_op_t child, void *argument)
{
    const struct outbox_store_ops *ops = inner->ops;
    switch (call) {
        DECO_STORE_OPS(PASS)
        DECO_STORE_PLAIN_OPS(PASS_PLAIN)
    default:
        break;
    }
}

static void pass_broker(const struct outbox_inner *inner, enum deco_call call, outbox_op_t child, void *argument)
{
    const struct outbox_broker_ops *ops = inner->ops;
    switch (call) {
        DECO_BROKER_OPS(PASS)
        DECO_BROKER_PLAIN_OPS(PASS_PLAIN)
    default:
        break;
    }
}

void deco_pass(const struct outbox_inner *inner, enum outbox_kind kind, enum deco_call call, outbox_op_t child,
               void *argument)
{
    if (kind == OUTBOX_STORE)
        pass_store(inner, call, child, argument);
    else
        pass_broker(inner, call, child, argument);
}

void deco_cancel(const struct outbox_inner *inner, enum outbox_kind kind, outbox_op_t child)
{
    const struct outbox_store_ops *store = inner->ops;
    const struct outbox_broker_ops *broker = inner->ops;
    void (*cancel)(void *self, outbox_op_t op) = kind == OUTBOX_STORE ? store->cancel : broker->cancel;
    if (cancel && child)
        cancel(inner->self, child);
}
