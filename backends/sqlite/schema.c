/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/schema.c - see schema.h */
#include "schema.h"

#include <string.h>

#include "sql/memory.h"

static const char *const names[COLUMN_COUNT] = {"id",   "event_id", "aggregatetype", "aggregateid",
                                                "type", "payload",  "headers",       "created_at"};

/* A copy in memory of the host; frees the text, which comes from sqlite3_mprintf(). */
static char *copy_to_host(const struct outbox_host *host, char *text)
{
    char *copy = text ? obx_sql_strdup(host, text) : NULL;
    sqlite3_free(text);
    return copy;
}

enum lite_column lite_schema_find(const char *logical)
{
    int i = 0;
    while (i < COLUMN_COUNT && strcmp(names[i], logical) != 0)
        i++;
    return (enum lite_column)i;
}

static int map_column(struct lite_schema *schema, const struct outbox_pair *pair, struct outbox_error *error)
{
    enum lite_column column = lite_schema_find(pair->name);
    if (column == COLUMN_COUNT)
        return outbox_error_set(
            error, OUTBOX_E_CONFIG,
            "read the option columns: \"%s\" is none of id, event_id, aggregatetype, aggregateid, type, "
            "payload, headers, created_at; any other column is used by its own name",
            pair->name);
    schema->physical[column] = pair->value;
    return OUTBOX_OK;
}

int lite_schema_init(struct lite_schema *schema, const struct outbox_host *host, struct outbox_error *error)
{
    memcpy(schema->physical, names, sizeof names);
    for (uint32_t i = 0; i < schema->columns.count; i++) {
        int code = map_column(schema, &schema->columns.items[i], error);
        if (code)
            return code;
    }
    schema->relay_name = copy_to_host(host, sqlite3_mprintf("%s_relay", schema->table));
    if (!schema->dead_table)
        schema->dead_table = schema->dead_name = copy_to_host(host, sqlite3_mprintf("%s_dead", schema->table));
    if (!schema->relay_name || !schema->dead_table)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "prepare the sqlite store: out of memory");
    if (sqlite3_stricmp(schema->dead_table, schema->table) == 0)
        return outbox_error_set(error, OUTBOX_E_CONFIG,
                                "read the option dead_table: it is the outbox itself; name another");
    return OUTBOX_OK;
}

void lite_schema_fini(struct lite_schema *schema, const struct outbox_host *host)
{
    host->release(host, schema->dead_name);
    host->release(host, schema->relay_name);
}

/* 128 random bits with the version and the variant of a UUID v4. */
#define UUID                                                                                                     \
    "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || " \
    "substr('89ab', 1 + (abs(random()) %% 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"

#define NOW "(strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now'))"

/* What begins as the relay reads headers; the name of the column five times. Before 3.42 connections that do not trust
 * the schema, as those of the relay, refuse the functions for JSON. */
#define HEADERS                                                                                           \
    "\"%w\" TEXT CHECK (\"%w\" IS NULL OR \"%w\" IN ('', 'null') OR replace(\"%w\", ' ', '') = '[]' OR\n" \
    "        ltrim(\"%w\", char(9, 10, 13, 32)) GLOB '{*')"

static char *outbox_sql(const struct lite_schema *schema)
{
    const char *const *name = schema->physical, *headers = name[COLUMN_HEADERS];
    return sqlite3_mprintf("CREATE TABLE IF NOT EXISTS \"%w\" (\n"
                           "    \"%w\" INTEGER PRIMARY KEY AUTOINCREMENT,\n"
                           "    \"%w\" TEXT NOT NULL DEFAULT " UUID ",\n"
                           "    \"%w\" TEXT NOT NULL,\n"
                           "    \"%w\" TEXT NOT NULL,\n"
                           "    \"%w\" TEXT NOT NULL,\n"
                           "    \"%w\" BLOB,\n"
                           "    " HEADERS ",\n"
                           "    \"%w\" TEXT NOT NULL DEFAULT " NOW "\n"
                           ")",
                           schema->table, name[COLUMN_ID], name[COLUMN_EVENT_ID], name[COLUMN_AGGREGATE_TYPE],
                           name[COLUMN_AGGREGATE_ID], name[COLUMN_TYPE], name[COLUMN_PAYLOAD], headers, headers,
                           headers, headers, headers, name[COLUMN_CREATED_AT]);
}

