/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/plugin_dir.h - finds the plugin directory, also after an installation was moved */
#ifndef OBX_EMBED_PLUGIN_DIR_H
#define OBX_EMBED_PLUGIN_DIR_H

#include <stddef.h>

/*
 * In this order: given, if not NULL; $OUTBOX_PLUGIN_DIR; the directory relative to this program or library, in an
 * installation or a build tree; the directory that was compiled in. Never fails: if the directory does not exist, the
 * registry reports it when a plugin is searched.
 */
void obx_plugin_dir(const char *given, char *directory, size_t size);

/* Without the environment: the directory of a program or library at `self`, an absolute path. "" if there is none. */
void obx_plugin_dir_beside(const char *self, char *directory, size_t size);

#endif
