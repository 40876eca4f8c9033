/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/section.h - a section of the configuration that names a plugin: `store:`, `broker:`, and `wraps:` inside
 *
 *     plugin: NAME
 *     wraps: { plugin: ... }      of a decorator: the plugin that it wraps
 *     OPTION: VALUE               of the plugin's own table
 *
 * Everything that reads such a section does it here: instances, `--print-config`, and the check for relays that use the
 * same outbox. Errors name the file, line and column. Loads modules; runs no code of a plugin.
 */
#ifndef OBX_PLUGIN_SECTION_H
#define OBX_PLUGIN_SECTION_H

#include "config/config.h"
#include "plugin/registry.h"

/* The plugin that the section names. Errors: CONFIG, and those of obx_registry_find(). */
int obx_plugin_section_find(struct obx_registry *registry, enum outbox_kind kind, const struct obx_section *section,
                            const struct obx_plugin **plugin, struct outbox_error *error);

/* The section under `wraps:`; *inner is NULL where there is none. */
int obx_plugin_section_inner(const struct obx_section *section, const struct obx_section **inner,
                             struct outbox_error *error);
/* The last section inside: that of the plugin which wraps no other. NULL: a `wraps:` is not a mapping. */
const struct obx_section *obx_plugin_section_innermost(const struct obx_section *section);

/* Write the options into memory with the layout of an instance. */
int obx_plugin_section_apply(const struct obx_plugin *plugin, const struct obx_section *section, void *instance,
                             struct outbox_error *error);
/* The same into separate memory, for a caller that only reads them. NULL: see error. */
void *obx_plugin_section_read(const struct obx_plugin *plugin, const struct obx_section *section,
                              struct outbox_error *error);
void obx_plugin_section_free(const struct obx_plugin *plugin, void *options); /* wiped; NULL is fine */

#endif