static char *dead_sql(const struct lite_schema *schema)
{
    return sqlite3_mprintf("CREATE TABLE IF NOT EXISTS \"%w\" (\n"
                           "    number INTEGER PRIMARY KEY AUTOINCREMENT,\n"
                           "    id INTEGER NOT NULL,\n"
                           "    event_id,\n"
                           "    aggregatetype,\n"
                           "    aggregateid,\n"
                           "    type,\n"
                           "    payload,\n"
                           "    headers,\n"
                           "    created_at,\n"
                           "    topic BLOB,\n"
                           "    \"key\" BLOB,\n"
                           "    reason TEXT,\n"
                           "    attempts INTEGER NOT NULL,\n"
                           "    died_at TEXT NOT NULL DEFAULT " NOW ",\n"
                           "    rest BLOB\n"
                           ")",
                           schema->dead_table);
}

char *lite_schema_sql(const struct lite_schema *schema, int index)
{
    switch (index) {
    case 0:
        return outbox_sql(schema);
    case 1:
        return dead_sql(schema);
    case 2:
        return sqlite3_mprintf("CREATE TABLE IF NOT EXISTS \"%w\" (\n"
                               "    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),\n"
                               "    epoch INTEGER NOT NULL DEFAULT 0,\n"
                               "    owner TEXT NOT NULL DEFAULT ''\n"
                               ")",
                               schema->relay_name);
    case 3:
        return sqlite3_mprintf("INSERT OR IGNORE INTO \"%w\" (singleton) VALUES (1)", schema->relay_name);
    default:
        return NULL;
    }
}

bool lite_schema_has_column(struct lite_conn *conn, const char *table, const char *column)
{
    return sqlite3_table_column_metadata(conn->db, NULL, table, column, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

bool lite_schema_has_table(struct lite_conn *conn, const char *table)
{
    return lite_schema_has_column(conn, table, NULL);
}

static bool is_view(struct lite_conn *conn, const char *name, const char *what, struct outbox_error *error)
{
    return lite_query_int64(
               conn,
               sqlite3_mprintf("SELECT count(*) FROM sqlite_schema WHERE type = 'view' AND lower(name) = lower(%Q)",
                               name),
               what, error) > 0;
}

static int fail_missing_table(struct lite_conn *conn, const char *table, const char *what, struct outbox_error *error)
{
    if (is_view(conn, table, what, error))
        return outbox_error_set(error, OUTBOX_E_SCHEMA, "%s %s: \"%s\" is a view; name the table itself", what,
                                conn->path, table);
    return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: there is no table \"%s\"; create it with 'outbox init'",
                            what, conn->path, table);
}

static int check_id(const struct lite_schema *schema, struct lite_conn *conn, const char *what,
                    struct outbox_error *error)
{
    const char *id = schema->physical[COLUMN_ID];
    int key = 0, automatic = 0;
    int code = sqlite3_table_column_metadata(conn->db, NULL, schema->table, id, NULL, NULL, NULL, &key, &automatic);
    if (code == SQLITE_OK && key && automatic)
        return OUTBOX_OK;
    if (code != SQLITE_OK)
        return outbox_error_set(
            error, OUTBOX_E_SCHEMA,
            "%s %s: table \"%s\" has no column \"%s\"; add it as INTEGER PRIMARY KEY AUTOINCREMENT, or "
            "name the one that is in columns: {id: NAME}",
            what, conn->path, schema->table, id);
    return outbox_error_set(
        error, OUTBOX_E_SCHEMA,
        "%s %s: column \"%s\" of table \"%s\" is not INTEGER PRIMARY KEY AUTOINCREMENT, so SQLite "
        "would use ids of removed events again and events would be lost; create the table with such "
        "a key",
        what, conn->path, id, schema->table);
}

int lite_schema_check(const struct lite_schema *schema, struct lite_conn *conn, const char *what,
                      struct outbox_error *error)
{
    const char *const tables[] = {schema->table, schema->dead_table, schema->relay_name};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (lite_schema_has_table(conn, tables[i]))
            continue;
        int native = sqlite3_errcode(conn->db);
        return (native & 0xff) == SQLITE_ERROR ? fail_missing_table(conn, tables[i], what, error)
                                               : lite_fail(conn, native, what, error);
    }
    return check_id(schema, conn, what, error);
}

void lite_schema_append_columns(const struct lite_schema *schema, struct lite_conn *conn, sqlite3_str *sql,
                                bool of_outbox, struct lite_set *set)
{
    for (int i = COLUMN_EVENT_ID; i < COLUMN_COUNT; i++) {
        if (lite_schema_has_column(conn, schema->table, schema->physical[i]) && !lite_set_append(set, names[i], sql))
            sqlite3_str_appendf(sql, ", \"%w\"", of_outbox ? schema->physical[i] : names[i]);
    }
}

bool lite_set_append(struct lite_set *set, const char *column, sqlite3_str *sql)
{
    if (!set || !set->column || strcmp(set->column, column) != 0)
        return false;
    sqlite3_str_appendf(sql, ", %Q", set->text);
    set->used = true;
    return true;
}
