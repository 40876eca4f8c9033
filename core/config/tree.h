/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/tree.h - the tree that the YAML reader builds; private to core/config
 *
 * All memory is on one list of blocks of the config. Freeing overwrites each block first, whether it holds a secret or
 * not.
 */
#ifndef OBX_CONFIG_TREE_H
#define OBX_CONFIG_TREE_H

#include <stdarg.h>

#include "config/config.h"

struct obx_block;

struct obx_config {
    const char *name; /* for messages */
    struct obx_section *root;
    struct obx_block *blocks;
    struct obx_secret *secrets; /* read from files */
    size_t expanded;            /* bytes of all values with references, each time that they were read */
};

struct obx_entry;
struct obx_secret {
    struct obx_secret *next;
    const struct obx_entry *entry;
    const char *text;
};

struct obx_location {
    uint32_t line, column; /* from 1; column counts characters */
};

/* One `key: value`. */
struct obx_entry {
    struct obx_entry *next;
    const char *key;
    struct obx_location key_location, value_location;
    struct obx_section *section; /* the value is a mapping, or: */
    const char *text;            /* the value is a scalar */
    size_t size;
    bool plain;        /* written without quotes */
    bool same_in_file; /* in the file it has the same bytes, except quotes: columns inside it can be computed */
};

struct obx_section {
    struct obx_config *config;
    const char *name;
    struct obx_location location;
    struct obx_entry *first, **last;
    uint32_t count;
};

/* Zeroed memory that the config owns; NULL without memory. */
void *obx_config_alloc(struct obx_config *config, size_t size);
char *obx_config_strndup(struct obx_config *config, const char *text, size_t size);
struct obx_section *obx_section_new(struct obx_config *config, const char *name, struct obx_location location);
const struct obx_entry *obx_section_entry(const struct obx_section *section, const char *key);
/* May the section have this key, too? Errors: CONFIG. */
int obx_section_check_key(const struct obx_section *section, const char *key, struct obx_location location,
                          struct outbox_error *error);
void obx_section_append(struct obx_section *section, struct obx_entry *entry);

/* "name:line:col: text" with the code CONFIG, which is also returned. */
int obx_location_error(const char *name, struct obx_location location, struct outbox_error *error, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));
int obx_location_verror(const char *name, struct obx_location location, struct outbox_error *error, const char *format,
                        va_list args) __attribute__((format(printf, 4, 0)));

/* Read a YAML text into sections of config. name: for messages. Errors: CONFIG, NO_MEMORY. */
int obx_yaml_read(struct obx_config *config, const char *name, const char *text, size_t size, struct obx_section **root,
                  struct outbox_error *error);

/* Replace the relays that have the key `each` by one for each item. Errors: CONFIG, NO_MEMORY. */
int obx_config_expand_each(struct obx_section *root, struct outbox_error *error);

/* The effective text of a scalar entry; it lives as long as the config. Errors: CONFIG for a mapping or no value. */
#define OBX_RESOLVE_VERBATIM 1u /* do not expand ${...} */
#define OBX_RESOLVE_FILE 2u     /* replace file:PATH by the content of the file */
#define OBX_RESOLVE_CONNINFO 4u /* quote what ${...} stands for */
int obx_entry_resolve(const struct obx_section *section, const struct obx_entry *entry, uint32_t how, const char **text,
                      struct outbox_error *error);
int obx_secret_read(struct obx_config *config, const struct obx_entry *entry, const char *path, const char **text,
                    struct outbox_error *error);

#endif
