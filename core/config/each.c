/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/each.c - one section for many relays: `shop-${each}:` with `each: berlin, paris`
 *
 * Happy path: a section under `relays:` with the key `each` is replaced by a copy for each item, in which ${each} is
 * the item, in the name and in all values. This happens before anything is read, so that no reader of a configuration
 * knows of it. Locations are those of the original. Failure: an item that is not a word, a name without ${each}, a name
 * that exists already, too much text.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/limits.h"
#include "config/tree.h"

static const char reference[] = "${each}";
enum { REFERENCE = sizeof reference - 1 };
#define ITEM_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

struct item {
    struct obx_config *config;
    struct outbox_error *error;
    const char *text;
    size_t size;
    size_t *copied; /* bytes, of all items */
};

/* The next one; a plain "${" is written "$${". */
static const char *find_reference(const char *at, const char *text)
{
    at = strstr(at, reference);
    while (at && at > text && at[-1] == '$')
        at = strstr(at + 1, reference);
    return at;
}

static size_t substituted_size(const struct item *item, const char *from)
{
    size_t size = strlen(from);
    for (const char *at = find_reference(from, from); at; at = find_reference(at + REFERENCE, from))
        size = size - REFERENCE + item->size;
    return size;
}

static void write_substituted(const struct item *item, const char *from, char *to)
{
    const char *left = from;
    for (const char *at; (at = find_reference(left, from)); left = at + REFERENCE) {
        memcpy(to, left, (size_t)(at - left));
        to += at - left;
        memcpy(to, item->text, item->size);
        to += item->size;
    }
    memcpy(to, left, strlen(left));
}

static int substitute(const struct item *item, const char *from, const char **to, size_t *to_size)
{
    size_t size = substituted_size(item, from);
    *item->copied += size + sizeof(struct obx_entry);
    if (*item->copied > OBX_EACH_MAX_SIZE)
        return obx_error_set(item->error, OUTBOX_E_CONFIG, "%s: the sections with 'each' make more than %d MiB of text",
                             item->config->name, OBX_EACH_MAX_SIZE >> 20);
    char *text = obx_config_alloc(item->config, size + 1);
    if (!text)
        return obx_error_no_memory(item->error);
    write_substituted(item, from, text);
    *to = text;
    *to_size = size;
    return OUTBOX_OK;
}

static int copy_section(const struct item *item, const struct obx_section *from, struct obx_section *to);

static int copy_entry(const struct item *item, const struct obx_entry *from, const char *key, struct obx_section *to)
{
    struct obx_entry *entry = obx_config_alloc(item->config, sizeof *entry);
    if (!entry)
        return obx_error_no_memory(item->error);
    *entry = *from;
    entry->key = key;
    obx_section_append(to, entry);
    if (!from->section) {
        entry->same_in_file = from->same_in_file && !find_reference(from->text, from->text);
        return substitute(item, from->text, &entry->text, &entry->size);
    }
    entry->section = obx_section_new(item->config, key, from->section->location);
    return entry->section ? copy_section(item, from->section, entry->section) : obx_error_no_memory(item->error);
}

static int copy_section(const struct item *item, const struct obx_section *from, struct obx_section *to)
{
    int code = OUTBOX_OK;
    for (const struct obx_entry *entry = from->first; entry && !code; entry = entry->next)
        code = copy_entry(item, entry, entry->key, to);
    return code;
}

/* ---- the items --------------------------------------------------------------------------------------------------- */

static int refuse(const struct obx_section *section, const struct obx_entry *at, struct outbox_error *error,
                  const char *why)
{
    return obx_location_error(section->config->name, at->value_location, error, "%s", why);
}

static int add_relay(const struct item *item, const struct obx_entry *relay, struct obx_section *relays)
{
    size_t size;
    const char *name = NULL;
    int code = substitute(item, relay->key, &name, &size);
    if (code)
        return code;
    if (obx_section_entry(relays, name))
        return obx_location_error(item->config->name, relay->key_location, item->error,
                                  "'each' makes a second relay '%.*s'; remove one", OUTBOX_CUT(name, 64));
    if (relays->count >= OBX_CONFIG_MAX_KEYS)
        return obx_location_error(item->config->name, relay->key_location, item->error, "more than %d relays",
                                  OBX_CONFIG_MAX_KEYS);
    return copy_entry(item, relay, name, relays);
}

/* Without `each` itself, so that it is not an unknown key. */
static void remove_each(struct obx_section *section)
{
    struct obx_entry **at = &section->first;
    while (strcmp((*at)->key, "each") != 0)
        at = &(*at)->next;
    *at = (*at)->next;
    section->count--;
    section->last = &section->first;
    while (*section->last)
        section->last = &(*section->last)->next;
}

static int add_relays(const struct obx_entry *relay, const struct obx_entry *each, struct obx_section *relays,
                      size_t *copied, struct outbox_error *error)
{
    int code = OUTBOX_OK;
    if (each->section)
        return refuse(relays, each, error, "'each' must be items with commas between them, like: berlin, paris");
    if (!find_reference(relay->key, relay->key))
        return refuse(relays, each, error, "a relay with 'each' needs ${each} in its name, like: shop-${each}");
    for (const char *at = each->text; !code; at++) {
        at += strspn(at, " \n");
        struct item item = {relays->config, error, at, strspn(at, ITEM_CHARACTERS), copied};
        at += item.size + strspn(at + item.size, " \n");
        if (!item.size || (*at && *at != ','))
            return refuse(relays, each, error,
                          "an item of 'each' has letters, digits, '-', '_' and '.', with commas between the items");
        code = add_relay(&item, relay, relays);
        if (!*at)
            break;
    }
    return code;
}

static int keep_relay(struct obx_entry *relay, struct obx_section *relays, struct outbox_error *error)
{
    if (obx_section_entry(relays, relay->key))
        return obx_location_error(relays->config->name, relay->key_location, error,
                                  "'each' makes a relay '%.*s', too; remove one", OUTBOX_CUT(relay->key, 64));
    obx_section_append(relays, relay);
    return OUTBOX_OK;
}

static int expand(struct obx_entry *relay, struct obx_section *relays, size_t *copied, struct outbox_error *error)
{
    const struct obx_entry *each = relay->section ? obx_section_entry(relay->section, "each") : NULL;
    if (!each)
        return keep_relay(relay, relays, error);
    remove_each(relay->section);
    return add_relays(relay, each, relays, copied, error);
}

int obx_config_expand_each(struct obx_section *root, struct outbox_error *error)
{
    const struct obx_entry *entry = obx_section_entry(root, "relays");
    struct obx_section *relays = entry ? entry->section : NULL;
    size_t copied = 0;
    int code = OUTBOX_OK;
    if (!relays)
        return OUTBOX_OK;
    struct obx_entry *relay = relays->first;
    relays->first = NULL;
    relays->last = &relays->first;
    relays->count = 0;
    while (relay && !code) {
        struct obx_entry *next = relay->next;
        code = expand(relay, relays, &copied, error);
        relay = next;
    }
    return code;
}
