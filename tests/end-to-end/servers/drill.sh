#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The operator's drill: for each fault what log, metrics, /readyz, status and check report, and their exit codes; the fix that
# `outbox check` prints is pasted; the relay goes on without a restart. The time until /readyz turns, and turns back, is printed.
# Refused events are in poison.sh, full disks and slow networks in torture.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"

address() { sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' "${1:-.log}" | tail -n 1; }
get_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address)$1")" = "$2" ]; }
metric() { curl -s -m 10 "http://$(address)/metrics" | sed -n "s/^$1{relay=\"orders\"} //p"; } # NAME
has_metric() { local have; have=$(metric "$1"); [ "$have" = "$2" ] || { echo "# $1 is $have, not $2"; return 1; }; }
logged() { tail -n "+$from" .log | grep -qE -- "$1"; }
now() { from=$(($(wc -l <.log) + 1)); }
exits_with_match() { fails "$1" "${@:3}" && has_match "$2"; } # CODE PATTERN COMMAND...
add_one() { sql "insert into outbox (aggregatetype, aggregateid, type, payload) values ('${1:-order}', '${2:-1}', 'placed', 'p')" >/dev/null; }
settled() { [ "$(metric outbox_settled_total)" -gt "$1" ]; }
relays_again() { # an event that is added now is published and removed
  local before; before=$(metric outbox_settled_total)
  add_one && within 30 settled "$before"
}
seconds_since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'; }

configure() { # FILE STORE-SECTION [KAFKA]
  cat >"$1" <<Y
relays:
  orders:
    store: {$2}
    broker: {plugin: kafka, bootstrap.servers: "${3:-$OUTBOX_TEST_KAFKA}"}
    retry_min: 1h
    retry_max: 1h
service: {listen: "127.0.0.1:0", control: "unix:$dir/control.sock"}
Y
}

# NAME, READYZ-PATTERN, LOG-PATTERN, CODE-OF-CHECK, PATTERN-OF-CHECK: what is reported while the fault lasts
readyz_has() { get_code /readyz 503 && has_match "$1"; }
reports() {
  local name=$1 began=$EPOCHREALTIME
  check "$name: /readyz turns" within 30 get_code /readyz 503
  echo "# $name: /readyz turned after $(seconds_since "$began")"
  check "$name: /readyz has the reason" within 15 readyz_has "$2"
  check "$name: log has the reason" within 30 logged "$3" # a relay logs a line a minute for each kind of failure
  check "$name: outbox_relaying is 0" has_metric outbox_relaying 0
  check "$name: status --check exits not with 0" eval '! "$OUTBOX" status --check -c live.yaml >"$out" 2>"$err" && [ -s "$out" ]'
  check "$name: check exits with $4" exits_with_match "$4" "$5" "$OUTBOX" check
}
recovers() { # NAME
  local began=$EPOCHREALTIME
  check "$1: /readyz turns back" within 60 get_code /readyz 200
  echo "# $1: /readyz turned back after $(seconds_since "$began")"
  check "$1: the relay goes on" relays_again
}
# The service reads another file; `status` finds it by live.yaml.
reload() { # STORE-SECTION [KAFKA]
  configure outbox.yaml "$@"
  sed "s/127.0.0.1:0/$(address)/" outbox.yaml >live.yaml
  kill -HUP "$service"
}
# The commands that check prints for a finding are pasted into the server, or run as the owner.
paste_sql() { sed -n 's/^    \([A-Z].*;\)$/\1/p' "$out" >paste.sql; [ -s paste.sql ] && sql "$(cat paste.sql)"; }

# ---- the user of the relay has the printed grants, and no more ----
configure owner.yaml "$(store)"
section() { # PASSWORD [HOST]
  if [ $kind = postgres ]; then
    echo "plugin: postgres, dsn: \"host=${2:-127.0.0.1} port=$db_port user=relay password=$1 dbname=outbox sslmode=disable\""
  else
    echo "plugin: mysql, host: ${2:-127.0.0.1}, port: $db_port, user: relay, password: $1, database: outbox, tls: off"
  fi
}
if [ $kind = postgres ]; then
  user="CREATE ROLE relay LOGIN PASSWORD 'one'" revoke="REVOKE SELECT ON outbox FROM relay"
  change_password() { sql "ALTER ROLE relay PASSWORD '$1'"; }
  sed -i '1ihost outbox relay 127.0.0.1/32 scram-sha-256' "$db_dir/data/pg_hba.conf" && sql "SELECT pg_reload_conf()" >/dev/null
