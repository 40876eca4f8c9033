/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/mysql/window.c - the row of a partition: read when its window is opened, written in each transaction
 *
 * A save is an UPDATE of the row at the offset of the save before. Of two consumers that believe to have the partition,
 * one changes the row, and the other finds no row at its offset. Failure modes: see outbox/window.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "hex.h"
#include "inbox_error.h"
#include "window.h"

enum { DUPLICATE_KEY = 1062 };

/* A name as a literal that needs no escapes. */
struct literal {
    char text[12 + 2 * WINDOW_TOPIC_MAX];
};

static struct literal literal_of(const char *name)
{
    struct literal literal = {"_ascii x'"};
    *mys_hex(literal.text + strlen(literal.text), name, strlen(name)) = '\'';
    return literal;
}

static int fail(MYSQL *mysql, const char *what, struct outbox_error *error)
{
    return mys_inbox_fail(mysql, what, "table outbox_inbox_position", error);
}

int outbox_mysql_window_open(MYSQL *mysql, const struct outbox_window_place *place, struct outbox_window **window,
                             struct outbox_error *error)
{
    char sql[1600];
    int code = window_check_place(mysql, place, window, error);
    if (code)
        return code;
    const struct literal consumer = literal_of(place->consumer), topic = literal_of(place->topic);
    const struct window_attempt what = window_attempt("open the window", place);
    snprintf(sql, sizeof sql, WINDOW_SELECT("%s", "%s", "%" PRId32), place->partition, place->partition, consumer.text,
             topic.text);
    MYSQL_RES *result = mysql_query(mysql, sql) ? NULL : mysql_store_result(mysql);
    bool fits = result && mysql_num_fields(result) == WINDOW_COLUMNS && mysql_num_rows(result) == 1;
    struct window_row row;
    code = result ? window_read_row(place, fits ? (const char *const *)mysql_fetch_row(result) : NULL, &row, error)
                  : fail(mysql, what.text, error);
    mysql_free_result(result);
    return code ? code : window_new(place, &row, window, error);
}

/* 0, or as mysql_query(). */
static int write_row(MYSQL *mysql, const struct outbox_window *window, const struct window_row *row)
{
    char sql[1600];
    const struct outbox_window_place *place = window_place(window);
    const struct literal consumer = literal_of(place->consumer), topic = literal_of(place->topic);
    int64_t saved = window_saved(window);
    if (saved >= 0)
        snprintf(sql, sizeof sql,
                 "UPDATE outbox_inbox_position SET next_offset = %" PRId64 ", window_offset = %" PRId64
                 " WHERE consumer = %s AND topic = %s AND part = %" PRId32 " AND next_offset = %" PRId64,
                 row->next_offset, row->window_offset, consumer.text, topic.text, place->partition, saved);
    else
        snprintf(sql, sizeof sql,
                 "INSERT INTO outbox_inbox_position (next_offset, window_offset, consumer, topic, part, partitions) "
                 "VALUES (%" PRId64 ", %" PRId64 ", %s, %s, %" PRId32 ", %" PRId32 ")",
                 row->next_offset, row->window_offset, consumer.text, topic.text, place->partition, place->partitions);
    return mysql_query(mysql, sql);
}

int outbox_mysql_window_save(MYSQL *mysql, struct outbox_window *window, struct outbox_error *error)
{
    struct window_row row;
    if (!mysql || !window)
        return mys_fail(error, OUTBOX_E_INVALID, "save a window: the connection or the window is NULL");
    const struct window_attempt what = window_attempt("save the window", window_place(window));
    int code = mys_inbox_check_transaction(mysql, what.text, error);
    if (code || !window_to_save(window, &row))
        return code;
    bool failed = write_row(mysql, window, &row);
    if (failed && mysql_errno(mysql) != DUPLICATE_KEY)
        return fail(mysql, what.text, error);
    if (failed || mysql_affected_rows(mysql) != 1)
        return window_fenced(window, error);
    window_set_saved(window, &row);
    return OUTBOX_OK;
}
