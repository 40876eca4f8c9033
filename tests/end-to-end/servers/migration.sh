#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From polling to `capture: binlog` and back, step by step as docs/CAPTURE-MYSQL.md has it, while a writer commits and rolls back:
# with the same table, then with a second one. The oracle checks: no loss, no phantom, order per key, no duplicate.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
writers=0

configure() { # NAME TABLE [CAPTURE]
  cat >"$1.yaml" <<Y
relays:
  orders:
    standby_poll_interval: 10ms
    max_in_flight_bytes: 256KiB
    store: {plugin: mysql, host: 127.0.0.1, port: $db_port, user: outbox, password: outbox, database: outbox, table: $2${3:+, capture: $3}}
    broker: {plugin: file, path: events.ndjson}
Y
}
start_writer() { # TABLE
  "$OUTBOX_WRITER" --db "$db_port" --table "$1" --ledger "ledger.$writers" --writer $writers --keys 40 --rollback 15 --late 10 \
    --undo 20 --rate 300 --seed 5 2>>.log &
  writer=$! writers=$((writers + 1)) started+=($!)
}
stop_writer() { kill "$writer" && wait "$writer"; }
start_relay() { start "$OUTBOX" run -c "$1.yaml"; relay=$pid; }
stop_relay() { kill -TERM "$relay" && ends "$relay" 0; }
published() { cat events.ndjson 2>/dev/null | wc -l; }
has_published() { [ "$(published)" -ge "$1" ]; }
publishes() { within 30 has_published $(($(published) + 100)); } # more than waited

# Transactions that are open hold the table, and writers wait for the lock: it is given up after 1 s, and tried again.
lock_once() { # FUNCTION: prints statements
  sql "set lock_wait_timeout = 1; $("$1"); unlock tables"
}
take_over_rows() {
  local executed='@@global.gtid_executed'
  [ $kind != mariadb ] || executed='@@global.gtid_binlog_pos'
  echo "lock tables outbox read, outbox_spool write, outbox_position write; delete from outbox_spool;
    insert into outbox_spool select * from outbox; update outbox_position set log_position = $executed, log_index = 0"
}
# A session that holds the lock until release_lock. The last id that is in the log is in $last.
hold_writers() {
  mkfifo lock.in lock.out 2>/dev/null
  "$db_service" sql "$db_dir" -N -B -n <lock.in >lock.out 2>>.log &
  started+=($!)
  exec 5>lock.in 6<lock.out
  echo "set lock_wait_timeout = 1; lock tables outbox read; select coalesce(max(id), 0) from outbox;" >&5
  last=
  read -r -t 20 last <&6
  [ "$last" ]
}
release_lock() { echo "unlock tables;" >&5; exec 5>&- 6<&-; }
check_guarantees() {
  local arguments=() l
  for l in ledger.*; do arguments+=(--ledger "$l"); done
  : >left
  sql 'select event_id from outbox_dead' >dead && "$OUTBOX_ORACLE" "${arguments[@]}" --published events.ndjson --left left --dead dead \
    --window 0 --incidents 0 >"$out" && sed 's/^/# /' "$out"
}

# ---- the same table ----
configure polling outbox
configure capture outbox binlog
sql 'set global binlog_row_metadata = full'
check "init" works "$OUTBOX" init -c polling.yaml
start_relay polling
start_writer outbox
check "events are polled" publishes
check "1. the polling relay stops" stop_relay
check "2. init makes spool and position" works "$OUTBOX" init -c capture.yaml
check "3. rows that wait move to the spool, and the position is there" within 30 lock_once take_over_rows
start_relay capture
check "4. the relay captures the InnoDB table" publishes
check "5. a trigger fills in the event id" within 30 sql "set lock_wait_timeout = 1; $("$OUTBOX" init --print-sql -c capture.yaml | grep TRIGGER)"
check "6. the table becomes BLACKHOLE" within 30 sql "set lock_wait_timeout = 1; alter table outbox alter event_id set default '', engine = BLACKHOLE"
check "the relay captures the BLACKHOLE table" publishes
check "back, 1. the table becomes InnoDB" within 30 sql "set lock_wait_timeout = 1; alter table outbox engine = InnoDB"
check "the relay captures it" publishes
check "back, 2. the relay stops" stop_relay
check "back, 3. writers wait" within 30 hold_writers
check "back, 4. drain relays the log" works "$OUTBOX" drain -c capture.yaml
release_lock
check "back, 5. what was relayed is deleted" works sql "delete from outbox where id <= $last"
start_relay polling
check "events are polled again" publishes
check "the writer stops" stop_writer
check "the relay stops" stop_relay
check "drain relays the rest" works "$OUTBOX" drain -c polling.yaml
check "no event is lost, invented, out of order or published twice" check_guarantees

# ---- a second table ----
configure capture2 outbox2 binlog
configure polling3 outbox3
start_relay polling
start_writer outbox
check "events are polled" publishes
check "1. init of the second outbox" works "$OUTBOX" init -c capture2.yaml
check "2. the writer moves to the second table" stop_writer
start_writer outbox2
check "the relay of the first stops" stop_relay
check "3. the first is drained" works "$OUTBOX" drain -c polling.yaml
start_relay capture2
check "4. the second is relayed" publishes
check "back, 1. init of the third" works "$OUTBOX" init -c polling3.yaml
check "back, 2. the writer moves" stop_writer
start_writer outbox3
check "the relay of the second stops" stop_relay
check "back, 3. the second is drained" works "$OUTBOX" drain -c capture2.yaml
start_relay polling3
check "back, 4. the third is relayed" publishes
check "the writer stops" stop_writer
check "the relay stops" stop_relay
check "drain relays the rest" works "$OUTBOX" drain -c polling3.yaml
check "no event is lost, invented, out of order or published twice" check_guarantees
plan
