/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/config.h - from a YAML file to typed settings
 *
 * The file is read into a tree of sections that keep line and column. Option tables (outbox/plugin.h) turn a section
 * into typed values. A key that no table has is an error with a suggestion: "outbox.yaml:12:5: unknown key 'tabel' in
 * store; did you mean 'table'?".
 *
 * Every scalar is text until an option table gives it a type, so `no` and 1.10 mean the same everywhere. ${NAME} and
 * ${NAME:-default} in a scalar are replaced from the environment, unless the option is OUTBOX_OPT_VERBATIM; $${ is a
 * literal ${. For secrets, a scalar "file:PATH" is replaced by the content of the file. Secrets are options marked
 * OUTBOX_OPT_SECRET, and map entries with the name of a secret (redact.h).
 *
 * A config and its sections belong to one thread at a time: reading them may allocate memory that the config owns.
 */
#ifndef OBX_CONFIG_CONFIG_H
#define OBX_CONFIG_CONFIG_H

#include <outbox/plugin.h>

#include "base/buf.h"

struct obx_config;  /* owns every section and string of the file */
struct obx_section; /* one mapping of the file, or an empty one */

/* name: for messages (the path). Errors: CONFIG, NOT_FOUND, PERMISSION, IO, NO_MEMORY. */
int obx_config_read(const char *path, struct obx_config **config, struct outbox_error *error);
int obx_config_parse(const char *name, const char *text, size_t size, struct obx_config **config,
                     struct outbox_error *error);
/* Made by calls instead; empty at first. */
int obx_config_new(const char *name, struct obx_config **config, struct outbox_error *error);
/* relays: RELAY: SECTION: KEY: VALUE. sections: in one another, as a/b/c; NULL: none. Replaces the value of a key that
 * is there. line: of the locations in errors. Errors: CONFIG, NO_MEMORY. */
int obx_config_set(struct obx_config *config, uint32_t line, const char *relay, const char *sections, const char *key,
                   const char *value, struct outbox_error *error);
/* What a file with the same keys would give; `each` is expanded. Errors: CONFIG, NO_MEMORY. */
int obx_config_copy(const struct obx_config *from, struct obx_config **to, struct outbox_error *error);
void obx_config_free(struct obx_config *config); /* wipes secrets; NULL is fine */

const struct obx_section *obx_config_root(const struct obx_config *config);
/* The section of a key. Absent: an empty section, so that defaults apply. Errors: CONFIG if the value is not a mapping.
 */
int obx_section_child(const struct obx_section *section, const char *key, const struct obx_section **child,
                      struct outbox_error *error);
bool obx_section_has(const struct obx_section *section, const char *key);
/* A scalar that precedes one of the same key in the file, such as an option of the command line. Errors: NO_MEMORY. */
int obx_section_set(const struct obx_section *section, const char *key, const char *text);
/* Keys in file order; NULL past the end. */
const char *obx_section_key(const struct obx_section *section, uint32_t index);
/* The scalar (references expanded), or NULL with error->code 0 if absent. */
const char *obx_section_scalar(const struct obx_section *section, const char *key, struct outbox_error *error);

/* A CONFIG error "file:line:col: text" at a key; if key is NULL or absent, at the section itself. */
int obx_section_error(const struct obx_section *section, const char *key, struct outbox_error *error,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Prepend a location to a CONFIG error that has none, for example a plugin's: of the key with which its text begins, or
 * of the section. */
void obx_section_locate(const struct obx_section *section, struct outbox_error *error);

/* True if two sections have the same keys and values in the same order. References are compared unexpanded, secret
 * files by content; locations are ignored. */
bool obx_section_same(const struct obx_section *a, const struct obx_section *b);

/* The keys of two sections that differ, as in "store.dsn, order is new": names, never values, cut at size. "": none. */
void obx_section_difference(const struct obx_section *a, const struct obx_section *b, char *text, size_t size);

/* Write the options of a table into base; absent keys get their default. Keys in `ignore` (ends with NULL; may be NULL)
 * are read elsewhere. Strings live as long as the config. stride: size of an entry of this table. After a failure base
 * is partly written. Errors: CONFIG, NO_MEMORY; BUG for a default that does not parse. */
int obx_options_apply(const struct outbox_option *options, uint32_t count, uint32_t stride, const char *const *ignore,
                      const struct obx_section *section, void *base, struct outbox_error *error);

#endif
