/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/config_ref.c - counts the references to a configuration; the last release frees it */
#include "cli/config_ref.h"

#include "base/mem.h"

struct obx_config_ref {
    struct obx_config *config;
    uint32_t references;
};

struct obx_config_ref *obx_config_ref_new(struct obx_config *config)
{
    struct obx_config_ref *ref = obx_alloc(sizeof *ref);
    if (!ref) {
        obx_config_free(config);
        return NULL;
    }
    *ref = (struct obx_config_ref){config, 1};
    return ref;
}

struct obx_config_ref *obx_config_ref_acquire(struct obx_config_ref *ref)
{
    ref->references++;
    return ref;
}

void obx_config_ref_release(struct obx_config_ref *ref)
{
    if (!ref || --ref->references)
        return;
    obx_config_free(ref->config);
    obx_free(ref);
}
