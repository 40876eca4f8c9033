/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/check_facts.c - what information_schema has about the outbox: what acts on removals, character sets,
 * and other tables that might be meant
 *
 * Each row of these statements is a finding: severity, reason, advice, command. The server shows only what the user has
 * rights on.
 */
#include "check_facts.h"

#include <string.h>

/* ---- removals ---------------------------------------------------------------------------------------------------- */

/* Their columns s, t, n, r: schema, table, name, delete rule. */
static const char foreign_keys[] =
    "SELECT IF(r IN ('CASCADE', 'SET NULL'), 1, 2), CONCAT('foreign key ', n, ' of table ', s, '.', t, ' refers to the "
    "outbox: ', IF(r IN ('CASCADE', 'SET NULL'), 'each removal of an event changes that table, too', 'an event that it "
    "refers to cannot be removed')), 'let no table refer to the outbox', CONCAT('ALTER TABLE `', REPLACE(s, '`', "
    "'``'), "
    "'`.`', REPLACE(t, '`', '``'), '` DROP FOREIGN KEY `', REPLACE(n, '`', '``'), '`;') FROM (SELECT constraint_schema "
    "s, table_name t, constraint_name n, delete_rule r FROM information_schema.referential_constraints WHERE "
    "unique_constraint_schema = %l AND referenced_table_name = %l) k";

static const char triggers[] =
    " UNION ALL SELECT 1, CONCAT('trigger ', n, ' of table ', s, '.', t, ' runs when the relay removes events'), 'drop "
    "it if it is not meant for each relayed event', CONCAT('DROP TRIGGER `', REPLACE(s, '`', '``'), '`.`', REPLACE(n, "
    "'`', '``'), '`;') FROM (SELECT event_object_schema s, event_object_table t, trigger_name n FROM "
    "information_schema.triggers WHERE event_object_schema = %l AND event_object_table = %l AND event_manipulation = "
    "'DELETE') g";

bool mys_put_acts(struct sql_request *request)
{
    const char *schema = request->store->table.schema, *name = request->store->outbox.name;
    obx_sql_text_format(request->sql, foreign_keys, schema, name);
    obx_sql_text_format(request->sql, triggers, schema, name);
    return true;
}

/* A derived table that leaves them out; the statement keeps its locks until it ends. */
bool mys_put_locked(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const char *schema = store->table.schema, *name = store->outbox.name, *id = store->table.id;
    obx_sql_text_format(request->sql,
                        "SELECT 1, CONCAT('row ', a.id, ' of table ', %l, '.', %l, ' is locked by another session: the "
                        "relay cannot remove it until that transaction ends'), 'end the transaction if it is not "
                        "needed; see information_schema.innodb_trx', NULL FROM (SELECT %n AS id FROM %n.%n ORDER BY %n "
                        "LIMIT %d) a WHERE a.id NOT IN (SELECT id FROM (SELECT %n AS id FROM %n.%n ORDER BY %n LIMIT "
                        "%d FOR UPDATE SKIP LOCKED) b) LIMIT 5",
                        schema, name, id, schema, name, id, SQL_TRIAL_ROWS, id, schema, name, id, SQL_TRIAL_ROWS);
    return true;
}

/* Rows that others lock are left out, not waited for. While another session owns the outbox nothing is deleted: the
 * server counts deletes that were undone, and the owner reports by itself what it cannot remove. */
bool mys_put_removal_trial(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const char *schema = store->table.schema, *name = store->outbox.name, *id = store->table.id;
    obx_sql_text_format(request->sql, "START TRANSACTION; DELETE o FROM (SELECT %n AS id FROM %n.%n", id, schema, name);
    sql_append_trial_rows(sql_op_of(request), request->sql);
    obx_sql_text_format(request->sql,
                        " FOR UPDATE SKIP LOCKED) first_rows STRAIGHT_JOIN %n.%n o ON o.%n = first_rows.id AND "
                        "IFNULL(IS_USED_LOCK(",
                        schema, name, id);
    mys_append_lock(store, request->sql);
    obx_sql_text_puts(request->sql, "), CONNECTION_ID()) = CONNECTION_ID(); ROLLBACK");
    return true;
}

