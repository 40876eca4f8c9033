/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/build.c - a configuration made by calls
 *
 * Happy path: each section on the way to a key is found or made; the key is added, or its value replaced. The tree is
 * the one that YAML gives, so everything that reads a configuration reads this one, too. A relay gets a copy.
 * Failure: CONFIG for what the reader of YAML refuses as well, at the line of the call; NO_MEMORY.
 */
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "config/limits.h"
#include "config/tree.h"

struct call {
    struct obx_config *config;
    struct obx_location location;
    struct outbox_error *error;
    unsigned depth;
};

#define REFUSE(call, ...) obx_location_error((call)->config->name, (call)->location, (call)->error, __VA_ARGS__)

static int copy_text(const struct call *call, const char *text, size_t size, const char **copy)
{
    size_t valid = obx_utf8_prefix(text, size);
    if (size > OBX_CONFIG_MAX_SIZE)
        return REFUSE(call, "a text is larger than 1MiB, the limit of a configuration");
    if (valid < size)
        return REFUSE(call, "byte 0x%02x is not UTF-8", (unsigned char)text[valid]);
    *copy = obx_config_strndup(call->config, text, size);
    return *copy ? OUTBOX_OK : obx_error_no_memory(call->error);
}

/* Entries of a config that is being made are not const; the tree's own accessor is for readers. */
static struct obx_entry *find(const struct obx_section *section, const char *key, size_t size)
{
    struct obx_entry *entry = section->first;
    while (entry && (strlen(entry->key) != size || memcmp(entry->key, key, size) != 0))
        entry = entry->next;
    return entry;
}

/* The entry of a key, made if it is not there. size: of the key, which may go on behind it. */
static int reach(const struct call *call, struct obx_section *section, const char *key, size_t size,
                 struct obx_entry **entry)
{
    const char *copy = NULL;
    *entry = find(section, key, size);
    if (*entry)
        return OUTBOX_OK;
    int code = copy_text(call, key, size, &copy);
    if (!code)
        code = obx_section_check_key(section, copy, call->location, call->error);
    if (code)
        return code;
    *entry = obx_config_alloc(call->config, sizeof **entry);
    if (!*entry)
        return obx_error_no_memory(call->error);
    **entry = (struct obx_entry){.key = copy, .key_location = call->location, .value_location = call->location};
    obx_section_append(section, *entry);
    return OUTBOX_OK;
}

/* *section becomes the one below it that the key names. */
static int enter(struct call *call, struct obx_section **section, const char *key, size_t size)
{
    struct obx_entry *entry = NULL;
    if (++call->depth > OBX_CONFIG_MAX_DEPTH)
        return REFUSE(call, "more than %d sections in one another", OBX_CONFIG_MAX_DEPTH);
    int code = reach(call, *section, key, size, &entry);
    if (code)
        return code;
    if (entry->text)
        return REFUSE(call, "'%.*s' has a value already, so it is no section", OUTBOX_CUT(entry->key, 64));
    if (!entry->section)
        entry->section = obx_section_new(call->config, entry->key, call->location);
    if (!entry->section)
        return obx_error_no_memory(call->error);
    *section = entry->section;
    return OUTBOX_OK;
}

static int set_value(const struct call *call, struct obx_section *section, const char *key, const char *value)
{
    const char *copy = NULL;
    struct obx_entry *entry = NULL;
    size_t size = strlen(value);
    int code = copy_text(call, value, size, &copy);
    if (!code)
        code = reach(call, section, key, strlen(key), &entry);
    if (code)
        return code;
    if (entry->section)
        return REFUSE(call, "'%.*s' is a section: set the keys in it", OUTBOX_CUT(entry->key, 64));
    entry->text = copy;
    entry->size = size;
    entry->key_location = entry->value_location = call->location;
    return OUTBOX_OK;
}

int obx_config_set(struct obx_config *config, uint32_t line, const char *relay, const char *sections, const char *key,
                   const char *value, struct outbox_error *error)
{
    struct call call = {.config = config, .location = {line, 1}, .error = error, .depth = 1};
    struct obx_section *section = config->root;
    int code = enter(&call, &section, "relays", strlen("relays"));
    if (!code)
        code = enter(&call, &section, relay, strlen(relay));
    for (size_t size; sections && !code; sections = sections[size] ? sections + size + 1 : NULL) {
        size = strcspn(sections, "/");
        code = enter(&call, &section, sections, size);
    }
    return code ? code : set_value(&call, section, key, value);
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

static int copy_section(const struct obx_section *from, struct obx_section *to, struct outbox_error *error);

static int copy_entry(const struct obx_entry *from, struct obx_section *to, struct outbox_error *error)
{
    struct obx_config *config = to->config;
    struct obx_entry *entry = obx_config_alloc(config, sizeof *entry);
    const char *key = obx_config_strndup(config, from->key, strlen(from->key));
    if (!entry || !key)
        return obx_error_no_memory(error);
    *entry = *from;
    entry->key = key;
    obx_section_append(to, entry);
    if (!from->section) {
        entry->text = obx_config_strndup(config, from->text, from->size);
        return entry->text ? OUTBOX_OK : obx_error_no_memory(error);
    }
    entry->section = obx_section_new(config, key, from->section->location);
    return entry->section ? copy_section(from->section, entry->section, error) : obx_error_no_memory(error);
}

static int copy_section(const struct obx_section *from, struct obx_section *to, struct outbox_error *error)
{
    int code = OUTBOX_OK;
    for (const struct obx_entry *entry = from->first; entry && !code; entry = entry->next)
        code = copy_entry(entry, to, error);
    return code;
}

int obx_config_copy(const struct obx_config *from, struct obx_config **to, struct outbox_error *error)
{
    int code = obx_config_new(from->name, to, error);
    if (code)
        return code;
    code = copy_section(from->root, (*to)->root, error);
    if (!code)
        code = obx_config_expand_each((*to)->root, error);
    if (code) {
        obx_config_free(*to);
        *to = NULL;
    }
    return code;
}
