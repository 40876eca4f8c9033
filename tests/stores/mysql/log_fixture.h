/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/log_fixture.h - the binlog of a real server, read from its files by the parser alone
 *
 * Each test has a table of its own; FULL or minimal metadata as the test sets it. What the parser finds is kept as
 * text: one line for each item, so that a test states what it expects in one string.
 */
#ifndef OBX_TESTS_STORES_MYSQL_LOG_FIXTURE_H
#define OBX_TESTS_STORES_MYSQL_LOG_FIXTURE_H

#include <criterion/criterion.h>
#include <mysql.h>

#include "binlog/gtid_set.h"
#include "binlog/reader.h"

struct log_fixture {
    MYSQL *mysql;
    bool mariadb;
    const char *table;
    struct mys_log_wanted wanted[40];
    uint32_t wanted_count;
    struct mys_reader reader;
    char *text; /* items since the mark */
    size_t size;
    FILE *out;
    struct outbox_error error; /* the parser's */
    char file[512];            /* the mark */
    unsigned long position;
    struct mys_gtid_set seen;
    unsigned turns; /* items MYS_ITEM_TURN */
};

extern const struct outbox_host log_host;

void log_open(struct log_fixture *fixture, const char *table);
void log_close(struct log_fixture *fixture);
/* Statements, with a semicolon between each two. */
void log_run(struct log_fixture *fixture, const char *sql);
bool log_try(struct log_fixture *fixture, const char *sql);
/* The first column of the first row; free() it. */
char *log_ask(struct log_fixture *fixture, const char *sql);
/* The column of this name, and how its bytes are read. */
void log_want(struct log_fixture *fixture, const char *name, enum mys_log_as as, bool is_unsigned);
/* Items count from here. */
void log_mark(struct log_fixture *fixture);
/* Reads the log from the mark to its end; what was found is in `text`. Returns the parser's error code. */
int log_read(struct log_fixture *fixture);
void log_expect(struct log_fixture *fixture, const char *text);

#endif
