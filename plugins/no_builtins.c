/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/no_builtins.c - the usual build: nothing is linked in, plugins are modules that a deployment chooses */
#include <stddef.h>

#include "plugin/builtin.h"

const struct outbox_plugin *const obx_builtins[] = {NULL};
