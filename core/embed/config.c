/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/config.c - outbox_config: a configuration made by calls
 *
 * Each call of outbox_config_set() is a line of the configuration: errors name its number. Failure: INVALID for a NULL,
 * then what core/config/build.c refuses.
 */
#include "embed/handle.h"

#include "base/error.h"
#include "base/mem.h"

int outbox_config_new(struct outbox_config **config, struct outbox_error *error)
{
    if (!config)
        return obx_error_set(error, OUTBOX_E_INVALID, "make a configuration: give a place for it");
    *config = obx_alloc(sizeof **config);
    if (!*config)
        return obx_error_no_memory(error);
    int status = obx_config_new("config", &(*config)->tree, error);
    if (status) {
        obx_free(*config);
        *config = NULL;
    }
    return status;
}

int outbox_config_set(struct outbox_config *config, const char *relay, const char *section, const char *key,
                      const char *value, struct outbox_error *error)
{
    const char *missing = !config ? "config" : !relay ? "relay" : !key ? "key" : !value ? "value" : NULL;
    if (missing)
        return obx_error_set(error, OUTBOX_E_INVALID, "set a key of a configuration: %s is NULL", missing);
    return obx_config_set(config->tree, ++config->calls, relay, section, key, value, error);
}

void outbox_config_free(struct outbox_config *config)
{
    if (!config)
        return;
    obx_config_free(config->tree);
    obx_free(config);
}
