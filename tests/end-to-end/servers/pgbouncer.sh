#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PgBouncer: transaction mode is detected and refused with advice, session mode works.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
connect=60s
. "$(dirname "$0")/../../services/ports.sh"
PATH=$PATH:/usr/sbin
command -v pgbouncer >/dev/null || { echo "1..0 # SKIP pgbouncer is not installed; scripts/install-deps test installs it"; exit 0; }

pool() { # MODE PORT
  local as=(); [ "$(id -u)" != 0 ] || as=(setpriv --reuid postgres --regid postgres --clear-groups --)
  mkdir -p "$dir/$1"
  echo '"outbox" ""' >"$dir/$1/users"
  cat >"$dir/$1/pgbouncer.ini" <<I
[databases]
outbox = host=127.0.0.1 port=$db_port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $2
unix_socket_dir =
auth_type = trust
auth_file = $dir/$1/users
pool_mode = $1
logfile = $dir/$1/log
I
  [ ${#as[@]} = 0 ] || { chmod a+x "$dir"; chown -R postgres: "$dir/$1"; }
  start "${as[@]}" pgbouncer "$dir/$1/pgbouncer.ini"
  within 10 accepts "$2"
}
accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
through() { # PORT
  cat >outbox.yaml <<Y
relays:
  orders:
    store: {$(store "$1")}
    broker: {plugin: file, path: events.ndjson}
service: {log: {level: debug}}
Y
}
logged() { grep -qF -- "$1" .log; }

reserve_ports
transaction=$port session=$((port + 1))
check "pool in transaction mode starts" pool transaction "$transaction"
check "pool in session mode starts" pool session "$session"

through "$transaction"
why="connect to 127.0.0.1:$transaction as outbox: a pooler in transaction mode shares sessions, and the owner of an outbox needs its own session; connect directly, or through a pool in session mode"
check "init works in transaction mode" works "$OUTBOX" init
check "add works in transaction mode" works add 1 first
check "check warns about the pool" eval 'fails 78 "$OUTBOX" check && has_match "warning: a pooler stands between here and the server"'
check "check reports that no relay can run" has_line "orders store: error: $why"
check "drain is refused in transaction mode" fails 78 "$OUTBOX" drain
check "drain advises a direct connection" has_line "outbox drain: orders: $why"
: >.log
start "$OUTBOX" run; service=$pid
check "run logs the reason and waits" within 10 logged "$why"
check "reason is logged once" eval '[ "$(grep -c "level=warn.*a pooler in transaction mode" .log)" = 1 ]'
check "no event is published" test ! -s events.ndjson
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0

through "$session"
check "drain works in session mode" works "$OUTBOX" drain
check "waiting event is published" lines events.ndjson 1
: >.log
start "$OUTBOX" run; service=$pid
check "run relays in session mode" eval 'works add 2 second && within 10 lines events.ndjson 2'
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0

sed -i 's/store: {/store: {wakeup: wal, /' outbox.yaml
check "check warns that the pool blocks replication" eval 'works "$OUTBOX" check && has_match "warning: wake-up notifications do not work: .*unsupported startup parameter: replication; if that is a pooler"'
plan
