#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Postgres as a user meets it: the examples that write, and a table of Debezium's that outbox is told to relay. Run it
# within tests/stores/postgres/with-server and tests/brokers/kafka/with-broker.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/examples.sh"

shows() { fails "$1" "${@:3}" && matched "$2"; } # CODE PATTERN COMMAND...
sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
settings() { # STORE OPTIONS, BROKER; more lines of the relay on stdin
  printf 'relays:\n  orders:\n    store: { plugin: postgres, dsn: "%s"%s }\n    broker: { %s }\n' "$OUTBOX_TEST_PG" "$1" "$2" >outbox.yaml
  cat >>outbox.yaml
}

# ---- the examples: a transaction each, from C and from Python ----
settings "" "plugin: file, path: events.ndjson" </dev/null
orders_are_written order_postgres psycopg2 "$OUTBOX_TEST_PG"

# ---- a database that is not there ----
sed 's/dbname=[a-z]*/dbname=nowhere/' outbox.yaml >nowhere.yaml
check "init without the database" fails 78 "$OUTBOX" init -c nowhere.yaml
check "names it" matched '^outbox init: connect \(.*\): .*database "nowhere" does not exist$'

# ---- a database without an encoding: any bytes ----
sql "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
sed 's/dbname=[a-z]*/dbname=ascii/; s/events\.ndjson/ascii.ndjson/' outbox.yaml >ascii.yaml
check "init in a database without an encoding" works "$OUTBOX" init -c ascii.yaml
PGDATABASE=ascii sql "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', chr(252), 'placed', 'gr' || chr(252) || 'n')"
check "add there" works "$OUTBOX" add -c ascii.yaml --aggregate-type order --aggregate-id 1 --type placed --payload grün
check "texts that are no UTF-8 are relayed" works "$OUTBOX" drain -c ascii.yaml
check "as the bytes that they are" grep -q '"key":{"base64":"/A=="},.*"payload_base64":"Z3L8bg=="' ascii.ndjson
check "and those that are, as ever" grep -q '"key":"1",.*"payload":"grün"' ascii.ndjson

# ---- a user without the privileges ----
sql "CREATE ROLE stranger LOGIN"
sed -i 's/dsn: "\([^"]*\)"/dsn: "\1 user=stranger"/' outbox.yaml
check "check ends with the code of a privilege" fails 77 "$OUTBOX" check
check "and says which" matched '^orders store: error: user stranger may not read table public.outbox; .*: GRANT SELECT, DELETE ON public.outbox TO stranger$'
check "and that once" eval '[ "$(grep -c "^orders store: error" "$out")" = 1 ]'
sql "DROP ROLE stranger"

# ---- a view, which no index would help ----
sql "CREATE VIEW viewed AS SELECT * FROM outbox"
settings ", table: viewed" "plugin: file, path: events.ndjson" </dev/null
check "check does not like a view" fails 78 "$OUTBOX" check
check "and says just that" eval '[ "$(grep ": error: " "$out")" = "orders store: error: public.viewed is no table; name the table itself" ]'
sql "DROP VIEW viewed"

# ---- a table that inherits, with ids of its own ----
sql "CREATE TABLE child () INHERITS (outbox)"
sql "WITH first AS (INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', '1', 'placed', 'x') RETURNING id)
  INSERT INTO child (id, event_id, aggregatetype, aggregateid, type) SELECT id, gen_random_uuid(), 'order', '2', 'placed' FROM first"
settings "" "plugin: file, path: events.ndjson" </dev/null
check "an id in two rows is the table's fault" eval 'start "$OUTBOX" run; within 10 grep -q "claim rows from outbox: an id is in several rows; make ids unique, also those of tables that inherit from this one" .log && kill "$pid" && ends "$pid" 0'
sql "DROP TABLE child"
check "without them it goes on" works "$OUTBOX" drain

# ---- Debezium's own table, as its documentation gives it ----
sql "DROP TABLE outbox, outbox_dead"
sql "CREATE TABLE outbox (id uuid NOT NULL PRIMARY KEY, aggregatetype character varying(255) NOT NULL,
  aggregateid character varying(255) NOT NULL, type character varying(255) NOT NULL, payload jsonb)"
settings "" "plugin: kafka, bootstrap.servers: \"$OUTBOX_TEST_KAFKA\"" </dev/null
check "check does not like it" fails 78 "$OUTBOX" check
check "and says just what to do" said 'orders store: error: table public.outbox has no bigint column that orders its rows: "id" is uuid; ALTER TABLE "public"."outbox" ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE; and set columns: { id: seq, event_id: id }'
alter=$(sed -n 's/.*; \(ALTER TABLE .* UNIQUE\); and set columns: {.*}$/\1/p' "$out")
columns=$(sed -n 's/.*; and set \(columns: {.*}\)$/\1/p' "$out")
check "init neither pretends" shows 78 '^orders: error: table public.outbox has no bigint column that orders its rows' "$OUTBOX" init
check "nor does run end: it waits" eval 'start "$OUTBOX" run; within 10 grep -q "cannot order an outbox" .log && kill -0 "$pid" && kill "$pid" && ends "$pid" 0'
check "what it said, done" sql "$alter"
settings ", $columns" "plugin: kafka, bootstrap.servers: \"$OUTBOX_TEST_KAFKA\"" </dev/null
check "check likes it" works "$OUTBOX" check
check "init adds the dead letters" works "$OUTBOX" init

"$OUTBOX_TEST_KAFKA_SERVICE" tool "$OUTBOX_TEST_KAFKA_DIR" org.apache.kafka.tools.TopicCommand --create --topic outbox.event.Order --partitions 2 >/dev/null 2>&1
id1=9bb83344-25c7-49d0-b2f1-ed72f8891a5c id2=0b4e7c9e-93b4-4c9b-9fd2-4f2bb6c0ab5d
sql "INSERT INTO outbox VALUES ('$id1', 'Order', '4711', 'OrderCreated', '{\"id\": 4711, \"lines\": [1, 2]}'), ('$id2', 'Order', '4711', 'OrderGone', NULL)"
check "drain" works "$OUTBOX" drain
read_topic() { kcat -b "$OUTBOX_TEST_KAFKA" -C -t outbox.event.Order -o beginning -e -q -Z -f '%t %k [%h] %s\n' >"$out" 2>"$err"; }
check "read the topic" read_topic
check "an event is what the outbox event router makes of it" said "outbox.event.Order 4711 [id=$id1] {\"id\": 4711, \"lines\": [1, 2]}"
check "a null payload is a tombstone" said "outbox.event.Order 4711 [id=$id2] NULL"
check "there is nothing else" lines "$out" 2
check "and nothing is left" eval '[ "$(sql "SELECT count(*) FROM outbox")" = 0 ]'
plan
