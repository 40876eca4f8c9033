/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/writers/statement_mysql_test.c - statements for callers with their own driver: text, and misuse */
#include <criterion/criterion.h>
#include <string.h>

#include <outbox/mysql.h>

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

static struct outbox_event placed(void)
{
    return (struct outbox_event){.struct_size = sizeof(struct outbox_event),
                                 .aggregate_type = text("order"),
                                 .aggregate_id = text("7"),
                                 .type = text("placed"),
                                 .payload = text("{}")};
}

Test(statement, values_are_hexadecimal_digits)
{
    struct outbox_event event = placed(), binary = placed();
    const struct outbox_event *const events[] = {&event, &binary};
    struct outbox_error error;
    char *sql;
    size_t size;
    binary.payload = (struct outbox_bytes){"\xff", 1};
    cr_assert_eq(outbox_mysql_statement("shop.o`x", events, 2, &sql, &size, &error), OUTBOX_OK, "%s", error.text);
    cr_expect_str_eq(sql,
                     "INSERT INTO `shop`.`o``x` (`aggregatetype`, `aggregateid`, `type`, `payload`) VALUES (_utf8mb4 "
                     "x'6f72646572', _utf8mb4 x'37', _utf8mb4 x'706c61636564', _utf8mb4 x'7b7d'), (_utf8mb4 "
                     "x'6f72646572', _utf8mb4 x'37', _utf8mb4 x'706c61636564', x'ff')");
    cr_expect_eq(size, strlen(sql));
    outbox_mysql_statement_free(sql);
    cr_assert_eq(outbox_mysql_statement(NULL, events, 1, &sql, NULL, NULL), OUTBOX_OK);
    outbox_mysql_statement_free(sql);
}

static void refused(const struct outbox_event *const *events, uint32_t count, const char *why)
{
    struct outbox_error error;
    char *sql = (char *)&error;
    cr_expect_eq(outbox_mysql_statement(NULL, events, count, &sql, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, why);
    cr_expect_null(sql);
    cr_expect_eq(outbox_mysql_statement(NULL, events, count, &sql, NULL, NULL), OUTBOX_E_INVALID);
}

Test(statement, misuse_is_refused)
{
    struct outbox_event event = placed();
    const struct outbox_event *events[] = {&event, NULL};
    struct outbox_error error;
    refused(NULL, 1, "add an event to outbox: events is NULL");
    refused(events, 0, "add an event to outbox: there are no events");
    refused(events, 2, "add event 2 to outbox: event is NULL");
    cr_expect_eq(outbox_mysql_statement(NULL, events, 1, NULL, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "add an event to outbox: sql is NULL");
    event.type = (struct outbox_bytes){"\xff", 1};
    refused(events, 1, "add event 1 to outbox: type is not UTF-8");
    outbox_mysql_statement_free(NULL);
}
