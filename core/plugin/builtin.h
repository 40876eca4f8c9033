/* SPDX-License-Identifier: Apache-2.0 */
/* core/plugin/builtin.h - the plugins that are linked in; ends with NULL. Defined by plugins/. */
#ifndef OBX_PLUGIN_BUILTIN_H
#define OBX_PLUGIN_BUILTIN_H

#include <outbox/plugin.h>

extern const struct outbox_plugin *const obx_builtins[];

#endif