else
  user="CREATE USER relay@'%' IDENTIFIED BY 'one'" revoke="REVOKE SELECT ON outbox.outbox FROM relay@'%'"
  change_password() { sql "ALTER USER relay@'%' IDENTIFIED BY '$1'"; }
fi
configure outbox.yaml "$(section one)"
check "owner makes the tables" works "$OUTBOX" init -c owner.yaml
check "user of the relay is made" sql "$user"
printed_grants() { works "$OUTBOX" init --print-grants && sed '/^-- each application/,$d' "$out" >grants.sql && sql "$(cat grants.sql)" >/dev/null; }
check "printed grants are pasted" printed_grants
check "topic is made" topic outbox.event.order --partitions 2
check "check is content" works "$OUTBOX" check
start "$OUTBOX" run; service=$pid
check "relay becomes ready" within 30 get_code /readyz 200
sed "s/127.0.0.1:0/$(address)/" outbox.yaml >live.yaml
check "it relays" relays_again
check "status --check is content" works "$OUTBOX" status --check -c live.yaml

# ---- a grant is missing ----
now
sql "$revoke"
add_one
reports "missing grant" "orders: recovering: store: .*(permission denied|denied to user|may not read)" "level=warn .*(permission denied|denied to user|may not read)" 77 "GRANT .*SELECT|SELECT command denied .*outbox init --print-grants"
if [ $kind = postgres ]; then check "missing grant: the printed grant is pasted" paste_sql
else check "missing grant: the printed grants are pasted" printed_grants; fi
recovers "missing grant"

# ---- the password is wrong, or the host: of the database, and of the broker ----
now
change_password two
end_sessions >/dev/null
reports "wrong password" "orders: recovering: store: .*(password authentication failed|Access denied)" "level=warn .*(password authentication failed|Access denied)" 77 "error: .*(password authentication failed|Access denied)"
reload "$(section two)"
recovers "wrong password"
now
reload "$(section two db.invalid)"
reports "wrong host" "orders: connecting: store: .*db\.invalid" "level=warn .*db\.invalid" 69 "orders store: error: .*db\.invalid"
reload "$(section two)"
recovers "wrong host"
now
reload "$(section two)" 127.0.0.1:1
reports "wrong host of the broker" "orders: connecting: broker: .*127\.0\.0\.1:1" "level=warn .*127\.0\.0\.1:1" 69 "orders broker: error: .*127\.0\.0\.1:1"
reload "$(section two)"
recovers "wrong host of the broker"

# ---- the right to delete is missing: events are published, and stay; MySQL takes them for rows that are refused ----
if [ $kind = postgres ]; then
  now
  sql "${revoke/SELECT/DELETE}"
  add_one
  reports "no right to delete" "orders: recovering: store: .*permission denied" "level=warn .*permission denied.* delivered events could not be removed" 77 "GRANT .*DELETE"
  check "no right to delete: the printed grant is pasted" paste_sql
  recovers "no right to delete"
fi

# ---- the table is missing ----
now
sql "ALTER TABLE outbox RENAME TO outbox_away"
reports "missing table" "orders: recovering: store: .*'outbox init'" "level=warn .*'outbox init'" 78 "outbox init"
check "missing table: it is there again" sql "ALTER TABLE outbox_away RENAME TO outbox"
recovers "missing table"

# ---- the database is down ----
now
database kill
reports "database down" "orders: recovering: store: " "level=warn .*msg=\"store: .*trying again until it works" 69 "orders store: error: "
database restart
recovers "database down"
check "database down: its end is logged with the duration" within 10 logged "msg=\"store: works again after [0-9]+ failures in "

