/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/control.c - see control.h */
#include "relay/control.h"

#include <outbox/plugin_util.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "relay/claim.h"
#include "relay/keys.h"
#include "relay/link.h"
#include "relay/ownership.h"

/* ---- going on ---------------------------------------------------------------------------------------------------- */

/* The halt has skipped rows of its batch, and rows that came back: they may stand before those that are ready. */
static void leave_halt(struct obx_stages *stages)
{
    struct obx_relay_context *context = &stages->context;
    context->halted = false;
    obx_claimer_reread(stages->claimer);
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "the halted relay goes on, and reads the outbox again from its start");
}

void obx_control_retry(struct obx_stages *stages)
{
    struct obx_relay_context *context = &stages->context;
    if (context->halted)
        leave_halt(stages);
    else if (obx_keys_any(stages->keys))
        OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "%llu blocked keys are tried again now",
                      (unsigned long long)obx_keys_count(stages->keys));
    obx_keys_end_pauses(stages->keys, context->now);
}

/* ---- pause ------------------------------------------------------------------------------------------------------- */

/* Rows that are not sent yet are released. The outbox is read again when claims are allowed. */
static int pause_relay(struct obx_stages *stages, const struct obx_control_request *request,
                       struct outbox_error *answer)
{
    struct obx_relay_context *context = &stages->context;
    if (context->paused)
        return obx_error_set(answer, OUTBOX_E_REJECTED, "it is paused already, by %s", context->paused_by);
    context->paused = true;
    snprintf(context->paused_by, sizeof context->paused_by, "%.*s",
             OUTBOX_CUT(request->by, sizeof context->paused_by - 1));
    obx_claimer_reread(stages->claimer);
    if (obx_ownership_standby(stages->ownership))
        return obx_error_set(answer, OUTBOX_OK,
                             "paused: this relay stands by, and will claim nothing as the owner either");
    return obx_error_set(answer, OUTBOX_OK, "paused: no event is claimed until 'outbox resume %s'; it stays the owner",
                         context->name);
}

static int resume_relay(struct obx_stages *stages, const struct obx_control_request *request,
                        struct outbox_error *answer)
{
    struct obx_relay_context *context = &stages->context;
    (void)request;
    if (!context->paused && !context->halted)
        return obx_error_set(answer, OUTBOX_E_REJECTED, "it is neither paused nor halted");
    context->paused = false;
    obx_claimer_reread(stages->claimer);
    if (context->halted)
        leave_halt(stages);
    return obx_error_set(answer, OUTBOX_OK, "resumed");
}

/* ---- one key ----------------------------------------------------------------------------------------------------- */

/* The text of a failure may be cut: `wanted` is cut in the same way. */
static bool is_like(const char *text, size_t size, const char *wanted)
{
    size_t length = wanted ? (size_t)outbox_cut(wanted, size - 1) : 0;
    return !wanted || (!strncmp(text, wanted, length) && !text[length]);
}

static bool is_wanted(const struct obx_key *key, const struct obx_control_request *request)
{
    const struct obx_last_failure *failure = obx_key_last_failure(key);
    if (!request->topic && !request->key)
        return key->count; /* 0: it is retried, and its last event has gone */
    return key->count && key->last_failure && is_like(failure->topic, sizeof failure->topic, request->topic) &&
           is_like(failure->key, sizeof failure->key, request->key);
}

static struct obx_key *find_wanted(const struct obx_stages *stages, const struct obx_control_request *request,
                                   uint64_t *count)
{
    struct obx_key *found = NULL;
    *count = 0;
    for (struct obx_key *key = stages->keys->table; key; key = key->hh.next)
        if (is_wanted(key, request)) {
            found = key;
            ++*count;
        }
    return found;
}

/* The only key that fits the request. */
static int choose_key(const struct obx_stages *stages, const struct obx_control_request *request, struct obx_key **key,
                      struct outbox_error *answer)
{
    uint64_t count;
    *key = find_wanted(stages, request, &count);
    if (obx_ownership_standby(stages->ownership))
        return obx_error_set(answer, OUTBOX_E_STANDBY, "this relay stands by: the owner of the outbox is %s",
                             obx_ownership_owner(stages->ownership));
    if (!count)
        return obx_error_set(answer, OUTBOX_E_REJECTED, "no such key is blocked; 'outbox status' lists blocked keys");
    if (count > 1)
        return obx_error_set(answer, OUTBOX_E_REJECTED,
                             "%llu blocked keys fit; name one by its key and --topic; 'outbox status' lists them",
                             (unsigned long long)count);
    return OUTBOX_OK;
}

