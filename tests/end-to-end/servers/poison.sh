#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Events that Kafka always rejects, with each on_reject: which events are delivered, which wait, which are dead letters, and that
# dead letters have everything for a replay. A rejected event is between two events of its key; another key follows.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
connect=60s
n=0

configure() { # POLICY
  cat >outbox.yaml <<Y
relays:
  orders:
    on_reject: $1
    retry_max: 500ms
    store: {$(store)}
    broker: {plugin: kafka, bootstrap.servers: "$OUTBOX_TEST_KAFKA"}
    route: {topic: "\${aggregatetype}", key: "\${k}", headers: {id: "\${event_id}", note: "\${note}"}, tombstone: false}
Y
}
# ---- rows ----
insert() { # TOPIC KEY-OR-NULL NOTE PAYLOAD-EXPRESSION
  sql "insert into outbox (aggregatetype, aggregateid, type, payload, k, note) values ('$1', '1', 'placed', $4, $2, '$3')"
}
fill() { # KIND: first, poison, after, other
  local topic=plain key="'p'" payload="'small'" poison=plain
  case $1 in
  too_large) topic=narrow poison=narrow payload="repeat('x', 20000)" ;;
  no_key) topic=compacted poison=compacted key=null ;;
  bad_topic) poison='no topic/at all' ;;
  no_payload) payload=null ;;
  esac
  sql 'delete from outbox' && sql 'delete from outbox_dead' &&
    insert $topic "'p'" "$n-first" "'1'" && insert "$poison" "$key" "$n-poison" "$payload" &&
    insert $topic "'p'" "$n-after" "'3'" && insert $topic "'q'" "$n-other" "'4'"
}
notes() { sort | sed "s/^$n-//" | paste -s -d ' '; }
left() { sql 'select note from outbox' | notes; }
dead_rest() { # user-defined columns are in a JSON column, on MySQL and MariaDB as base64 of their bytes
  case $kind in
  postgres) sql "select rest->>'note' from outbox_dead" ;;
  *) sql "select convert(from_base64(json_unquote(json_extract(rest, '\$.note'))) using utf8mb4) from outbox_dead" ;;
  esac
}
dead() { dead_rest | notes; }
delivered() {
  local t
  for t in plain narrow compacted; do
    kcat -b "$OUTBOX_TEST_KAFKA" -C -t $t -o beginning -e -q -f '%h\n' 2>>services.log
  done | sed -n "s/.*note=\($n-[a-z]*\).*/\1/p" | notes
}
is() { [ "$2" = "$3" ] || { echo "# $1: '$2', not '$3'"; return 1; }; }
ends_up() { # DELIVERED LEFT DEAD
  is delivered "$(delivered)" "$1" && is left "$(left)" "$2" && is dead "$(dead)" "$3"
}
one() { # KIND POLICY EXIT-CODE DELIVERED LEFT DEAD
  n=$((n + 1))
  configure "$2"
  fill "$1" && fails "$3" "$OUTBOX" drain && ends_up "$4" "$5" "$6"
}

configure park
works "$OUTBOX" init
case $kind in
postgres) sql 'alter table outbox add k text, add note text' ;;
*) sql 'alter table outbox add k varchar(20), add note varchar(40)' ;;
esac
check "topics are created" eval 'topic plain --partitions 2 && topic narrow --partitions 2 --config max.message.bytes=10000 &&
  topic compacted --partitions 2 --config cleanup.policy=compact'

for kind_of in too_large no_payload; do
  check "$kind_of, block-key: later events of the key wait" one $kind_of block-key 65 "first other" "after poison" ""
  check "$kind_of, park: only the event is moved" one $kind_of park 0 "after first other" "" "poison"
  check "$kind_of, park-key: later events of the key are moved, too" one $kind_of park-key 0 "first other" "" "after poison"
done
for kind_of in no_key bad_topic; do # no other event has their key
  check "$kind_of, block-key: the event waits" one $kind_of block-key 65 "after first other" "poison" ""
  check "$kind_of, park: the event is moved" one $kind_of park 0 "after first other" "" "poison"
  check "$kind_of, park-key: the event is moved" one $kind_of park-key 0 "after first other" "" "poison"
done

# ---- stop ----
halts() { # earlier events are delivered; it and later events of its key are not; the other key may go either way
  n=$((n + 1))
  configure stop
  fill too_large && fails 65 "$OUTBOX" drain && [[ $(delivered) = first* ]] && [[ $(left) = "after "*poison ]] && is dead "$(dead)" ""
}
check "stop: the relay halts at the event" halts

# ---- the dead letters ----
reason="publish to topic 'narrow': Broker: Message size too large"
id_of() { sql "select event_id from outbox where note = '$n-poison'"; }
park_one() {
  n=$((n + 1))
  configure park
  fill too_large && id=$(id_of) && works "$OUTBOX" drain && number=$(sql 'select number from outbox_dead')
}
letter() { # all fields except the time, and without the advice of the reason
  diff <(sed -E "s/^(  died +)[0-9TZ:-]+$/\1TIME/; s/^(  reason +$reason): .*/\1/" "$out") - >&2 <<L
$number
  died           TIME
  attempts       1
  reason         $reason
  topic          narrow
  key            p
  event_id       $id
  aggregatetype  narrow
  aggregateid    1
  type           placed
  headers        
  payload        $(printf 'x%.0s' {1..20000})
L
}
replayed() { kcat -b "$OUTBOX_TEST_KAFKA" -C -t narrow -o beginning -e -q -f '%k %S %h\n' | grep -qxF "p 20000 id=$id,note=$n-poison"; }
check "drain reports dead letters" eval 'park_one && has_line "1 went to the dead letters; see outbox dead list"'
check "dead list prints the letter" eval 'works "$OUTBOX" dead list && has_match "^$number +[0-9-]+T[0-9:]+Z  narrow/p  placed  attempts 1: $reason: .*max.message.bytes"'
check "dead show prints all fields" eval 'works "$OUTBOX" dead show "$number" && letter'
check "dead show --json prints the event id" eval 'works "$OUTBOX" dead show --json "$number" && has_match "\"event_id\":\"$id\""'
check "replay of an unknown number exits 65" fails 65 "$OUTBOX" dead replay 999999
check "error names the number" has_line "outbox dead: 1 of 1 numbers are no dead letters of orders: 999999"
check "topic accepts larger messages" kafka tool kafka.admin.ConfigCommand --alter --entity-type topics --entity-name narrow \
  --add-config max.message.bytes=1000000
check "dead replay moves the event back" eval 'works "$OUTBOX" dead replay "$number" && has_line "orders: 1 back in the outbox"'
check "drain publishes it" works "$OUTBOX" drain
check "id, columns and bytes are unchanged" replayed
check "dead-letter table is empty" is dead "$(dead)" ""
again() { sql "insert into outbox (aggregatetype, aggregateid, type, payload, k) values ('no topic/at all', '1', 'placed', 'x', 'p')" && works "$OUTBOX" drain; }
check "another event becomes a dead letter" again
check "dead drop deletes it" eval 'works "$OUTBOX" dead drop --all && has_line "orders: 1 dropped"'
check "tables are empty" eval 'is dead "$(dead)" "" && is left "$(left)" ""'
plan