# ---- the broker is down, with an event to send ----
now
kafka kill
add_one
reports "broker down" "orders: recovering: broker: " "broker" 69 "orders broker: error: "
kafka restart
recovers "broker down"

# ---- a topic is missing: one key waits, and the relay is ready ----
now
add_one missing 7
waiting() { [ "$(metric outbox_blocked_keys)" = "$1" ]; }
check "missing topic: its key is blocked" within 30 waiting 1
check "missing topic: the relay stays ready" get_code /readyz 200
check "missing topic: other events go" relays_again
check "missing topic: log has the topic" logged "level=warn .*outbox.event.missing"
check "missing topic: status --check exits 65" exits_with_match 65 "1 keys are blocked" "$OUTBOX" status --check -c live.yaml
check "missing topic: check names it" eval '! "$OUTBOX" check >"$out" 2>"$err" && has_match "outbox.event.missing"'
check "missing topic: it is made" topic outbox.event.missing --partitions 1
retried() { "$OUTBOX" retry orders 7; within 1 waiting 0; } # the client may remember for a moment that the topic is missing
check "missing topic: retry sends the event" within 60 retried

# ---- a topic is forbidden: likewise ----
now
rights() { kafka tool org.apache.kafka.tools.AclCommand --topic outbox.event.order "$@"; } # with an ACL for somebody, others have no right
check "forbidden topic: the right is taken" rights --add --allow-principal User:somebody --operation Write
add_one order 8
check "forbidden topic: its key is blocked" within 30 waiting 1
check "forbidden topic: log has the reason" logged "level=warn .*outbox.event.order.*(authoriz|may not)"
check "forbidden topic: status --check exits 65" exits_with_match 65 "1 keys are blocked" "$OUTBOX" status --check -c live.yaml
check "forbidden topic: check names it, and the right" exits_with_match 77 "outbox.event.order.: this user may not describe it: .*; allow this user to describe it and to write to it" "$OUTBOX" check
check "forbidden topic: the right is there again" rights --remove --force
retried_8() { "$OUTBOX" retry orders 8; within 1 waiting 0; }
check "forbidden topic: retry sends the event" within 60 retried_8

# ---- the lock is lost ----
connects=$(metric outbox_store_connects_total)
reconnected() { [ "$(metric outbox_store_connects_total)" -gt "$connects" ]; }
end_sessions >/dev/null
check "lost session: it is counted" within 20 reconnected # the same cause is a warning once a minute
recovers "lost session"

# ---- a second instance, and the death of the first ----
sed "s/control.sock/second.sock/" outbox.yaml >second.yaml
"$OUTBOX" run -c second.yaml >>second.log 2>&1 & second=$!; started+=("$second")
second_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address second.log)$1")" = "$2" ]; }
second_is() { curl -s -m 10 "http://$(address second.log)/metrics" | grep -qxF "outbox_$1{relay=\"orders\"} 1"; }
check "second instance: it stands by, and is ready" within 30 eval 'second_is standby && second_code /readyz 200'
check "second instance: it names the owner" within 10 eval 'curl -s -m 10 "http://$(address second.log)/metrics" >"$out" && has_line "outbox_owner{relay=\"orders\",process=\"$(uname -n)/$service\"} 0"'
check "second instance: status names the owner, too" eval 'works "$OUTBOX" status && has_match "owner      orders on $(uname -n), process $service"'
check "paused owner keeps the ownership" eval 'works "$OUTBOX" pause orders && sleep 2 && second_is standby && works "$OUTBOX" resume orders'
began=$EPOCHREALTIME
kill -9 "$service"; wait "$service" 2>/dev/null
check "death of the owner: the standby takes over" within 60 second_is relaying
echo "# death of the owner: the standby relayed after $(seconds_since "$began")"
cp second.log .log
check "death of the owner: events go on" relays_again
kill -TERM "$second"
check "SIGTERM exits 0" ends "$second" 0
check "without an owner status --check exits 69" exits_with_match 69 "no relay owns the outbox: start outbox run" "$OUTBOX" status --check
check "late: --max-age exits 69" eval 'add_one && sleep 1.1 && exits_with_match 69 "oldest event" "$OUTBOX" status --check --max-age 1s'
plan
