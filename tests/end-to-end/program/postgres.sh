#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Postgres: the examples that write orders, privileges, unusual tables, and the outbox table of Debezium. Run it
# within tests/stores/postgres/with-server and tests/brokers/kafka/with-broker.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/examples.sh"

exits_with_match() { fails "$1" "${@:3}" && has_match "$2"; } # CODE PATTERN COMMAND...
sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
settings() { # STORE OPTIONS, BROKER; more lines of the relay on stdin
  printf 'relays:\n  orders:\n    store: { plugin: postgres, dsn: "%s"%s }\n    broker: { %s }\n' "$OUTBOX_TEST_PG" "$1" "$2" >outbox.yaml
  cat >>outbox.yaml
}

# ---- the examples: a transaction each, from C and from Python ----
settings "" "plugin: file, path: events.ndjson" </dev/null
orders_are_written order_postgres psycopg2 "$OUTBOX_TEST_PG"

# ---- dead letters that come back while a relay runs; rows that cannot be relayed ----
check "init may be repeated" works "$OUTBOX" init
printf "$park_key_route" | settings "" "plugin: file, path: events.ndjson"
replayed_events_go_out
settings "" "plugin: file, path: events.ndjson" </dev/null
sql "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) OVERRIDING SYSTEM VALUE VALUES (0, 'order', '1', 'placed', 'never')"
check "drain with a row below id 1 exits 65" fails 65 "$OUTBOX" drain
check "drain names the row" has_match 'row 0 of public.outbox can not be relayed: ids must be above 0'
sql "DELETE FROM outbox WHERE id = 0"

# ---- a missing database ----
sed 's/dbname=[a-z]*/dbname=nowhere/' outbox.yaml >nowhere.yaml
check "missing database exits 78" fails 78 "$OUTBOX" init -c nowhere.yaml
check "error names the database" has_match '^outbox init: connect \(.*\): .*database "nowhere" does not exist; create the database, or correct dbname in the dsn$'

# ---- a database without an encoding: any bytes ----
sql "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
sed 's/dbname=[a-z]*/dbname=ascii/; s/events\.ndjson/ascii.ndjson/' outbox.yaml >ascii.yaml
check "init works in a SQL_ASCII database" works "$OUTBOX" init -c ascii.yaml
PGDATABASE=ascii sql "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', chr(252), 'placed', 'gr' || chr(252) || 'n')"
check "add works there" works "$OUTBOX" add -c ascii.yaml --aggregate-type order --aggregate-id 1 --type placed --payload grün
check "invalid UTF-8 is relayed" works "$OUTBOX" drain -c ascii.yaml
check "it is published as base64" grep -q '"key":{"base64":"/A=="},.*"payload_base64":"Z3L8bg=="' ascii.ndjson
check "valid UTF-8 is published as text" grep -q '"key":"1",.*"payload":"grün"' ascii.ndjson

# ---- a user without the privileges ----
sql "CREATE ROLE stranger LOGIN"
sed -i 's/dsn: "\([^"]*\)"/dsn: "\1 user=stranger"/' outbox.yaml
check "check without privileges exits 77" fails 77 "$OUTBOX" check
check "check names the missing GRANT" has_line '    GRANT SELECT, DELETE ON "public"."outbox" TO "stranger";'
check "check prints one error" eval '[ "$(grep -c "^orders store: error" "$out")" = 1 ]'
sql "DROP ROLE stranger"

# ---- a view ----
sql "CREATE VIEW viewed AS SELECT * FROM outbox"
settings ", table: viewed" "plugin: file, path: events.ndjson" </dev/null
check "check refuses a view" fails 78 "$OUTBOX" check
check "check prints the reason only" eval '[ "$(grep ": error: " "$out")" = "orders store: error: public.viewed is no table; name the table itself" ]'
sql "DROP VIEW viewed"

# ---- a child table with its own ids ----
sql "CREATE TABLE child () INHERITS (outbox)"
sql "WITH first AS (INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', '1', 'placed', 'x') RETURNING id)
  INSERT INTO child (id, event_id, aggregatetype, aggregateid, type) SELECT id, gen_random_uuid(), 'order', '2', 'placed' FROM first"
settings "" "plugin: file, path: events.ndjson" </dev/null
check "rows that share an id are rejected, and named" eval 'start "$OUTBOX" run; within 10 grep -q "several rows have the id [0-9]*; " .log && kill "$pid" && ends "$pid" 0'
sql "DROP TABLE child"
check "the row goes out when its id is its own" works "$OUTBOX" drain

# ---- Debezium's table, as in its documentation ----
sql "DROP TABLE outbox, outbox_dead"
sql "CREATE TABLE outbox (id uuid NOT NULL PRIMARY KEY, aggregatetype character varying(255) NOT NULL,
  aggregateid character varying(255) NOT NULL, type character varying(255) NOT NULL, payload jsonb)"
settings "" "plugin: kafka, bootstrap.servers: \"$OUTBOX_TEST_KAFKA\"" </dev/null
check "check refuses Debezium's table" fails 78 "$OUTBOX" check
check "check names the column to add" has_line 'orders store: error: table public.outbox has no bigint column that orders its rows: "id" is uuid; add a column, and set columns: { id: seq, event_id: id }'
check "check prints the ALTER TABLE" has_line '    ALTER TABLE "public"."outbox" ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE;'
alter=$(sed -n 's/^ *\(ALTER TABLE .* UNIQUE;\)$/\1/p' "$out")
columns=$(sed -n 's/.*; add a column, and set \(columns: {.*}\)$/\1/p' "$out")
check "init refuses it, too" exits_with_match 78 '^orders store: error: table public.outbox has no bigint column that orders its rows' "$OUTBOX" init
check "run waits for a usable table" eval 'start "$OUTBOX" run; within 10 grep -q "cannot order an outbox" .log && kill -0 "$pid" && kill "$pid" && ends "$pid" 0'
check "the printed ALTER TABLE works" sql "$alter"
settings ", $columns" "plugin: kafka, bootstrap.servers: \"$OUTBOX_TEST_KAFKA\"" </dev/null
check "check accepts the table" works "$OUTBOX" check
check "init adds the dead-letter table" works "$OUTBOX" init

"$OUTBOX_TEST_KAFKA_SERVICE" tool "$OUTBOX_TEST_KAFKA_DIR" org.apache.kafka.tools.TopicCommand --create --topic outbox.event.Order --partitions 2 >/dev/null 2>&1
id1=9bb83344-25c7-49d0-b2f1-ed72f8891a5c id2=0b4e7c9e-93b4-4c9b-9fd2-4f2bb6c0ab5d
sql "INSERT INTO outbox VALUES ('$id1', 'Order', '4711', 'OrderCreated', '{\"id\": 4711, \"lines\": [1, 2]}'), ('$id2', 'Order', '4711', 'OrderGone', NULL)"
check "drain succeeds" works "$OUTBOX" drain
read_topic() { kcat -b "$OUTBOX_TEST_KAFKA" -C -t outbox.event.Order -o beginning -e -q -Z -f '%t %k [%h] %s\n' >"$out" 2>"$err"; }
check "topic is read" read_topic
check "event equals that of the outbox event router" has_line "outbox.event.Order 4711 [id=$id1] {\"id\": 4711, \"lines\": [1, 2]}"
check "null payload is a tombstone" has_line "outbox.event.Order 4711 [id=$id2] NULL"
check "no other message is there" lines "$out" 2
check "outbox is empty" eval '[ "$(sql "SELECT count(*) FROM outbox")" = 0 ]'
plan
