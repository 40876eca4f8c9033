/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/error_test.c - error values: codes, texts, context, and texts that are too long */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"

Test(error, every_code_has_a_text)
{
    cr_expect_str_eq(obx_error_text(0), "success");
    cr_expect_str_eq(obx_error_text(OUTBOX_E_FENCED), "ownership of this outbox was lost");
    for (int code = OUTBOX_E_BUG; code < 0; code++)
        cr_expect_str_neq(obx_error_text(code), "unknown error", "%d", code);
    cr_expect_str_eq(obx_error_text(1), "unknown error");
}

Test(error, setting_returns_the_code_and_replaces_the_old_error)
{
    struct outbox_error error = {.native = 7, .state = "08006"};
    cr_expect_eq(obx_error_set(&error, OUTBOX_E_IO, "write %s: %d", "x", 3), OUTBOX_E_IO);
    cr_expect_eq(error.code, OUTBOX_E_IO);
    cr_expect_eq(error.native, 0);
    cr_expect_str_eq(error.state, "");
    cr_expect_str_eq(error.text, "write x: 3");
    cr_expect_eq(obx_error_no_memory(&error), OUTBOX_E_NO_MEMORY);
    cr_expect_str_eq(error.text, "out of memory");
}

Test(error, error_may_be_null)
{
    cr_expect_eq(obx_error_set(NULL, OUTBOX_E_IO, "x"), OUTBOX_E_IO);
    cr_expect_eq(obx_error_no_memory(NULL), OUTBOX_E_NO_MEMORY);
    obx_error_wrap(NULL, "x");
}

Test(error, wrapping_prepends_context)
{
    struct outbox_error error = {0};
    obx_error_wrap(&error, "claim");
    cr_expect_str_eq(error.text, "");
    obx_error_set(&error, OUTBOX_E_TIMEOUT, "connection refused");
    error.native = 111;
    obx_error_wrap(&error, "claim from %s", "shop");
    cr_expect_str_eq(error.text, "claim from shop: connection refused");
    cr_expect_eq(error.code, OUTBOX_E_TIMEOUT);
    cr_expect_eq(error.native, 111);
}

Test(error, long_text_is_cut_between_characters)
{
    struct outbox_error error = {0};
    char large[2 * OUTBOX_ERROR_TEXT_SIZE] = "", *at = large;
    while (at < large + sizeof large - 4)
        at = stpcpy(at, "\xe2\x82\xac");
    for (int before = 0; before < 3; before++) {
        obx_error_set(&error, OUTBOX_E_IO, "%.*s%s", before, "...", large);
        size_t size = strlen(error.text);
        cr_expect_eq((size - (size_t)before) % 3, 0, "%d bytes before: %zu bytes", before, size);
        cr_expect_gt(size, OUTBOX_ERROR_TEXT_SIZE - 5);
        obx_error_wrap(&error, "%.*s", before + 1, "wrapped");
        size = strlen(error.text);
        cr_expect_eq((size - (size_t)(2 * before + 3)) % 3, 0, "%d bytes before: %zu bytes", before, size);
    }
}

Test(error, long_text_is_cut_and_terminated)
{
    struct outbox_error error = {0};
    char large[2 * OUTBOX_ERROR_TEXT_SIZE];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    obx_error_set(&error, OUTBOX_E_IO, "%s", large);
    cr_expect_eq(strlen(error.text), OUTBOX_ERROR_TEXT_SIZE - 1);
    obx_error_wrap(&error, "context");
    cr_expect_eq(strncmp(error.text, "context: xxx", 12), 0);
    cr_expect_eq(strlen(error.text), OUTBOX_ERROR_TEXT_SIZE - 1);
    obx_error_wrap(&error, "%s", large);
    cr_expect_eq(strlen(error.text), OUTBOX_ERROR_TEXT_SIZE - 1);
}
