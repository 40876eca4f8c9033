/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/config_ref.h - a configuration that several relays use
 *
 * After a reload the relays that did not change go on with the configuration that they were made from: their sections
 * and strings live in it. The last user frees it. Loop thread.
 */
#ifndef OBX_PROGRAM_CLI_CONFIG_REF_H
#define OBX_PROGRAM_CLI_CONFIG_REF_H

#include "config/config.h"

struct obx_config_ref;

/* Takes the configuration, also on failure (NULL: no memory). One reference for the caller. */
struct obx_config_ref *obx_config_ref_new(struct obx_config *config);
struct obx_config_ref *obx_config_ref_take(struct obx_config_ref *ref);
void obx_config_ref_drop(struct obx_config_ref *ref); /* NULL is fine */

#endif
