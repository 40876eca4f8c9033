/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/same.c - compares sections of two configurations, to find the relays that a reload must restart
 *
 * Secrets in files are compared by content: the old configuration has the content that was used, for the new one the
 * file is read. A secret that cannot be read now counts as changed: using it then reports the reason.
 */
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
