/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/plugin_dir.h - finds the plugin directories, also after an installation was moved */
#ifndef OBX_EMBED_PLUGIN_DIR_H
#define OBX_EMBED_PLUGIN_DIR_H

#include <stddef.h>

/*
 * Directories, separated by colons, in the order of the search: given, else $OUTBOX_PLUGIN_DIR; then the directory
 * relative to this program or library, in an installation or a build tree, else the directory that was compiled in.
 * Never fails: directories may be missing.
 */
void obx_plugin_path(const char *given, char *path, size_t size);

/* Without the environment: the directory of a program or library at `self`, an absolute path. "" if there is none. */
void obx_plugin_dir_beside(const char *self, char *directory, size_t size);

#endif
