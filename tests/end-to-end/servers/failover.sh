#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The primary is killed and its standby promoted while the relay publishes to Kafka. With both hosts in the dsn the relay
# follows by itself, and the oracle finds no loss. Commits wait for the standby (synchronous_standby_names), which is required
# for no loss.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
standby=$source_root/tests/stores/postgres/standby
standby_port=$((db_port + 1))
both="host=127.0.0.1,127.0.0.1 port=$db_port,$standby_port user=outbox dbname=outbox"
topic=outbox.event.order
writers=()

cat >outbox.yaml <<Y
relays:
  orders:
    max_in_flight_bytes: 512KiB
    store: {plugin: postgres, dsn: "$both", connect_timeout: 10s}
    broker: {plugin: kafka, bootstrap.servers: "$OUTBOX_TEST_KAFKA"}
Y
synchronous() {
  sql "alter system set synchronous_standby_names = '*'" && sql 'select pg_reload_conf()' >/dev/null &&
    within 10 eval '[ "$(sql "select sync_state from pg_stat_replication")" = sync ]'
}
write() { # INDEX
  start "$OUTBOX_WRITER" --db "$both target_session_attrs=read-write" --ledger "ledger.$1" --writer "$1" --keys 50 --rollback 15 \
    --late 10 --nulls --rate 300
  writers+=("$pid")
}
on_standby() { psql -XqAt "host=127.0.0.1 port=$standby_port user=outbox dbname=outbox" -c "$1" 2>>services.log; }
events_in_topic() { [ "$("$OUTBOX_READER" "$OUTBOX_TEST_KAFKA" $topic 2>/dev/null | wc -l)" -ge "$1" ]; }
logged() { grep -qE -- "$1" .log; }
owned() { [ "$(grep -c 'owns the outbox' .log)" -ge "$1" ]; } # a busy relay may lose the ownership, and own again
stop_writers() { local w; kill "${writers[@]}"; for w in "${writers[@]}"; do ends "$w" 0 || return; done; }
check_guarantees() {
  "$OUTBOX_READER" "$OUTBOX_TEST_KAFKA" $topic >published && on_standby 'select event_id from outbox' >left &&
    "$OUTBOX_ORACLE" --ledger ledger.0 --ledger ledger.0.late --ledger ledger.1 --ledger ledger.1.late --published published \
      --left left --window $((512 * 1024 / 192)) --incidents 1 >"$out" 2>"$err" && sed 's/^/# /' "$out"
}

check "init creates the tables" works "$OUTBOX" init
check "topic is created" topic $topic --partitions 4
check "standby starts" log_services "$standby" start "$standby_port"
check "commits wait for the standby" synchronous
start "$OUTBOX" run; relay=$pid
check "relay acquires the outbox" within 10 owned 1
write 0; write 1
check "relay publishes events" within 30 events_in_topic 500
check "primary is killed" database kill
owned=$(grep -c 'owns the outbox' .log)
check "standby is promoted" log_services "$standby" promote
check "relay acquires the outbox on the new primary" within 30 owned $((owned + 1))
before=$("$OUTBOX_READER" "$OUTBOX_TEST_KAFKA" $topic | wc -l)
check "relay publishes more events" within 30 events_in_topic $((before + 300))
check "writers exit 0" stop_writers
check "outbox becomes empty" within 30 eval '[ "$(on_standby "select count(*) from outbox")" = 0 ]'
check "lost connection is logged" logged 'level=warn.*store: '
kill -TERM "$relay"
check "SIGTERM exits 0" ends "$relay" 0
check "no event is lost" check_guarantees
"$standby" stop
plan
