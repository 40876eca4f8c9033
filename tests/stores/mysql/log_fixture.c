/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/log_fixture.c - reads the files of a server's binlog */
#include "log_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the part of a host that parsers use ------------------------------------------------------------------------- */

static void *take(const struct outbox_host *host, size_t size)
{
    (void)host;
    return calloc(1, size);
}

static void *resize(const struct outbox_host *host, void *memory, size_t size)
{
    (void)host;
    return realloc(memory, size);
}

static void give_back(const struct outbox_host *host, void *memory)
{
    (void)host;
    free(memory);
}

const struct outbox_host log_host = {
    .struct_size = sizeof log_host, .alloc = take, .resize = resize, .release = give_back};

/* ---- the server -------------------------------------------------------------------------------------------------- */

bool log_try(struct log_fixture *fixture, const char *sql)
{
    if (mysql_query(fixture->mysql, sql))
        return false;
    int more;
    do {
        mysql_free_result(mysql_store_result(fixture->mysql));
        more = mysql_next_result(fixture->mysql);
    } while (more == 0);
    return more < 0;
}

void log_run(struct log_fixture *fixture, const char *sql)
{
    cr_assert(log_try(fixture, sql), "%s: %s", sql, mysql_error(fixture->mysql));
}

char *log_ask(struct log_fixture *fixture, const char *sql)
{
    cr_assert_eq(mysql_query(fixture->mysql, sql), 0, "%s: %s", sql, mysql_error(fixture->mysql));
    MYSQL_RES *result = mysql_store_result(fixture->mysql);
    MYSQL_ROW row = mysql_fetch_row(result);
    unsigned long *sizes = mysql_fetch_lengths(result);
    char *text = NULL;
    if (row && row[0]) {
        text = calloc(1, sizes[0] + 1);
        memcpy(text, row[0], sizes[0]);
    }
    mysql_free_result(result);
    return text;
}

void log_open(struct log_fixture *fixture, const char *table)
{
    *fixture = (struct log_fixture){.table = table, .mysql = mysql_init(NULL)};
    unsigned port = (unsigned)atoi(getenv("OUTBOX_TEST_MYSQL_PORT"));
    cr_assert_not_null(mysql_real_connect(fixture->mysql, "127.0.0.1", "outbox", "outbox", "outbox", port, NULL,
                                          CLIENT_MULTI_STATEMENTS),
                       "%s", mysql_error(fixture->mysql));
    fixture->mariadb = strstr(mysql_get_server_info(fixture->mysql), "MariaDB") != NULL;
    log_run(fixture, "SET time_zone = '+00:00', NAMES utf8mb4, sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES'; "
                     "SET GLOBAL binlog_row_metadata = FULL");
    mys_gtid_set_init(&fixture->seen, &log_host, fixture->mariadb);
}

void log_close(struct log_fixture *fixture)
{
    mys_reader_free(&fixture->reader);
    mys_gtid_set_free(&fixture->seen);
    free(fixture->text);
    mysql_close(fixture->mysql);
}

void log_want(struct log_fixture *fixture, const char *name, enum mys_log_as as, bool is_unsigned)
{
    struct mys_log_wanted *wanted = &fixture->wanted[fixture->wanted_count];
    *wanted = (struct mys_log_wanted){.as = as, .is_unsigned = is_unsigned, .ordinal = fixture->wanted_count++};
    snprintf(wanted->name, sizeof wanted->name, "%s", name);
}

void log_mark(struct log_fixture *fixture)
{
    bool old = !mysql_query(fixture->mysql, "SHOW MASTER STATUS");
    cr_assert(old || !mysql_query(fixture->mysql, "SHOW BINARY LOG STATUS"));
    MYSQL_RES *result = mysql_store_result(fixture->mysql);
    MYSQL_ROW row = mysql_fetch_row(result);
    snprintf(fixture->file, sizeof fixture->file, "%s", row[0]);
    fixture->position = strtoul(row[1], NULL, 10);
    mysql_free_result(result);
}

/* ---- items as text ----------------------------------------------------------------------------------------------- */

