# Sourced by the tests on real servers, within with-servers, or within a wrapper that starts a database alone. Expects $dir, the
# test's own directory, which gets services.log. KIND is postgres, mariadb or mysql; only this file depends on it.
#   database VERB, kafka VERB [ARG ...]   kill, restart, pause, resume, ... of tests/services
#   store [PORT]                          the store's section, without braces, so that more can be added; $connect is its
#                                         connect_timeout: longer where no server hangs, since a busy one takes its time
#   sql STATEMENT                         as the superuser, one value a line
#   topic NAME [--partitions N] [--config NAME=VALUE]   make a topic
#   proxy LINE                            a command to the proxy (tests/proxy/control.c); routes: a, b (database), kafka
#   with_proxy                            start it; sets $port_a, $port_b, $proxy_pid
# shellcheck shell=bash
[ "${OUTBOX_TEST_PG_DIR:-}${OUTBOX_TEST_MYSQL_DIR:-}" ] || { echo "no database: run it by with-servers" >&2; exit 1; }
if [ "${OUTBOX_TEST_PG_DIR:-}" ]; then
  kind=postgres db_service=$OUTBOX_TEST_PG_SERVICE db_dir=$OUTBOX_TEST_PG_DIR
  db_port=$(cat "$db_dir/port")
  writer_db="host=127.0.0.1 port=$db_port user=outbox dbname=outbox"
else
  kind=$OUTBOX_TEST_MYSQL_KIND db_service=$OUTBOX_TEST_MYSQL_SERVICE db_dir=$OUTBOX_TEST_MYSQL_DIR
  db_port=$OUTBOX_TEST_MYSQL_PORT
  writer_db=$db_port
fi
TMPDIR=${OUTBOX_TEST_TMP:-${TMPDIR:-/tmp}} connect=5s

log_services() { "$@" >>"$dir/services.log" 2>&1 7>&- 8<&-; } # a server must not inherit the proxy's pipes
database() { log_services "$db_service" "$1" "$db_dir" "${@:2}"; }
kafka() { log_services "$OUTBOX_TEST_KAFKA_SERVICE" "$1" "$OUTBOX_TEST_KAFKA_DIR" "${@:2}"; }
topic() { log_services "$OUTBOX_READER" "$OUTBOX_TEST_KAFKA" "$1" --create "${@:2}"; }

if [ $kind = postgres ]; then
  store() { echo "plugin: postgres, dsn: \"host=127.0.0.1 port=${1:-$db_port} user=outbox dbname=outbox\", connect_timeout: $connect${OUTBOX_TEST_CAPTURE:+, capture: $OUTBOX_TEST_CAPTURE}"; }
  sql() { "$db_service" psql "$db_dir" -qAt -v ON_ERROR_STOP=1 -c "$1" 2>>"$dir/services.log"; }
  end_sessions() { # [USER]
    sql "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
      ${1:+and usename = '$1'}"
  }
  hold_open() { # SECONDS STATEMENT: within a transaction that is rolled back in the end
    sql "begin; $2; select pg_sleep($1); rollback"
  }
  hold_lock() { sql "begin; lock table outbox in share mode; select pg_sleep($1); commit" >/dev/null; } # SECONDS
  keep_rows() { # of the type kept
    sql "create or replace function keep_row() returns trigger language plpgsql as \$\$ begin raise exception 'kept on purpose'; end \$\$;
      create trigger keep_row before delete on outbox for each row when (old.type = 'kept') execute function keep_row()"
  }
  replace_table() {
    sql "begin; alter table outbox rename to outbox_replaced; create table outbox (like outbox_replaced including all);
      alter table outbox owner to outbox; commit; drop table outbox_replaced"
  }
  # SEED: other settings for half of the seeds; sets $binary if payloads may be any bytes
  vary() {
    binary=$((1 - $1 % 2))
    [ $binary = 0 ] || sql 'alter table outbox alter payload type bytea using null; alter table outbox_dead alter payload type bytea using null'
  }
