/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/schema.c - the tables: their names, the SQL that makes them, and whether they will do
 *
 * Three tables: the outbox, its dead letters, and one row that tells who relays. Only the outbox is likely to be the
 * application's own; it needs an AUTOINCREMENT key, since an id that is used a second time could be settled in
 * place of the row that had it first.
 */
#include "store.h"

#include <string.h>

const char *const lite_names[NAME_COUNT] = {"id",   "event_id", "aggregatetype", "aggregateid",
                                            "type", "payload",  "headers",       "created_at"};

/* made: of sqlite3_mprintf, freed here. */
static char *keep(const struct lite_store *store, char *made)
{
    char *copy = made ? obx_sql_strdup(store->host, made) : NULL;
    sqlite3_free(made);
    return copy;
}

static int map_column(struct lite_store *store, const struct outbox_pair *pair, struct outbox_error *error)
{
    for (int i = 0; i < NAME_COUNT; i++) {
        if (strcmp(lite_names[i], pair->name) == 0) {
            store->physical[i] = pair->value;
            return OUTBOX_OK;
        }
    }
    return outbox_error_set(
        error, OUTBOX_E_CONFIG,
        "read the option columns: \"%s\" is none of id, event_id, aggregatetype, aggregateid, type, "
        "payload, headers, created_at; any other column is used by its own name",
        pair->name);
}

int lite_schema_names(struct lite_store *store, struct outbox_error *error)
{
    memcpy(store->physical, lite_names, sizeof lite_names);
    for (uint32_t i = 0; i < store->columns.count; i++) {
        int code = map_column(store, &store->columns.items[i], error);
        if (code)
            return code;
    }
    store->relay_name = keep(store, sqlite3_mprintf("%s_relay", store->table));
    store->dead_name = store->dead_table ? NULL : keep(store, sqlite3_mprintf("%s_dead", store->table));
    if (!store->relay_name || (!store->dead_table && !store->dead_name))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "prepare the sqlite store: out of memory");
    if (!store->dead_table)
        store->dead_table = store->dead_name;
    if (sqlite3_stricmp(store->dead_table, store->table) == 0)
        return outbox_error_set(error, OUTBOX_E_CONFIG,
                                "read the option dead_table: it is the outbox itself; name another");
    return OUTBOX_OK;
}

/* 128 random bits with the version and the variant of a UUID v4. */
#define UUID                                                                                                     \
    "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || " \
    "substr('89ab', 1 + (abs(random()) %% 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"

char *lite_schema_sql(const struct lite_store *store, int index)
{
    const char *const *name = store->physical;
    switch (index) {
    case 0:
        return sqlite3_mprintf("CREATE TABLE IF NOT EXISTS \"%w\" (\n"
                               "    \"%w\" INTEGER PRIMARY KEY AUTOINCREMENT,\n"
                               "    \"%w\" TEXT NOT NULL DEFAULT " UUID ",\n"
                               "    \"%w\" TEXT NOT NULL,\n"
                               "    \"%w\" TEXT NOT NULL,\n"
                               "    \"%w\" TEXT NOT NULL,\n"
                               "    \"%w\" BLOB,\n"
                               "    \"%w\" TEXT,\n"
                               "    \"%w\" TEXT NOT NULL DEFAULT (strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now'))\n"
                               ")",
                               store->table, name[NAME_ID], name[NAME_EVENT_ID], name[NAME_AGGREGATE_TYPE],
                               name[NAME_AGGREGATE_ID], name[NAME_TYPE], name[NAME_PAYLOAD], name[NAME_HEADERS],
                               name[NAME_CREATED_AT]);
    case 1:
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
                               "    died_at TEXT NOT NULL DEFAULT (strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now'))\n"
                               ")",
                               store->dead_table);
    case 2:
        return sqlite3_mprintf("CREATE TABLE IF NOT EXISTS \"%w\" (\n"
                               "    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),\n"
                               "    epoch INTEGER NOT NULL DEFAULT 0,\n"
                               "    owner TEXT NOT NULL DEFAULT ''\n"
                               ")",
                               store->relay_name);
    case 3:
        return sqlite3_mprintf("INSERT OR IGNORE INTO \"%w\" (singleton) VALUES (1)", store->relay_name);
    default:
        return NULL;
    }
}

bool lite_has_column(struct lite_conn *conn, const char *table, const char *column)
{
    return sqlite3_table_column_metadata(conn->db, NULL, table, column, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

bool lite_has_table(struct lite_conn *conn, const char *table)
{
    return lite_has_column(conn, table, NULL);
}

static int missing_table(const struct lite_store *store, const char *table, const char *what,
                         struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_NOT_FOUND, "%s %s: there is no table \"%s\"; create it with 'outbox init'",
                            what, store->path, table);
}

static int check_id(const struct lite_store *store, struct lite_conn *conn, const char *what,
                    struct outbox_error *error)
{
    const char *id = store->physical[NAME_ID];
    int key = 0, automatic = 0;
    int code = sqlite3_table_column_metadata(conn->db, NULL, store->table, id, NULL, NULL, NULL, &key, &automatic);
    if (code == SQLITE_OK && key && automatic)
        return OUTBOX_OK;
    if (code != SQLITE_OK)
        return outbox_error_set(
            error, OUTBOX_E_SCHEMA,
            "%s %s: table \"%s\" has no column \"%s\"; add it as INTEGER PRIMARY KEY AUTOINCREMENT, or "
            "name the one that is in columns: {id: NAME}",
            what, store->path, store->table, id);
    return outbox_error_set(error, OUTBOX_E_SCHEMA,
                            "%s %s: column \"%s\" of table \"%s\" is not INTEGER PRIMARY KEY AUTOINCREMENT, so ids of "
                            "removed events would be used again and events lost; make the table anew with such a key",
                            what, store->path, id, store->table);
}

int lite_schema_check(struct lite_store *store, struct lite_conn *conn, const char *what, struct outbox_error *error)
{
    const char *const tables[] = {store->table, store->dead_table, store->relay_name};
    for (int i = 0; i < 3; i++) {
        if (lite_has_table(conn, tables[i]))
            continue;
        int native = sqlite3_errcode(conn->db);
        return (native & 0xff) == SQLITE_ERROR ? missing_table(store, tables[i], what, error)
                                               : lite_fail(conn, native, what, error);
    }
    return check_id(store, conn, what, error);
}

void lite_schema_columns(const struct lite_store *store, struct lite_conn *conn, sqlite3_str *sql, bool of_outbox)
{
    for (int i = NAME_EVENT_ID; i < NAME_COUNT; i++) {
        if (lite_has_column(conn, store->table, store->physical[i]))
            sqlite3_str_appendf(sql, ", \"%w\"", of_outbox ? store->physical[i] : lite_names[i]);
    }
}
