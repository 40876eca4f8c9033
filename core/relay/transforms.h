/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/transforms.h - the transforms of a relay, in the order of the configuration
 *
 * `transforms:` of a relay is a mapping; each value is the section of a plugin. Options that are templates are compiled
 * against the columns of the route, so a wrong one is a configuration error with a location.
 */
#ifndef OBX_RELAY_TRANSFORMS_H
#define OBX_RELAY_TRANSFORMS_H

#include "plugin/instance.h"
#include "relay/template.h"

#define OBX_MAX_TRANSFORMS 8

struct obx_section;

/* A transform of the chain and its templates. */
struct obx_transform {
    struct obx_instance *instance;  /* owned */
    struct obx_template *templates; /* owned */
    uint32_t template_count;
};

struct obx_transforms {
    struct obx_transform list[OBX_MAX_TRANSFORMS];
    uint32_t count;
    uint32_t value_count; /* templates of all */
};

/* Make the instances. setup: without section. columns: of the route; templates add theirs. No I/O. */
int obx_transforms_open(struct obx_transforms *transforms, const struct obx_instance_setup *setup,
                        const struct obx_section *relay, struct obx_columns *columns, struct outbox_error *error);
void obx_transforms_free(struct obx_transforms *transforms);

/* Loop thread: render all templates for one row into values[value_count]. OUTBOX_E_NO_MEMORY or OUTBOX_OK. */
int obx_transforms_render(struct obx_transforms *transforms, const struct outbox_value *row, struct obx_arena *arena,
                          struct outbox_bytes *values);
void obx_transforms_forget(struct obx_transforms *transforms); /* before the arena is another one */
/* Any thread: apply all to a message. New memory comes from the arena. Not OUTBOX_OK: the message is as it was routed,
 * so that it keeps its key, and error has the reason. */
int obx_transforms_apply(const struct obx_transforms *transforms, struct outbox_message *message,
                         const struct outbox_bytes *values, struct obx_arena *arena, struct outbox_error *error);

#endif
