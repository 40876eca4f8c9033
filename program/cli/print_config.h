/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/print_config.h - the effective configuration, for check --print-config */
#ifndef OBX_PROGRAM_CLI_PRINT_CONFIG_H
#define OBX_PROGRAM_CLI_PRINT_CONFIG_H

#include "base/buf.h"
#include "cli/context.h"

/* YAML that can be read back: defaults included, secrets as ***; the relays that the context is for. */
int obx_print_config(struct obx_context *context, struct obx_buf *text, struct outbox_error *error);

#endif
