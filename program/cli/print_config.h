/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/print_config.h - the configuration as it takes effect, for check --print-config */
#ifndef OBX_PROGRAM_CLI_PRINT_CONFIG_H
#define OBX_PROGRAM_CLI_PRINT_CONFIG_H

#include "base/buf.h"
#include "cli/context.h"

/* YAML that reads back, defaults included, secrets as ***; the relays that the app is for. */
int obx_print_config(struct obx_app *app, struct obx_buf *text, struct outbox_error *error);

#endif