/* An old server cannot leave locked rows out; whose rights are missing is a finding of another probe. */
const char *mys_removal_refusal(const struct outbox_error *error)
{
    enum { SYNTAX_ERROR = 1064 };
    return !error->code || error->native == SYNTAX_ERROR ? NULL : error->text;
}

/* ---- deletes by others ------------------------------------------------------------------------------------------- */

bool mys_put_foreign_deletes(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    obx_sql_text_format(request->sql,
                        "SELECT 1, CONCAT('something else than the relay deletes rows of table ', %l, '.', %l, ': "
                        "events that it deletes before the relay reads them are never published; the log of the relay "
                        "has the number of rows; " SQL_FOREIGN_DELETES_CAUSES "'), '" SQL_FOREIGN_DELETES_ADVICE
                        "', NULL FROM DUAL WHERE IS_USED_LOCK(",
                        store->table.schema, store->outbox.name);
    mys_append_found(store, request->sql);
    obx_sql_text_puts(request->sql, ") IS NOT NULL");
    return true;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* What cannot be stored is refused or replaced as it is inserted, before the relay sees it. */
bool mys_put_charsets(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    obx_sql_text_puts(request->sql,
                      "SELECT 1, CONCAT('column \"', GROUP_CONCAT(column_name ORDER BY ordinal_position SEPARATOR '\", "
                      "\"'), '\" has the character set ', character_set_name, ', which cannot hold every text: such "
                      "an event is refused or changed as it is inserted'), NULL, CONCAT('ALTER TABLE ', ");
    sql_append_table_literal(store, request->sql, &store->outbox);
    obx_sql_text_format(request->sql,
                        ", ' CONVERT TO CHARACTER SET utf8mb4;') FROM information_schema.columns WHERE table_schema = "
                        "%l AND table_name = %l AND character_set_name IS NOT NULL AND character_set_name NOT IN "
                        "('utf8mb4', 'utf16', 'utf16le', 'utf32', 'gb18030', 'binary') AND column_name <> %l GROUP BY "
                        "character_set_name",
                        store->table.schema, store->outbox.name, obx_sql_column(&store->column_names, "event_id"));
    return true;
}

/* ---- other tables ------------------------------------------------------------------------------------------------ */

/* A counter that never counted: nothing was ever inserted. */
bool mys_put_other_tables(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    const char *schema = store->table.schema, *name = store->outbox.name;
    if (sql_captures(store)) { /* the spool is empty, and the captured table has the same columns */
        obx_sql_text_puts(request->sql, "SELECT 1, NULL, NULL, NULL FROM DUAL WHERE 0");
        return true;
    }
    obx_sql_text_format(
        request->sql,
        "SELECT 1, CONCAT('nothing was ever inserted into table ', o.table_schema, '.', o.table_name, ', and table ', "
        "c.table_schema, '.', c.table_name, ' has the columns of an outbox, too'), CONCAT('if that one is meant, set "
        "table: ', c.table_schema, '.', c.table_name), NULL FROM information_schema.tables o, "
        "(SELECT table_schema, table_name FROM information_schema.columns WHERE column_name IN (%l, %l) AND "
        "NOT (table_schema = %l AND table_name IN (%l, %l)) GROUP BY table_schema, table_name HAVING COUNT(*) = 2) c "
        "WHERE o.table_schema = %l AND o.table_name = %l AND IFNULL(o.auto_increment, 1) <= 1 AND NOT EXISTS (SELECT 1 "
        "FROM %n.%n) ORDER BY 2 LIMIT 3",
        obx_sql_column(&store->column_names, "aggregatetype"), obx_sql_column(&store->column_names, "aggregateid"),
        schema, name, store->dead.name, schema, name, schema, name);
    return true;
}
