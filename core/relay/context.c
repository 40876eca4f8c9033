/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/context.c - the completion of requests, and the error that the status shows */
#include "relay/context.h"

#include <stdio.h>

static void complete(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_request *request = OBX_CONTAINER(call, struct obx_request, call);
    struct obx_relay_context *context = request->context;
    obx_relay_context_update_now(context);
    if (request->timing)
        obx_histogram_add(request->timing, (context->now - request->began_ns) / 1000);
    request->done(request->stage, error); /* the request may be in use again, or its memory recycled */
    obx_tick_soon(context);
}

struct obx_call *obx_request_begin(struct obx_request *request, struct obx_relay_context *context, void *stage,
                                   void (*done)(void *stage, const struct outbox_error *error))
{
    request->call.done = complete;
    request->context = context;
    request->done = done;
    request->stage = stage;
    request->began_ns = obx_loop_now(context->loop);
    return &request->call;
}

void obx_trouble_show(struct obx_relay_context *context, const char *subject, const char *text)
{
    char *shown = context->stats.last_error;
    size_t size = sizeof context->stats.last_error;
    snprintf(shown, size, "%s: %.*s", subject, (int)(size - 16), text);
}

void obx_trouble_begin(struct obx_relay_context *context, enum obx_trouble trouble)
{
    context->troubles |= trouble;
}

void obx_trouble_end(struct obx_relay_context *context, unsigned trouble)
{
    context->troubles &= ~trouble;
    if (!context->troubles)
        context->stats.last_error[0] = '\0';
}
