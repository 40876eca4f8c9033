#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The password changes while the relay runs: the relay logs the failed login once, keeps the events, and relays again after a
# SIGHUP with the new password.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
connect=60s

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
check "init creates the tables" works "$OUTBOX" init
check "user with a password is created" make_user
configure "$section"
with_password ''
[ "$kind" != postgres ] || check "missing password exits 77, with what to do" eval 'fails 77 "$OUTBOX" check && has_match "no password supplied; set password in the dsn$"'
with_password wrong
check "wrong password exits 77" fails 77 "$OUTBOX" check
check "password is not printed" eval '! grep -q wrong "$out" "$err"'
with_password one
: >.log
start "$OUTBOX" run; service=$pid
check "right password relays" eval 'add_one first && within 10 lines events.ndjson 1'

now
check "password changes and sessions end" eval 'change_password two && end_sessions >/dev/null'
check "login is retried" within 20 eval '[ "$(count "msg=\"store: .*trying again")" -ge 3 ]'
check "reason is logged once" eval '[ "$(count "level=warn .*(password authentication failed|Access denied)")" = 1 ]'
check "event stays in the outbox" eval 'add_one second && lines events.ndjson 1'
with_password two
kill -HUP "$service"
check "new password relays after SIGHUP" within 20 lines events.ndjson 2
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0
check "log contains no password" eval '! grep -qE "password=?(one|two)" .log'
plan
