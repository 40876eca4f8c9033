/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/transform.c - see transform.h */
#include "transform.h"

#include <string.h>

#include "oracle.h"
#include "prompt.h"
#include "sim.h"

struct instance {
    const struct outbox_host *host;
};

static int init(void *self, const struct outbox_init *init_, struct outbox_error *error)
{
    (void)error;
    ((struct instance *)self)->host = init_->host;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    (void)self;
}

static int fail(struct outbox_error *error, int code)
{
    *error = (struct outbox_error){.code = code, .text = "simulated"};
    return code;
}

static int reject(struct sim_event *event, struct outbox_message *message, struct outbox_error *error)
{
    prompt_refused(event);
    message->topic = (struct outbox_bytes){"elsewhere", 9};
    message->key = (struct outbox_bytes){"other", 5};
    return fail(error, OUTBOX_E_REJECTED);
}

static int apply(void *self, const struct outbox_transform *transform, struct outbox_error *error)
{
    struct outbox_message *message = transform->message;
    struct sim_event *event = sim_message_find(message);
    uint32_t count = message->header_count;
    (void)self;
    if (!sim->healed && !sim->plan.peace && sim_pick(0, 99) < 3)
        return fail(error, OUTBOX_E_AGAIN);
    if (event->poison == SIM_REFUSED && event->number % 4 == 0) /* the odd ones cannot be read */
        return reject(event, message, error);
    struct outbox_header *headers = transform->alloc(transform, (count + 1) * sizeof *headers);
    if (!headers)
        return fail(error, OUTBOX_E_NO_MEMORY);
    memcpy(headers, message->headers, count * sizeof *headers);
    headers[count] = (struct outbox_header){{SIM_TRANSFORMED, strlen(SIM_TRANSFORMED)}, message->id};
    message->headers = headers;
    message->header_count = count + 1;
    return OUTBOX_OK;
}

static const struct outbox_transform_ops ops = {
    .struct_size = sizeof ops, .init = init, .fini = fini, .transform = apply};
const struct outbox_plugin sim_transform_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                                   .struct_size = sizeof sim_transform_plugin,
                                                   .kind = OUTBOX_TRANSFORM,
                                                   .option_size = sizeof(struct outbox_option),
                                                   .name = "sim",
                                                   .version = "1",
                                                   .description = "adds a header, and fails",
                                                   .instance_size = sizeof(struct instance),
                                                   .ops = &ops};
