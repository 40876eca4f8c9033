/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/reference_test.c - option tables as Markdown */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "config/reference.h"
#include "mem_fault.h"

static const char *const orders[] = {"key", "global", "none", NULL};
static const struct outbox_option options[] = {
    {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_REQUIRED | OUTBOX_OPT_SECRET, 0, NULL, 0, 0, NULL, "where|what"},
    {"prefix", OUTBOX_OPT_STRING, 0, 0, "", 0, 0, NULL, "in front"},
    {"fast", OUTBOX_OPT_BOOL, OUTBOX_OPT_RELOADABLE, 0, "on", 0, 0, NULL, "go fast"},
    {"batch", OUTBOX_OPT_INT, 0, 0, "500", 1, 1000, NULL, "rows"},
    {"least", OUTBOX_OPT_INT, 0, 0, NULL, 5, INT64_MAX, NULL, "no upper bound"},
    {"memory", OUTBOX_OPT_SIZE, 0, 0, "16MiB", 65536, 1 << 30, NULL, "bytes"},
    {"idle", OUTBOX_OPT_DURATION, 0, 0, "1s", 0, 60000, NULL, "a\npause"},
    {"order", OUTBOX_OPT_ENUM, 0, 0, "key", 0, 0, orders, "which"},
    {"headers", OUTBOX_OPT_MAP, 0, 0, "{ id: \"${a|b}\" }", 0, 0, NULL, NULL},
};

static void expect(struct obx_buf *buf, const char *text)
{
    cr_expect_str_eq(obx_buf_text(buf), text, "%s", obx_buf_text(buf));
    obx_buf_free(buf);
    cr_assert_eq(mem_live(), 0);
}

Test(reference, table_has_one_row_per_option)
{
    struct obx_buf buf = {0};
    obx_reference_markdown(&buf, options, OBX_COUNT(options), sizeof *options);
    expect(&buf, "| Key | Type | Default | Meaning |\n"
                 "|---|---|---|---|\n"
                 "| `dsn` | text | required | where\\|what (secret) |\n"
                 "| `prefix` | text | `\"\"` | in front |\n"
                 "| `fast` | true or false | `on` | go fast (reloadable) |\n"
                 "| `batch` | number from 1 to 1000 | `500` | rows |\n"
                 "| `least` | number, at least 5 |  | no upper bound |\n"
                 "| `memory` | size from 64KiB to 1GiB | `16MiB` | bytes |\n"
                 "| `idle` | duration from 0 to 1m | `1s` | a pause |\n"
                 "| `order` | `key`, `global` or `none` | `key` | which |\n"
                 "| `headers` | mapping | `{ id: \"${a\\|b}\" }` |  |\n");
}

Test(reference, smaller_entries_of_an_older_table_are_accepted)
{
    struct obx_buf buf = {0};
    struct {
        struct outbox_option option[2];
    } table;
    size_t stride = offsetof(struct outbox_option, help);
    char packed[2 * sizeof(struct outbox_option)] __attribute__((aligned(16)));
    table.option[0] = options[1];
    table.option[1] = options[2];
    __builtin_memcpy(packed, &table.option[0], stride);
    __builtin_memcpy(packed + stride, &table.option[1], stride);
    obx_reference_markdown(&buf, (const struct outbox_option *)(const void *)packed, 2, (uint32_t)stride);
    expect(&buf, "| Key | Type | Default | Meaning |\n"
                 "|---|---|---|---|\n"
                 "| `prefix` | text | `\"\"` |  |\n"
                 "| `fast` | true or false | `on` |  (reloadable) |\n");
}
