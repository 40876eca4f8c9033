#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The operator's drill: for each fault what log, metrics, /readyz, status and check report, and their exit codes; the fix that
# `outbox check` prints is pasted; the relay goes on without a restart. The time until /readyz turns, and turns back, is printed.
#
# Four relays go through their faults at the same time, each with a table of its own; what ends a server comes last. A relay
# logs a cause once a minute: each cause comes once between two reloads, so its line comes at once.
#   here               logins, hosts, tables, lost sessions; the end of the database, and of the broker
#   drill/rights.sh    no right to delete, no room for dead letters, a relay that halts
#   drill/network.sh   a database that is slow, events that are late, certificates
#   drill/topics.sh    missing and forbidden topics; two instances
# Refused events are in poison.sh; torture has full disks and slow networks under load, and its oracle.
at=$(cd "$(dirname "$0")" && pwd)
. "$at/../program/lib.sh"
. "$at/lib.sh"
. "$at/drill/lib.sh"
. "$at/drill/rights.sh"
. "$at/drill/network.sh"
. "$at/drill/topics.sh"

if [ "$kind" = postgres ]; then
  denied='permission denied|may not read' login='password authentication failed'
  make_user() { sql "CREATE ROLE $1 LOGIN PASSWORD 'one'"; }
  change_password() { sql "ALTER ROLE relay PASSWORD '$1'"; }
  revoke() { sql "REVOKE $1 ON $table FROM $user"; } # RIGHT
  sed -i '1ihost outbox relay,rights 127.0.0.1/32 scram-sha-256' "$db_dir/data/pg_hba.conf" && sql "SELECT pg_reload_conf()" >/dev/null
else
  denied='denied to user|may not read' login='Access denied'
  make_user() { sql "CREATE USER $1@'%' IDENTIFIED BY 'one'"; }
  change_password() { sql "ALTER USER relay@'%' IDENTIFIED BY '$1'"; }
  revoke() { sql "REVOKE $1 ON outbox.$table FROM $user@'%'"; }
fi

# ---- tables, topics, and users with the printed grants ----
for table in outbox rights network topics; do
  configure owner.yaml "$(store)"
  check "owner makes table $table" works "$OUTBOX" init -c owner.yaml
done
for table in outbox rights; do
  [ $table = outbox ] && user=relay || user=rights
  configure outbox.yaml "$(section one)"
  check "user $user is made" make_user $user
  check "its grants are pasted" printed_grants
done
table=outbox user=relay
check "topic is made" topic outbox.event.order --partitions 2
check "proxy is started" with_proxy
start_rows rights
start_rows network
start_rows topics
configure outbox.yaml "$(section one)"
check "check is content" within 30 works "$OUTBOX" check # a busy broker may not answer in 4 s
begin "$(section one)"
check "it relays" relays_again
check "status --check is content" within 30 works "$OUTBOX" status --check -c live.yaml

# ---- the password is wrong, or the host: of the database, and of the broker; the session is ended ----
now
change_password two
end_sessions relay >/dev/null
reports "wrong password" "orders: recovering: store: .*($login)" "level=warn .*($login)" 77 77 "error: .*($login)"
reload "$(section two)"
recovers "wrong password"
now
reload "$(section two db.invalid)"
reports "wrong host" "orders: connecting: store: .*db\.invalid" "level=warn .*db\.invalid" 69 69 "orders store: error: .*db\.invalid"
reload "$(section two)"
recovers "wrong host"
now
connects=$(metric outbox_store_connects_total)
end_sessions relay >/dev/null
check "lost session: it is counted" within 30 is_above outbox_store_connects_total "$connects"
check "lost session: log has the reason" within 15 logged 'level=warn .*msg="store: .*trying again until it works'
recovers "lost session"
now
reload "$(section two)" 127.0.0.1:1
reports "wrong host of the broker" "orders: connecting: broker: .*127\.0\.0\.1:1" "level=warn .*127\.0\.0\.1:1" 69 69 "orders broker: error: .*127\.0\.0\.1:1"
reload "$(section two)"
recovers "wrong host of the broker"

# ---- a grant is missing, or the table ----
now
revoke SELECT
add_one
reports "missing grant" "orders: recovering: store: .*($denied)" "level=warn .*($denied)" 77 77 "GRANT .*SELECT|SELECT command denied .*outbox init --print-grants"
now
if [ "$kind" = postgres ]; then check "missing grant: the printed grant is pasted" paste_sql
else check "missing grant: the printed grants are pasted" printed_grants; fi
recovers "missing grant"
now
sql "ALTER TABLE outbox RENAME TO outbox_away"
reports "missing table" "orders: recovering: store: .*'outbox init'" "level=warn .*'outbox init'" 78 78 "outbox init"
now
check "missing table: it is there again" sql "ALTER TABLE outbox_away RENAME TO outbox"
recovers "missing table"

# ---- two relays of one file on one table ----
two_relays() {
  printf 'relays:\n'
  printf '  %s: {store: {%s}, broker: {plugin: file, path: %s}}\n' a "$(store)" a b "$(store)" b
}
two_relays >two.yaml
check "two relays on one table: check refuses them" exits_with_match 78 "relay 'b' reads the same outbox as relay 'a' .*: name another table, or remove it" "$OUTBOX" check -c two.yaml
check "two relays on one table: run refuses them" exits_with_match 78 "relay 'b' reads the same outbox as relay 'a'" "$OUTBOX" run -c two.yaml

for group in rights network topics; do finish_rows $group; done

# ---- the database is down ----
now
database kill
reports "database down" "orders: recovering: store: " "level=warn .*msg=\"store: .*trying again until it works" 69 69 "orders store: error: "
database restart
changed_at=$EPOCHREALTIME
recovers "database down"
check "database down: its end is logged with the duration" within 10 logged "msg=\"store: works again after [0-9]+ failures in "

# ---- the broker is down, with an event to send ----
now
kafka kill
add_one
reports "broker down" "orders: recovering: broker: " "broker" 69 69 "orders broker: error: "
kafka restart
changed_at=$EPOCHREALTIME
recovers "broker down"
finish
plan
