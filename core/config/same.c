/* core/config/same.c - comparing what two configurations say, to find out what a reload has to restart */
#include <string.h>

#include "config/tree.h"

static bool same_entry(const struct obx_entry *a, const struct obx_entry *b)
{
    if (strcmp(a->key, b->key) || !a->section != !b->section || !a->text != !b->text)
        return false;
    if (a->section)
        return obx_section_same(a->section, b->section);
    return !a->text || (a->size == b->size && !memcmp(a->text, b->text, a->size));
}

bool obx_section_same(const struct obx_section *a, const struct obx_section *b)
{
    const struct obx_entry *left = a->first, *right = b->first;
    while (left && right && same_entry(left, right)) {
        left = left->next;
        right = right->next;
    }
    return !left && !right;
}
