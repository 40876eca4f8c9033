/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/buf_test.c - the growing byte buffer, also without memory */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "mem_fault.h"

Test(buf, empty_buffer_is_an_empty_text)
{
    struct obx_buf buf = {0};
    cr_expect_str_eq(obx_buf_text(&buf), "");
    cr_expect_not(obx_buf_failed(&buf));
    obx_buf_add(&buf, NULL, 0);
    cr_expect_eq(buf.size, 0);
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}

Test(buf, bytes_are_appended_in_order_and_end_with_nul)
{
    struct obx_buf buf = {0};
    obx_buf_puts(&buf, "a");
    obx_buf_putc(&buf, 'b');
    obx_buf_add(&buf, "cde", 2);
    obx_buf_printf(&buf, "-%d-%s", 7, "x");
    cr_expect_str_eq(obx_buf_text(&buf), "abcd-7-x");
    cr_expect_eq(buf.size, 8);
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}

Test(buf, nul_bytes_are_kept)
{
    struct obx_buf buf = {0};
    obx_buf_add(&buf, "a\0b", 3);
    cr_expect_eq(buf.size, 3);
    cr_expect_arr_eq(buf.data, "a\0b", 4);
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}

Test(buf, buffer_grows_without_limit)
{
    struct obx_buf buf = {0};
    for (int i = 0; i < 5000; i++)
        obx_buf_putc(&buf, (char)('a' + i % 26));
    cr_assert_eq(buf.size, 5000);
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(buf.data[i], 'a' + i % 26);
    cr_expect_eq(strlen(obx_buf_text(&buf)), 5000);
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}

Test(buf, clear_keeps_the_memory)
{
    struct obx_buf buf = {0};
    obx_buf_puts(&buf, "text");
    const char *data = buf.data;
    obx_buf_clear(&buf);
    cr_expect_str_eq(obx_buf_text(&buf), "");
    obx_buf_puts(&buf, "next");
    cr_expect_eq(buf.data, data);
    cr_expect_str_eq(obx_buf_text(&buf), "next");
    obx_buf_free(&buf);
    cr_expect_null(buf.data);
    cr_assert_eq(mem_live(), 0);
}

Test(buf, first_failure_is_remembered_and_content_kept)
{
    struct obx_buf buf = {0};
    char large[1000] = {0};
    obx_buf_puts(&buf, "kept");
    mem_fail_at(1, false);
    obx_buf_add(&buf, large, sizeof large);
    cr_expect(mem_failed());
    cr_expect(obx_buf_failed(&buf));
    obx_buf_puts(&buf, "lost");
    obx_buf_printf(&buf, "lost");
    cr_expect_null(obx_buf_reserve(&buf, 1));
    cr_expect_str_eq(obx_buf_text(&buf), "kept");
    obx_buf_clear(&buf);
    obx_buf_puts(&buf, "again");
    cr_expect_not(obx_buf_failed(&buf));
    cr_expect_str_eq(obx_buf_text(&buf), "again");
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}

Test(buf, impossible_size_fails)
{
    struct obx_buf buf = {0};
    obx_buf_puts(&buf, "kept");
    cr_expect_null(obx_buf_reserve(&buf, SIZE_MAX - 2));
    cr_expect(obx_buf_failed(&buf));
    cr_expect_str_eq(obx_buf_text(&buf), "kept");
    obx_buf_free(&buf);
    cr_assert_eq(mem_live(), 0);
}
