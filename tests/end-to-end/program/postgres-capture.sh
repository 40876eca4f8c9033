#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Log capture of Postgres with the real program: the examples with --emit; the ways between polling, `capture: wal` and `logical`,
# step by step as in docs/CAPTURE-POSTGRES.md, while a writer goes on; Debezium's table and its writers. Run it within
# tests/stores/postgres/with-server.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/examples.sh"

sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
settings() { # STORE OPTIONS
  printf 'relays:\n  orders:\n    store: { plugin: postgres, dsn: "%s"%s }\n    broker: { plugin: file, path: events.ndjson }\n' \
    "$OUTBOX_TEST_PG" "$1" >outbox.yaml
}
drop_slots() { sql "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" >/dev/null; }
drop_all() {
  within 20 drop_slots # the server may not have noticed yet that their reader has ended
  sql "DROP TABLE IF EXISTS outbox, outbox_dead, outbox_position, orders, customers" 2>/dev/null
  sql 'DROP PUBLICATION IF EXISTS "outbox:outbox"' 2>/dev/null
  rm -f events.ndjson
}

# ---- the examples ----
for capture in wal logical; do
  settings ", capture: $capture"
  orders_are_written order_postgres psycopg2 --emit "$OUTBOX_TEST_PG"
  drop_all
done

# ---- from polling to capture, and back ----
# The writer goes on all the time. A file has the statement that it uses; $N is the number of the event, its payload.
row="INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', 'row', 'placed', '\$N')"
message="SELECT outbox_emit('order', 'message', 'placed', '\$N')"
use() { echo "$1" >statement.new; mv statement.new statement; }
write() {
  local n=0
  while [ ! -e enough ]; do
    n=$((n + 1))
    sql "$(sed "s/\$N/$n/" statement)" >/dev/null || return
    echo "$n" >written.new; mv written.new written
  done
}
goes_on() { local from; from=$(cat written); within 20 eval '[ "$(cat written)" -gt '$((from + 5))' ]'; }
run_with() { # STORE OPTIONS: restart the relay
  if [ "${relay:-}" ]; then kill "$relay"; check "the relay ends" ends "$relay" 0; fi
  settings "$1"
  start "$OUTBOX" run
  relay=$pid
}
is_published() { grep -qF "\"payload\":\"$1\"" events.ndjson; }
reaches_writer() { local n; n=$(cat written); within 30 is_published "$n"; }
# The writer's next statement is used from a moment on at which the other kind is published: so the order of all is known.
use_from_now_on() { use "$1"; goes_on; }

settings ""
check "init for polling" works "$OUTBOX" init
sql "ALTER TABLE outbox ALTER payload TYPE bytea USING convert_to(payload, 'UTF8')"
use "$row"; echo 0 >written
write & writer=$!; started+=("$writer")
run_with ""
check "polling publishes" eval 'goes_on && reaches_writer'

settings ", capture: wal"
check "init for wal, while the relay polls" works "$OUTBOX" init
check "the polling relay goes on" reaches_writer
run_with ", capture: wal"
check "the relay publishes rows with wal" eval 'goes_on && reaches_writer'
check "the writer changes to messages" use_from_now_on "$message"
check "the relay publishes messages with wal" reaches_writer

settings ", capture: logical"
check "init for logical, while the relay reads with wal" works "$OUTBOX" init
check "the position passes the new slot" eval 'goes_on && reaches_writer'
run_with ", capture: logical"
check "the relay publishes messages with logical" eval 'goes_on && reaches_writer'
run_with ", capture: wal"
check "the relay publishes with wal again" eval 'goes_on && reaches_writer'

check "the writer changes back to rows" use_from_now_on "$row"
kill "$relay"; check "the relay ends" ends "$relay" 0; relay=
check "drain relays the rest of the messages; 75: the writer has inserted rows meanwhile" eval 'timeout 120 "$OUTBOX" drain; [[ $? =~ ^(0|75)$ ]]'
run_with ""
check "polling publishes again" eval 'goes_on && reaches_writer'
touch enough; check "the writer ends" ends "$writer" 0
check "the last event is published" reaches_writer
check "the table is empty" within 20 eval '[ "$(sql "SELECT count(*) FROM outbox")" = 0 ]'
kill "$relay"; check "the relay ends" ends "$relay" 0; relay=
grep -oE '"payload":"[0-9]+"' events.ndjson | tr -dc '0-9\n' >published
check "each event is published" eval '[ "$(sort -nu published | wc -l)" = "$(cat written)" ]'
check "no event is published twice" eval '[ "$(wc -l <published)" = "$(cat written)" ]'
check "events of a key are in order" eval 'for key in row message; do
  grep -F "\"key\":\"$key\"" events.ndjson | grep -oE "\"payload\":\"[0-9]+\"" | tr -dc "0-9\n" | sort -nc || exit 1; done'
check "the slots can be dropped" within 20 drop_slots
drop_all

# ---- Debezium's table, whose writers insert and delete ----
sql "CREATE TABLE outbox (id uuid NOT NULL PRIMARY KEY, aggregatetype character varying(255) NOT NULL,
  aggregateid character varying(255) NOT NULL, type character varying(255) NOT NULL, payload jsonb)"
sql "ALTER TABLE outbox ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE"
settings ", columns: { id: seq, event_id: id }, capture: logical, capture_rows: true"
check "init takes Debezium's table" works "$OUTBOX" init
for n in 1 2 3; do
  sql "BEGIN; INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES (
    '00000000-0000-0000-0000-00000000000$n', 'order', '7', 'placed', '{\"order\": $n}'); DELETE FROM outbox; COMMIT"
done
check "drain publishes rows that are deleted" works "$OUTBOX" drain
check "there is one event for each row" lines events.ndjson 3
check "events are those of the rows" eval 'grep -q "\"topic\":\"outbox.event.order\",\"key\":\"7\",\"id\":\"00000000-0000-0000-0000-000000000002\".*{..order..: 2}" events.ndjson'
check "check finds no error" works "$OUTBOX" check
plan
