/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/tree.c - memory, sections, and the accessors that the rest of the core uses */
#include "config/tree.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/limits.h"

struct obx_block {
    struct obx_block *next;
    size_t size;
    _Alignas(max_align_t) char data[];
};

void *obx_config_alloc(struct obx_config *config, size_t size)
{
    struct obx_block *block = obx_alloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = config->blocks;
    config->blocks = block;
    return block->data;
}

char *obx_config_strndup(struct obx_config *config, const char *text, size_t size)
{
    char *copy = obx_config_alloc(config, size + 1);
    if (copy && size)
        memcpy(copy, text, size);
    return copy;
}

void obx_config_free(struct obx_config *config)
{
    if (!config)
        return;
    while (config->blocks) {
        struct obx_block *block = config->blocks;
        config->blocks = block->next;
        obx_wipe(block->data, block->size);
        obx_free(block);
    }
    obx_free(config);
}

int obx_config_new(const char *name, struct obx_config **config, struct outbox_error *error)
{
    struct obx_config *made = obx_alloc(sizeof *made);
    *config = NULL;
    if (!made)
        return obx_error_no_memory(error);
    made->name = obx_config_strndup(made, name, strlen(name));
    made->root = obx_section_new(made, "", (struct obx_location){1, 1});
    if (!made->name || !made->root) {
        obx_config_free(made);
        return obx_error_no_memory(error);
    }
    *config = made;
    return OUTBOX_OK;
}

int obx_config_parse(const char *name, const char *text, size_t size, struct obx_config **config,
                     struct outbox_error *error)
{
    struct obx_config *made;
    *config = NULL;
    int code = obx_config_new(name, &made, error);
    if (!made)
        return code;
    code = obx_yaml_read(made, made->name, text, size, &made->root, error);
    if (!code)
        code = obx_config_expand_each(made->root, error);
    if (code)
        obx_config_free(made);
    else
        *config = made;
    return code;
}

const struct obx_section *obx_config_root(const struct obx_config *config)
{
    return config->root;
}

struct obx_section *obx_section_new(struct obx_config *config, const char *name, struct obx_location location)
{
    struct obx_section *section = obx_config_alloc(config, sizeof *section);
    char *copy = section ? obx_config_strndup(config, name, strlen(name)) : NULL;
    if (!copy)
        return NULL;
    section->config = config;
    section->name = copy;
    section->location = location;
    section->last = &section->first;
    return section;
}

const struct obx_entry *obx_section_entry(const struct obx_section *section, const char *key)
{
    for (const struct obx_entry *entry = section->first; entry; entry = entry->next)
        if (!strcmp(entry->key, key))
            return entry;
    return NULL;
}

int obx_section_check_key(const struct obx_section *section, const char *key, struct obx_location location,
                          struct outbox_error *error)
{
    if (!*key)
        return obx_location_error(section->config->name, location, error, "a key is missing before ':'");
    if (section->count >= OBX_CONFIG_MAX_KEYS)
        return obx_location_error(section->config->name, location, error, "more than %d keys in one section",
                                  OBX_CONFIG_MAX_KEYS);
    return OUTBOX_OK;
}

void obx_section_append(struct obx_section *section, struct obx_entry *entry)
{
    entry->next = NULL;
    *section->last = entry;
    section->last = &entry->next;
    section->count++;
}

bool obx_section_has(const struct obx_section *section, const char *key)
{
    return obx_section_entry(section, key) != NULL;
}

int obx_section_set(const struct obx_section *section, const char *key, const char *text)
{
    struct obx_section *changed = (struct obx_section *)(uintptr_t)section; /* of a config, which is not const */
    struct obx_entry *entry = obx_config_alloc(section->config, sizeof *entry);
    char *name = obx_config_strndup(section->config, key, strlen(key));
    char *copy = obx_config_strndup(section->config, text, strlen(text));
    if (!entry || !name || !copy)
        return OUTBOX_E_NO_MEMORY;
    *entry = (struct obx_entry){.next = section->first, .key = name, .text = copy, .size = strlen(text)};
    entry->key_location = entry->value_location = section->location;
    if (!section->first)
        changed->last = &entry->next;
    changed->first = entry;
    changed->count++;
    return OUTBOX_OK;
}

const char *obx_section_key(const struct obx_section *section, uint32_t index)
{
    const struct obx_entry *entry = section->first;
    while (entry && index--)
        entry = entry->next;
    return entry ? entry->key : NULL;
}

/* `route:` with nothing under it reads as a scalar without text. */
static bool is_blank(const struct obx_entry *entry)
{
    return !entry->section && entry->plain && !entry->size;
}

int obx_section_child(const struct obx_section *section, const char *key, const struct obx_section **child,
                      struct outbox_error *error)
{
    const struct obx_entry *entry = obx_section_entry(section, key);
    *child = entry ? entry->section : NULL;
    if (*child)
        return OUTBOX_OK;
    if (entry && !is_blank(entry))
        return obx_location_error(section->config->name, entry->value_location, error,
                                  "'%s' must be a section: write its keys below it, indented", key);
    *child = obx_section_new(section->config, key, entry ? entry->key_location : section->location);
    return *child ? OUTBOX_OK : obx_error_no_memory(error);
}

const char *obx_section_scalar(const struct obx_section *section, const char *key, struct outbox_error *error)
{
    const struct obx_entry *entry = obx_section_entry(section, key);
    const char *text = NULL;
    if (error)
        *error = (struct outbox_error){0};
    if (!entry || obx_entry_resolve(section, entry, 0, &text, error))
        return NULL;
    return text;
}

int obx_location_verror(const char *name, struct obx_location location, struct outbox_error *error, const char *format,
                        va_list args)
{
    char text[OUTBOX_ERROR_TEXT_SIZE];
    vsnprintf(text, sizeof text, format, args);
    return obx_error_set(error, OUTBOX_E_CONFIG, "%s:%u:%u: %s", name, location.line, location.column, text);
}

int obx_location_error(const char *name, struct obx_location location, struct outbox_error *error, const char *format,
                       ...)
{
    va_list args;
    va_start(args, format);
    int code = obx_location_verror(name, location, error, format, args);
    va_end(args);
    return code;
}

int obx_section_error(const struct obx_section *section, const char *key, struct outbox_error *error,
                      const char *format, ...)
{
    const struct obx_entry *entry = key ? obx_section_entry(section, key) : NULL;
    va_list args;
    va_start(args, format);
    int code = obx_location_verror(section->config->name, entry ? entry->key_location : section->location, error,
                                   format, args);
    va_end(args);
    return code;
}

void obx_section_locate(const struct obx_section *section, struct outbox_error *error)
{
    size_t size = strlen(section->config->name);
    if (!error || error->code != OUTBOX_E_CONFIG)
        return;
    if (!strncmp(error->text, section->config->name, size) && error->text[size] == ':')
        return;
    char key[64];
    size_t length = strcspn(error->text, ":"); /* "dsn: port is not ..." */
    snprintf(key, sizeof key, "%.*s", (int)length, error->text);
    obx_section_error(section, length < sizeof key ? key : NULL, error, "%s", error->text);
}
