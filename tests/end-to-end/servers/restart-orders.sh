#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Start orders: the relay before its database, before the broker, before the table and before the topic; then each of them goes
# and comes. It waits, says so once for each change, and goes on by itself, until it is told to stop.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
topic=outbox.event.order

cat >outbox.yaml <<Y
relays:
  orders:
    retry_max: 500ms
    store: {$(store), connect_timeout: 1s}
    broker: {plugin: kafka, bootstrap.servers: "$OUTBOX_TEST_KAFKA"}
service: {listen: "127.0.0.1:0", log: {level: debug}}
Y

# ---- the log: what is said aloud, and what is said again at level debug ----
from=1 # the first line that counts
since() { tail -n "+$from" .log; }
now() { from=$(($(wc -l <.log) + 1)); }
count() { since | grep -cE -- "$1"; }
said_once() { is_count 1 "level=(warn|error) .*$1"; }
is_count() { [ "$(count "$2")" = "$1" ] || { echo "# $(count "$2") times: $2"; since | grep -E "$2" | sed 's/^/# /'; return 1; }; }
tried() { [ "$(count "msg=\"$1: .*trying again")" -ge "$2" ]; } # SIDE TIMES
ready_code() { # CODE: what /readyz answers
  local address; address=$(sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' .log | head -n 1)
  [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$address/readyz")" = "$1" ]
}
add() { sql "insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', '$1', 'placed', '$1')" >/dev/null; }
published() { [ "$(kcat -b "$OUTBOX_TEST_KAFKA" -C -t $topic -o beginning -e -q -f '%s\n' 2>>services.log | sort -n | paste -s -d ' ')" = "$1" ]; }
alone() { kill -0 "$service"; }

database stop
kafka stop
start "$OUTBOX" run; service=$pid
check "without a database it tries again" within 20 tried store 3
check "and says so once" said_once 'store: '
check "without a broker, too" within 20 tried broker 2
check "once" said_once 'broker: '

now
database restart
check "without its table it waits" within 30 tried store 2
check "and says once what to do" said_once "store: .*outbox init"
now
check "the table is made" works "$OUTBOX" init
check "it goes on by itself" within 30 eval '[ "$(count "store: this relay owns the outbox")" = 1 ]'
check "with no more complaints of it" is_count 0 'level=(warn|error) .*store: '

add 1
now
kafka restart
check "the broker comes" within 30 eval '[ "$(count "broker: works again")" = 1 ]'
check "but there is no topic" within 30 eval '[ "$(count "level=warn .*$topic")" = 2 ]'
add 2
check "another key waits for it, too" within 30 eval '[ "$(count "level=debug .* its key .2. of topic")" -ge 2 ]'
check "the topic is made" topic $topic --partitions 2
check "and what waited is published" within 60 published '1 2'
check "the missing topic was told once" is_count 1 "level=(warn|error) subject=\"orders broker kafka\" msg=\"publish to topic '$topic': .*; create it; its events wait"
check "with the first event that waits" is_count 1 "level=(warn|error) subject=\"orders\" msg=\"event .* its key '1' of topic '$topic' waits"
check "and no other" is_count 2 "level=(warn|error) .*$topic"
check "and that it is there, once" is_count 1 "level=info .*topic '$topic' takes events again"

now
database stop
check "the database goes" within 30 tried store 1
database restart
check "and comes" within 30 eval '[ "$(count "store: this relay owns the outbox")" = 1 ]'
check "told once" said_once 'store: '
check "and once that it works again" is_count 1 'msg="store: works again'
add 3
check "the relay goes on" within 30 published '1 2 3'

now
kafka stop
add 4
check "the broker goes" within 30 eval '[ "$(count "no broker answers, events wait")" = 1 ]'
check "and the relay does not call itself ready for long" within 60 ready_code 503
kafka restart
check "and comes" within 30 eval '[ "$(count "the brokers answer again")" = 1 ]'
check "the relay goes on" within 30 published '1 2 3 4'
check "is ready again" within 30 ready_code 200
check "told once" is_count 1 'level=(warn|error)'

now
check "the topic is deleted" kafka tool org.apache.kafka.tools.TopicCommand --delete --topic $topic
add 5
check "which is told" within 30 eval '[ "$(count "level=warn .*$topic.*create it; its events wait")" -ge 1 ]'
check "and made anew" topic $topic --partitions 2
check "the relay goes on" within 60 published '5'
check "told once" is_count 1 "level=(warn|error) subject=\"orders broker kafka\""

check "it never ended by itself" alone
kill -TERM "$service"
check "and ends with 0 when told to" ends "$service" 0
check "nothing is left" eval '[ "$(sql "select count(*) from outbox")" = 0 ]'
plan
