#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start orders: the relay starts before its database, its broker, its table and its topic; then each of them stops and starts.
# The relay waits, logs each change once, recovers by itself, and runs until SIGTERM.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
connect=10s
topic=outbox.event.order

cat >outbox.yaml <<Y
relays:
  orders:
    retry_max: 500ms
    store: {$(store)}
    broker: {plugin: kafka, bootstrap.servers: "$OUTBOX_TEST_KAFKA"}
service: {listen: "127.0.0.1:0", log: {level: debug}}
Y

# ---- the log: once a minute at level warn or error, again at level debug ----
from=1 began=$SECONDS # the first line that counts, and when it came
since() { tail -n "+$from" .log; }
now() { from=$(($(wc -l <.log) + 1)) began=$SECONDS; }
count() { since | grep -cE -- "$1"; }
logged_once() { once "level=(warn|error) .*$1"; }
once() { # PATTERN [LINES]: each line once, and once more for each minute since then
  local lines=${2:-1} n; n=$(count "$1")
  [ "$n" -ge "$lines" ] && [ "$n" -le $((lines * (1 + (SECONDS - began) / 60))) ] ||
    { echo "# $n times: $1"; since | grep -E "$1" | sed 's/^/# /'; return 1; }
}
is_count() { [ "$(count "$2")" = "$1" ] || { echo "# $(count "$2") times: $2"; since | grep -E "$2" | sed 's/^/# /'; return 1; }; }
tried() { [ "$(count "msg=\"$1: .*trying again")" -ge "$2" ]; } # SIDE TIMES
ready_code() { # CODE: the status of /readyz
  local address; address=$(sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' .log | head -n 1)
  [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$address/readyz")" = "$1" ]
}
add() { sql "insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', '$1', 'placed', '$1')" >/dev/null; }
published() { [ "$(kcat -b "$OUTBOX_TEST_KAFKA" -C -t $topic -o beginning -e -q -f '%s\n' 2>>services.log | sort -n | paste -s -d ' ')" = "$1" ]; }
is_running() { kill -0 "$service"; }

database stop
kafka stop
start "$OUTBOX" run; service=$pid
check "missing database is retried" within 20 tried store 3
check "it is logged once" logged_once 'store: '
check "missing broker is retried" within 20 tried broker 2
check "it is logged once" logged_once 'broker: '

now
database restart
advised() { [ "$(count 'store: .*outbox init')" -ge 1 ]; } # the first tries may find a server that does not answer yet
check "missing table is retried" within 30 eval 'advised && tried store 2'
check "advice to run init is logged once" logged_once "store: .*outbox init"
now
check "init creates the table" works "$OUTBOX" init
check "relay acquires the outbox by itself" within 30 eval '[ "$(count "store: this relay owns the outbox")" = 1 ]'
check "no further store error is logged" is_count 0 'level=(warn|error) .*store: '

add 1
now
kafka restart
check "broker recovery is logged" within 30 eval '[ "$(count "broker: works again")" = 1 ]'
check "missing topic is logged" within 30 eval '[ "$(count "level=warn .*$topic")" -ge 2 ]'
add 2
check "event of another key waits for the topic" within 30 eval '[ "$(count "level=debug .* its key .2. of topic")" -ge 2 ]'
check "topic is created" topic $topic --partitions 2
check "waiting events are published" within 60 published '1 2'
check "missing topic is logged once by the broker" once "level=(warn|error) subject=\"orders broker kafka\" msg=\"publish to topic '$topic': .*; create it; its events wait"
check "first waiting event is logged" once "level=(warn|error) subject=\"orders\" msg=\"event .* its key '1' of topic '$topic' waits"
check "no other warning names the topic" once "level=(warn|error) .*$topic" 2
check "recovery of the topic is logged once" is_count 1 "level=info .*topic '$topic' takes events again"

now
database stop
check "stopped database is retried" within 30 tried store 1
database restart
check "restarted database is acquired again" within 30 eval '[ "$(count "store: this relay owns the outbox")" = 1 ]'
# An outage less than a minute after the line of another one is not logged, and then its end is not, either.
outages=$(count 'level=(warn|error) .*store: ')
check "outage is logged at most once" [ "$outages" -le $((1 + (SECONDS - began) / 60)) ]
check "recovery is logged if the outage was" is_count $((outages > 0)) 'msg="store: works again'
add 3
check "relay continues" within 30 published '1 2 3'

now
kafka stop
add 4
check "stopped broker is logged" within 30 eval '[ "$(count "no broker answers, events wait")" -ge 1 ]'
check "/readyz becomes 503" within 60 ready_code 503
kafka restart
check "restarted broker is logged" within 30 eval '[ "$(count "the brokers answer again")" = 1 ]'
check "relay continues" within 30 published '1 2 3 4'
check "/readyz becomes 200" within 30 ready_code 200
check "outage is logged once" once 'level=(warn|error)'

now
check "topic is deleted" kafka tool org.apache.kafka.tools.TopicCommand --delete --topic $topic
add 5
check "deleted topic is logged" within 30 eval '[ "$(count "level=warn .*$topic.*create it; its events wait")" -ge 1 ]'
check "topic is created again" topic $topic --partitions 2
check "relay continues" within 60 published '5'
check "deletion is logged once" once "level=(warn|error) subject=\"orders broker kafka\""

check "relay never ended by itself" is_running
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0
check "outbox is empty" eval '[ "$(sql "select count(*) from outbox")" = 0 ]'
plan