else
  store() {
    echo "plugin: mysql, host: 127.0.0.1, port: ${1:-$db_port}, user: outbox, password: outbox, database: outbox, connect_timeout: $connect${OUTBOX_TEST_CAPTURE:+, capture: $OUTBOX_TEST_CAPTURE}"
  }
  sql() { "$db_service" sql "$db_dir" -N -B -e "$1" 2>>"$dir/services.log"; }
  end_sessions() { # [USER]
    local id users="${1:-outbox relay}"
    for id in $(sql "select id from information_schema.processlist where user in ('${users// /\', \'}') and id <> connection_id()"); do
      sql "kill $id" || : # it may have ended
    done
  }
  hold_open() { sql "begin; $2; do sleep($1); rollback"; }
  hold_lock() { sql "lock tables outbox read; do sleep($1); unlock tables"; }
  keep_rows() {
    sql "delimiter //
create trigger keep_row before delete on outbox for each row
  if old.type = 'kept' then signal sqlstate '45000' set message_text = 'kept on purpose'; end if//"
  }
  replace_table() {
    sql "create table outbox_new like outbox; rename table outbox to outbox_replaced, outbox_new to outbox; drop table outbox_replaced"
  }
  vary() { # ids with steps between, until the server is restarted
    binary=1
    [ $(($1 % 2)) = 0 ] || sql 'set global auto_increment_increment = 3'
  }
fi

with_proxy() {
  local name port
  mkfifo "$dir/proxy.in" "$dir/proxy.out"
  "$OUTBOX_PROXY" "a:$db_port" "b:$db_port" "kafka:$OUTBOX_TEST_KAFKA_BEHIND:$OUTBOX_TEST_KAFKA_PROXY" \
    <"$dir/proxy.in" >"$dir/proxy.out" 2>>"$dir/services.log" &
  proxy_pid=$!
  exec 7>"$dir/proxy.in" 8<"$dir/proxy.out"
  read -r name port_a <&8 && read -r name port_b <&8 && read -r name port <&8
}
proxy() {
  local response
  echo "$1" >&7
  read -r -t 60 response <&8 && [[ $response = ok* ]] || { echo "the proxy's response to '$1': ${response:-none}" >&2; return 1; }
}

# ---- time ----
until_true() { # SECONDS COMMAND...; a busy machine has three times as long
  local end=$((SECONDS + 3 * $1)); shift
  until "$@"; do
    [ $SECONDS -le $end ] || { echo "# not in time: $*" >&2; return 1; }
    sleep 0.2 # each poll starts a client process
  done
}
kept=outbox # the table of rows that wait
pending() { sql "select count(*) from $kept"; }
is_empty() { [ "$(pending)" = 0 ]; }

# ---- a captured outbox: rows that wait are in the log ----
# A marker is an event whose transaction has a number that the test chooses. It is passed when the position has that number.
marker=0
mark() { # sets $last
  local values="insert into outbox (aggregatetype, aggregateid, type) values ('marker', 'marker', 'marker')"
  marker=$((marker + 1))
  # Of Postgres: everything before this place in the log, and the marker passes the position over it.
  if [ $kind = postgres ]; then last=$(sql "select pg_current_wal_insert_lsn() - '0/0'") && sql "select outbox_emit('marker', 'marker', 'marker', '')" >/dev/null; return; fi
  if [ $kind = mariadb ]; then sql "set gtid_domain_id = 99; set gtid_seq_no = $marker; $values"
  else sql "set gtid_next = '99999999-9999-9999-9999-999999999999:$marker'; $values; set gtid_next = automatic"; fi && last=$marker
}
is_marker_passed() { # NUMBER
  local position
  if [ $kind = postgres ]; then
    [ "$(sql "select split_part(log_position, ' ', 3)::pg_lsn - '0/0' >= $1 from outbox_position")" = t ]
    return
  fi
  position=$(sql "select log_position from outbox_position") || return
  if [ $kind = mariadb ]; then position=${position##*99-"$db_port"-} position=${position%%[, ]*}
  else position=${position##*99999999-9999-9999-9999-999999999999:} position=${position%%[, ]*} position=${position#*-}; fi
  [ "${position:-0}" -ge "$1" ] 2>/dev/null
}
if [ "${OUTBOX_TEST_CAPTURE:-}" ]; then
  [ $kind = postgres ] || kept=outbox_spool
  is_empty() { [ "$(pending)" = 0 ] && mark && until_true 20 is_marker_passed "$last"; }
fi
