/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/same.c - compares sections of two configurations: which relays a reload must restart, and why
 *
 * Secrets in files are compared by content: the old configuration has the content that was used, for the new one the
 * file is read. A secret that cannot be read now counts as changed: using it then reports the reason.
 */
#include <stdio.h>
#include <string.h>

#include "config/tree.h"

static const char *used_secret(const struct obx_section *section, const struct obx_entry *entry)
{
    for (const struct obx_secret *secret = section->config->secrets; secret; secret = secret->next)
        if (secret->entry == entry)
            return secret->text;
    return NULL;
}

static bool same_secret(const struct obx_section *a, const struct obx_entry *left, const struct obx_section *b,
                        const struct obx_entry *right)
{
    const char *before = used_secret(a, left), *now;
    struct outbox_error ignored;
    if (!before)
        return true;
    return !obx_entry_resolve(b, right, OBX_RESOLVE_FILE, &now, &ignored) && !strcmp(before, now);
}

static bool same_entry(const struct obx_section *a, const struct obx_entry *left, const struct obx_section *b,
                       const struct obx_entry *right)
{
    if (strcmp(left->key, right->key) || !left->section != !right->section || !left->text != !right->text)
        return false;
    if (left->section)
        return obx_section_same(left->section, right->section);
    if (!left->text)
        return true;
    return left->size == right->size && !memcmp(left->text, right->text, left->size) && same_secret(a, left, b, right);
}

bool obx_section_same(const struct obx_section *a, const struct obx_section *b)
{
    const struct obx_entry *left = a->first, *right = b->first;
    while (left && right && same_entry(a, left, b, right)) {
        left = left->next;
        right = right->next;
    }
    return !left && !right;
}

/* ---- what differs ------------------------------------------------------------------------------------------------ */

struct difference {
    char *text;
    size_t size, used;
};

static void add(struct difference *difference, const char *prefix, const char *key, const char *what)
{
    if (difference->used >= difference->size)
        return;
    difference->used += (size_t)snprintf(difference->text + difference->used, difference->size - difference->used,
                                         "%s%s%s%s", difference->used ? ", " : "", prefix, key, what);
}

static void compare(struct difference *difference, const char *prefix, const struct obx_section *a,
                    const struct obx_section *b);

static void compare_entries(struct difference *difference, const char *prefix, const struct obx_section *a,
                            const struct obx_entry *left, const struct obx_section *b, const struct obx_entry *right)
{
    char inner[128];
    if (same_entry(a, left, b, right))
        return;
    if (!left->section || !right->section) {
        add(difference, prefix, left->key, "");
        return;
    }
    snprintf(inner, sizeof inner, "%s%s.", prefix, left->key);
    compare(difference, inner, left->section, right->section);
}

static void compare(struct difference *difference, const char *prefix, const struct obx_section *a,
                    const struct obx_section *b)
{
    size_t before = difference->used;
    for (const struct obx_entry *left = a->first; left; left = left->next) {
        const struct obx_entry *right = obx_section_entry(b, left->key);
        if (right)
            compare_entries(difference, prefix, a, left, b, right);
        else
            add(difference, prefix, left->key, " is gone");
    }
    for (const struct obx_entry *right = b->first; right; right = right->next)
        if (!obx_section_entry(a, right->key))
            add(difference, prefix, right->key, " is new");
    if (difference->used == before)
        add(difference, prefix, "", "the order of keys");
}

void obx_section_difference(const struct obx_section *a, const struct obx_section *b, char *text, size_t size)
{
    struct difference difference = {text, size, 0};
    text[0] = '\0';
    if (!obx_section_same(a, b))
        compare(&difference, "", a, b);
}
