/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/util_test.c - the helpers of plugin_util.h that need no host */
#include <criterion/criterion.h>
#include <string.h>

#include <outbox/plugin_util.h>

static void becomes(const char *bytes, size_t size, const char *text)
{
    char out[OUTBOX_BASE64_SIZE(16) + 1];
    memset(out, '#', sizeof out);
    cr_assert_eq(outbox_base64(out, bytes, size), strlen(text));
    cr_assert_str_eq(out, text);
    cr_assert_eq(out[OUTBOX_BASE64_SIZE(size)], '#', "nothing is written beyond the size of %zu bytes", size);
}

/* The first ones are those of RFC 4648, section 10. */
Test(plugin_util, bytes_become_base64)
{
    becomes(NULL, 0, "");
    becomes("f", 1, "Zg==");
    becomes("fo", 2, "Zm8=");
    becomes("foo", 3, "Zm9v");
    becomes("foob", 4, "Zm9vYg==");
    becomes("fooba", 5, "Zm9vYmE=");
    becomes("foobar", 6, "Zm9vYmFy");
    becomes("\0\xff\xfe\xfb", 4, "AP/++w==");
}

Test(plugin_util, null_equals_null_only)
{
    struct outbox_bytes null = {NULL, 0}, empty = {"", 0}, a = {"a", 1}, b = {"b", 1};
    cr_assert(outbox_bytes_equal(null, null));
    cr_assert(!outbox_bytes_equal(null, empty));
    cr_assert(outbox_bytes_equal(empty, empty));
    cr_assert(!outbox_bytes_equal(a, b));
    cr_assert(!outbox_bytes_equal(a, empty));
}

Test(plugin_util, indexes_of_outcomes_are_a_range_or_a_list)
{
    static const uint32_t list[] = {7, 2};
    struct outbox_outcomes range = {.first = 5, .count = 2}, listed = {.indexes = list, .count = 2};
    cr_assert_eq(outbox_outcomes_index(&range, 1), 6);
    cr_assert_eq(outbox_outcomes_index(&listed, 1), 2);
}
