/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/config_ref.h - a configuration that several relays share
 *
 * After a reload the unchanged relays keep using the configuration that they were made from: their sections and strings
 * live in it. Releasing the last reference frees it. Loop thread.
 */
#ifndef OBX_PROGRAM_CLI_CONFIG_REF_H
#define OBX_PROGRAM_CLI_CONFIG_REF_H

#include "config/config.h"

struct obx_config_ref;

/* Takes ownership of config, also on failure (NULL: no memory). The caller holds one reference. */
struct obx_config_ref *obx_config_ref_new(struct obx_config *config);
struct obx_config_ref *obx_config_ref_acquire(struct obx_config_ref *ref);
void obx_config_ref_release(struct obx_config_ref *ref); /* NULL is fine */

#endif
