/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/config.h - from a YAML file to typed settings
 *
 * The file is read into a tree of sections that remember line and column; option tables (outbox/plugin.h) then turn
 * a section into typed values. Every key that no table knows is an error that names the nearest one. Errors read
 * "outbox.yaml:12:5: unknown key 'tabel' in store; did you mean 'table'?".
 *
 * Every scalar is text until an option table gives it a type, so that `no` and 1.10 hold no surprises. ${NAME} and
 * ${NAME:-default} anywhere in a scalar are taken from the environment, unless the option is OUTBOX_OPT_VERBATIM;
 * $${ is a literal ${. A whole scalar "file:PATH" for an option marked OUTBOX_OPT_SECRET, or for an entry of a map
 * whose name says that it is a secret, is the content of that file.
 *
 * A config and its sections belong to one thread at a time: reading them may add to the memory that the config owns.
 */
#ifndef OBX_CONFIG_CONFIG_H
#define OBX_CONFIG_CONFIG_H

#include <outbox/plugin.h>

#include "base/buf.h"

struct obx_config;  /* the file: owns every section and string made of it */
struct obx_section; /* one mapping of the file, or an empty one where the file has none */

/* name: how messages call it (the path). Errors: CONFIG, NOT_FOUND, PERMISSION, IO, NO_MEMORY. */
int obx_config_read(const char *path, struct obx_config **config, struct outbox_error *error);
int obx_config_parse(const char *name, const char *text, size_t size, struct obx_config **config,
                     struct outbox_error *error);
void obx_config_free(struct obx_config *config); /* wipes secrets; NULL is fine */

const struct obx_section *obx_config_root(const struct obx_config *config);
/* The section under a key; an empty section if absent, so that defaults apply; an error if it is not a mapping. */
int obx_section_child(const struct obx_section *section, const char *key, const struct obx_section **child,
                      struct outbox_error *error);
bool obx_section_has(const struct obx_section *section, const char *key);
/* Keys in file order; NULL past the end. */
const char *obx_section_key(const struct obx_section *section, uint32_t index);
/* The scalar (references expanded), or NULL with error->code 0 if absent. */
const char *obx_section_scalar(const struct obx_section *section, const char *key, struct outbox_error *error);

/* An error at the place of a key of this section (key NULL or absent: of the section itself): "file:line:col: text". */
int obx_section_error(const struct obx_section *section, const char *key, struct outbox_error *error,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A CONFIG error that names no place yet, as a plugin's, gets the section's. */
void obx_section_locate(const struct obx_section *section, struct outbox_error *error);

/* Do two sections say the same, in the same order? As written: references are not expanded, places do not count. */
bool obx_section_same(const struct obx_section *a, const struct obx_section *b);

/* Write the options of a table into base; what the section does not have gets its default. Keys in `ignore` (ends
 * with NULL; may be NULL) are somebody else's. Strings live as long as the config. stride: sizeof the table's own
 * entries. After a failure base is partly written. A default that does not parse is OUTBOX_E_BUG. */
int obx_options_apply(const struct outbox_option *options, uint32_t count, uint32_t stride, const char *const *ignore,
                      const struct obx_section *section, void *base, struct outbox_error *error);

/* The whole configuration as it takes effect, defaults included, secrets as ***: see core/config/print.h. */

#endif