static int retry_key(struct obx_stages *stages, const struct obx_control_request *request, struct outbox_error *answer)
{
    struct obx_key *key;
    if (!request->topic && !request->key) {
        obx_control_retry(stages);
        return obx_error_set(answer, OUTBOX_OK, "everything that waits is tried again now");
    }
    int code = choose_key(stages, request, &key, answer);
    if (code)
        return code;
    obx_keys_end_pause(stages->keys, key, stages->context.now);
    return obx_error_set(answer, OUTBOX_OK, "key '%s' is tried again now", obx_key_last_failure(key)->key);
}

/* ---- skip -------------------------------------------------------------------------------------------------------- */

/* The reason of the dead letter begins with who wanted it. */
static int add_skip(struct obx_stages *stages, const struct obx_control_request *request, const struct obx_skip *event,
                    struct outbox_error *answer)
{
    struct obx_skip skip = *event;
    snprintf(skip.reason, sizeof skip.reason, "skipped by %.*s: %.*s", OUTBOX_CUT(request->by, 90),
             OUTBOX_CUT(event->reason, 90));
    obx_skips_add(&stages->context.skips, &skip);
    return obx_error_set(answer, OUTBOX_OK, "event %s goes to the dead letters", event->event_id);
}

static int skip_culprit(struct obx_stages *stages, const struct obx_control_request *request,
                        struct outbox_error *answer)
{
    struct obx_relay_context *context = &stages->context;
    if (!context->culprit.position.major)
        return obx_error_set(answer, OUTBOX_E_REJECTED, "no event has halted the relay: %.*s",
                             OUTBOX_CUT(context->halt_reason.text, 250));
    leave_halt(stages);
    return add_skip(stages, request, &context->culprit, answer);
}

static int skip_blocking(struct obx_stages *stages, const struct obx_control_request *request,
                         struct outbox_error *answer)
{
    struct obx_key *key;
    struct obx_skip skip;
    int code = choose_key(stages, request, &key, answer);
    if (code)
        return code;
    const struct obx_last_failure *failure = obx_key_last_failure(key);
    if (!obx_position_same(failure->position, obx_key_first(key)->position))
        return obx_error_set(answer, OUTBOX_E_AGAIN, "the event that blocks the key has not been tried yet");
    obx_skip_set(&skip, failure->position, (struct outbox_bytes){failure->event_id, strlen(failure->event_id)},
                 failure->reason);
    skip.id_hash = failure->id_hash;
    obx_keys_end_pause(stages->keys, key, stages->context.now);
    return add_skip(stages, request, &skip, answer);
}

static int skip_event(struct obx_stages *stages, const struct obx_control_request *request, struct outbox_error *answer)
{
    bool names_key = request->topic || request->key;
    if (!(obx_instance_caps(obx_link_instance(stages->store)) & OUTBOX_CAP_DEAD_LETTERS))
        return obx_error_set(answer, OUTBOX_E_UNSUPPORTED, "the store '%s' has no dead letters",
                             obx_instance_name(obx_link_instance(stages->store)));
    return stages->context.halted && !names_key ? skip_culprit(stages, request, answer)
                                                : skip_blocking(stages, request, answer);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct obx_stages *stages, const struct obx_control_request *request, struct outbox_error *answer);
} actions[] = {
    [OBX_CONTROL_PAUSE] = {"pause", pause_relay},
    [OBX_CONTROL_RESUME] = {"resume", resume_relay},
    [OBX_CONTROL_RETRY] = {"retry", retry_key},
    [OBX_CONTROL_SKIP] = {"skip", skip_event},
};

int obx_control(struct obx_stages *stages, const struct obx_control_request *request, struct outbox_error *answer)
{
    int code = actions[request->action].run(stages, request, answer);
    OBX_RELAY_LOG(&stages->context, OUTBOX_LOG_WARN, "%s by %s: %s%s", actions[request->action].name, request->by,
                  code ? "refused: " : "", answer->text);
    return code;
}
