/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/plugin_dir.h - where the plugins are, for the program and for the library, wherever they were moved to */
#ifndef OBX_EMBED_PLUGIN_DIR_H
#define OBX_EMBED_PLUGIN_DIR_H

#include <stddef.h>

/*
 * given, if not NULL; else $OUTBOX_PLUGIN_DIR; else the directory that lies from this program or library as it was
 * installed, or as it was built; else the one that was compiled in. Never fails: a directory that is not there is
 * told by the registry when a plugin is looked for.
 */
void obx_plugin_dir(const char *given, char *directory, size_t size);

/* The pure part: what belongs to a program or library at `self`, an absolute path. Empty when nothing is there. */
void obx_plugin_dir_beside(const char *self, char *directory, size_t size);

#endif
