#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PgBouncer before Postgres: transaction mode is recognised and refused with what to do, session mode works.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
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
  within 10 answers "$2"
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
free_port() { # none listens there, as far as one can tell before using it
  local port
  while port=$((20000 + RANDOM % 12000)) && answers "$port"; do :; done 2>/dev/null
  echo "$port"
}
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

transaction=$(free_port) session=$(free_port)
check "a pool in transaction mode" pool transaction "$transaction"
check "and one in session mode" pool session "$session"

through "$transaction"
why="connect to 127.0.0.1:$transaction as outbox: a pooler in transaction mode lends sessions, and the ownership of an outbox needs a session of its own; connect directly, or through a pool in session mode"
check "verbs that need no session work in transaction mode" works "$OUTBOX" init
check "so does adding an event" works add 1 first
check "check warns of the pool" eval 'fails 78 "$OUTBOX" check && matched "warning: a pooler stands between here and the server"'
check "and says that no relay can run" said "orders store: error: $why"
check "drain refuses it" fails 78 "$OUTBOX" drain
check "and says what to do" said "outbox drain: orders: $why"
: >.log
start "$OUTBOX" run; service=$pid
check "run waits, and says why" within 10 logged "$why"
check "in one line" eval '[ "$(grep -c "level=warn.*a pooler in transaction mode" .log)" = 1 ]'
check "nothing was relayed" test ! -s events.ndjson
kill -TERM "$service"
check "it ends with 0" ends "$service" 0

through "$session"
check "session mode relays" works "$OUTBOX" drain
check "what was waiting" lines events.ndjson 1
: >.log
start "$OUTBOX" run; service=$pid
check "and goes on" eval 'works add 2 second && within 10 lines events.ndjson 2'
kill -TERM "$service"
check "until it is stopped" ends "$service" 0

sed -i 's/store: {/store: {wakeup: wal, /' outbox.yaml
check "check says that this pool passes no log on" eval 'works "$OUTBOX" check && matched "warning: wake-up notifications do not work: .*unsupported startup parameter: replication; if that is a pooler"'
plan
