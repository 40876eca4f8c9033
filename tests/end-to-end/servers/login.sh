#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The password changes while the relay runs: it says once that it may not log in, waits without an event being touched, and goes
# on when it is given the new one (SIGHUP).
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"

case $kind in
postgres)
  secret="host=127.0.0.1 port=$db_port dbname=outbox user=relay password="
  section='plugin: postgres, dsn: "file:secret"'
  make_user() {
    sed -i 's/^\(host .*\)trust$/\1scram-sha-256/' "$db_dir/data/pg_hba.conf"
    sql "create role relay login password 'one'; grant all on outbox, outbox_dead to relay; select pg_reload_conf()" >/dev/null
  }
  change_password() { sql "alter role relay password '$1'"; }
  ;;
*)
  secret=
  section="plugin: mysql, host: 127.0.0.1, port: $db_port, user: relay, password: \"file:secret\", database: outbox"
  make_user() { sql "create user relay@'%' identified by 'one'; grant all on outbox.* to relay@'%'"; }
  change_password() { sql "alter user relay@'%' identified by '$1'"; }
  ;;
esac
with_password() { printf '%s%s' "$secret" "$1" >secret; chmod 600 secret; }
count() { tail -n "+$from" .log | grep -cE -- "$1"; }
now() { from=$(($(wc -l <.log) + 1)); }
add_one() { sql "insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', '1', 'placed', '$1')" >/dev/null; }
configure() {
  cat >outbox.yaml <<Y
relays:
  orders:
    store: {$1}
    broker: {plugin: file, path: events.ndjson}
service: {log: {level: debug}}
Y
}

configure "$(store)"
check "the tables" works "$OUTBOX" init
check "a user with a password" make_user
configure "$section"
with_password wrong
check "a wrong password" fails 77 "$OUTBOX" check
check "is not printed" eval '! grep -q wrong "$out" "$err"'
with_password one
: >.log
start "$OUTBOX" run; service=$pid
check "the right one relays" eval 'add_one first && within 10 lines events.ndjson 1'

now
check "the password changes, and the sessions end" eval 'change_password two && end_sessions >/dev/null'
check "the relay waits" within 20 eval '[ "$(count "msg=\"store: .*trying again")" -ge 3 ]'
check "and says once why" eval '[ "$(count "level=warn .*(password authentication failed|Access denied)")" = 1 ]'
check "events are only kept" eval 'add_one second && lines events.ndjson 1'
with_password two
kill -HUP "$service"
check "with the new one it goes on" within 20 lines events.ndjson 2
kill -TERM "$service"
check "and ends with 0" ends "$service" 0
check "no password is in the log" eval '! grep -qE "password=?(one|two)" .log'
plan
