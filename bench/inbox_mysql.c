/* SPDX-License-Identifier: Apache-2.0 */
/* bench/inbox_mysql.c - inbox.h on MySQL and MariaDB: user, password and database are outbox */
#include <stdio.h>
#include <stdlib.h>

#include <outbox/mysql.h>

#include "inbox.h"

static MYSQL *mysql;

static void fail(const char *why)
{
    fprintf(stderr, "inbox: %s\n", why);
    exit(1);
}

void bench_open(const char *place)
{
    mysql = mysql_init(NULL);
    if (!mysql_real_connect(mysql, "127.0.0.1", "outbox", "outbox", "outbox", (unsigned)atoi(place), NULL, 0))
        fail(mysql_error(mysql));
}

void bench_run(const char *sql)
{
    if (mysql_query(mysql, sql))
        fail(mysql_error(mysql));
}

void bench_take(const char *consumer, const struct outbox_bytes *ids, size_t count, bool *is_new)
{
    struct outbox_error error;
    if (outbox_mysql_inbox_take(mysql, consumer, ids, count, is_new, &error))
        fail(error.text);
}

struct outbox_window *bench_window(const char *topic)
{
    const struct outbox_window_place place = {
        .struct_size = sizeof place, .consumer = "bench", .topic = topic, .partitions = 1, .log_end = INT64_MAX};
    struct outbox_window *window = NULL;
    struct outbox_error error;
    if (outbox_mysql_window_open(mysql, &place, &window, &error))
        fail(error.text);
    return window;
}

void bench_save(struct outbox_window *window)
{
    struct outbox_error error;
    if (outbox_mysql_window_save(mysql, window, &error))
        fail(error.text);
}

void bench_close(void)
{
    mysql_close(mysql);
}