static void print_value(FILE *out, const struct outbox_value *value)
{
    const unsigned char *bytes = value->as.data;
    switch (value->type) {
    case OUTBOX_NULL:
        fputs("null", out);
        break;
    case OUTBOX_TEXT:
        fprintf(out, "'%.*s'", (int)value->size, (const char *)value->as.data);
        break;
    case OUTBOX_BYTES:
    case OUTBOX_UUID:
        fputs(value->type == OUTBOX_UUID ? "u" : "x", out);
        for (uint32_t i = 0; i < value->size; i++)
            fprintf(out, "%02x", bytes[i]);
        break;
    case OUTBOX_FLOAT:
        fprintf(out, value->size == OUTBOX_FLOAT_SINGLE ? "f%.9g" : "d%.17g", value->as.real);
        break;
    default:
        fprintf(out, "%s%lld", value->type == OUTBOX_TIME ? "t" : "", (long long)value->as.integer);
        break;
    }
}

static void print_item(struct log_fixture *fixture, const struct mys_item *item)
{
    static const char *const names[] = {"",          "begin",       "row",     "commit", "rollback", "prepared",
                                        "xa commit", "xa rollback", "altered", "",       "statement"};
    fixture->turns += item->kind == MYS_ITEM_TURN;
    if (item->kind >= sizeof names / sizeof *names || !*names[item->kind])
        return;
    if (item->kind == MYS_ITEM_BEGIN)
        mys_gtid_set_add(&fixture->seen, &item->gtid);
    fputs(names[item->kind], fixture->out);
    for (uint32_t i = 0; item->kind == MYS_ITEM_ROW && i < fixture->wanted_count; i++) {
        fputs(i ? ", " : " ", fixture->out);
        print_value(fixture->out, &item->values[i]);
    }
    if (item->xid)
        fprintf(fixture->out, " %s", item->xid);
    if (item->kind == MYS_ITEM_STATEMENT || item->kind == MYS_ITEM_ALTERED)
        fprintf(fixture->out, " %.*s", (int)item->text.size, (const char *)item->text.data);
    fputs("; ", fixture->out);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static FILE *open_file(const char *name)
{
    char path[700];
    snprintf(path, sizeof path, "%s/data/%s", getenv("OUTBOX_TEST_MYSQL_DIR"), name);
    return fopen(path, "rb");
}

/* In memory of exactly its size, so that a sanitizer detects reads past its end. NULL: the file has ended. */
static unsigned char *next_event(FILE *file, size_t *size)
{
    unsigned char head[MYS_EVENT_HEADER];
    if (fread(head, sizeof head, 1, file) != 1)
        return NULL;
    *size = mys_little(head + 9, 4);
    unsigned char *event = malloc(*size);
    memcpy(event, head, sizeof head);
    cr_assert_eq(fread(event + sizeof head, *size - sizeof head, 1, file), 1);
    return event;
}

static int feed(struct log_fixture *fixture, unsigned char *event, size_t size, bool print)
{
    struct mys_item item;
    int code = mys_reader_feed(&fixture->reader, (struct outbox_bytes){event, size}, &fixture->error);
    while (!code && !(code = mys_reader_next(&fixture->reader, &item, &fixture->error)) && item.kind != MYS_ITEM_NONE)
        if (print)
            print_item(fixture, &item);
    return code;
}

static int read_file(struct log_fixture *fixture, const char *name, unsigned long from)
{
    FILE *file = open_file(name);
    unsigned char *event, type;
    size_t size;
    int code = 0;
    cr_assert_not_null(file, "%s", name);
    fseek(file, 4, SEEK_SET);
    while (!code && (event = next_event(file, &size))) {
        unsigned long at = (unsigned long)ftell(file) - size;
        type = event[4];
        if (at >= from || type == MYS_EV_FORMAT_DESCRIPTION)
            code = feed(fixture, event, size, true);
        free(event);
    }
    fclose(file);
    return code;
}

int log_read(struct log_fixture *fixture)
{
    const struct mys_log_name name = {.schema = "outbox", .table = fixture->table};
    struct outbox_error *error = &fixture->error;
    mys_reader_free(&fixture->reader);
    free(fixture->text);
    fixture->out = open_memstream(&fixture->text, &fixture->size);
    error->code = 0;
    cr_assert_eq(mys_reader_init(&fixture->reader, &log_host, &name, fixture->wanted, fixture->wanted_count, error), 0);
    fixture->reader.table_columns = fixture->wanted_count;
    fixture->turns = 0;
    mys_reader_restart(&fixture->reader, false);
    int code = read_file(fixture, fixture->file, fixture->position);
    fclose(fixture->out);
    return code;
}

void log_expect(struct log_fixture *fixture, const char *text)
{
    int code = log_read(fixture);
    cr_assert_eq(code, 0, "%s", fixture->error.text);
    cr_assert_str_eq(fixture->text, text);
}
