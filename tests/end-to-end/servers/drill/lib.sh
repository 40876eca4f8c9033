# Sourced by drill.sh: one relay, `orders`, in a process of its own, and what an operator sees of it. Several of them run at
# the same time, each in a directory of its own, with a table of its own:
#   table, user, broker    what the relay reads, as whom, and where it publishes
#   more, of_service       lines of the relay, and members of `service:`
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
table=outbox user=relay broker=$OUTBOX_TEST_KAFKA more='' of_service=''

# ---- the process ----
section() { # PASSWORD [HOST]: as the user who has what `outbox init --print-grants` prints, and no more
  if [ "$kind" = postgres ]; then
    echo "plugin: postgres, dsn: \"host=${2:-127.0.0.1} port=$db_port user=$user password=$1 dbname=outbox sslmode=disable\""
  else
    echo "plugin: mysql, host: ${2:-127.0.0.1}, port: $db_port, user: $user, password: $1, database: outbox, tls: off"
  fi
}
configure() { # FILE STORE-SECTION [KAFKA]
  cat >"$1" <<Y
relays:
  orders:
    store: {$2, table: $table}
    broker: {plugin: kafka, bootstrap.servers: "${3:-$broker}"}
    retry_min: 1h
    retry_max: 1h
$more
service: {listen: "127.0.0.1:0", control: "unix:$dir/control.sock"$of_service}
Y
}
write_live() { sed "s/127.0.0.1:0/$(address)/" outbox.yaml >live.yaml; } # `status` finds the service by it
begin() { # STORE-SECTION: sets $service
  configure outbox.yaml "$1"
  start "$OUTBOX" run; service=$pid
  check "$table: relay becomes ready" within 30 get_code /readyz 200
  write_live
}
reload() { # STORE-SECTION [KAFKA]: a new relay, which has logged no cause yet
  configure outbox.yaml "$@"
  write_live
  changed_at=$EPOCHREALTIME
  within 60 reloaded_once_more "$(reloads)"
}
reloads() { grep -c 'SIGHUP: reloaded' .log; }
reloaded_once_more() { kill -HUP "$service"; soon eval "[ \$(reloads) -gt $1 ]"; } # refused while the last one has relays to stop
finish() { kill -TERM "$service"; check "$table: SIGTERM exits 0" ends "$service" 0; }

# ---- what it reports ----
address() { sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' "${1:-.log}" | tail -n 1; }
get_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address)$1")" = "$2" ]; }
metric() { curl -s -m 10 "http://$(address)/metrics" | sed -n "s/^$1{relay=\"orders\"} //p"; } # NAME
has_metric() { local have; have=$(metric "$1"); [ "$have" = "$2" ] || { echo "# $1 is $have, not $2"; return 1; }; }
is_above() { awk -v have="$(metric "$1")" -v than="$2" 'BEGIN { exit !(have > than) }'; } # METRIC NUMBER
now() { from=$(($(wc -l <.log) + 1)) changed_at=$EPOCHREALTIME; } # the fault, or the fix, comes next
logged() { tail -n "+$from" .log | grep -qE -- "$1"; }
exits_with_match() { fails "$1" "${@:3}" && has_match "$2"; } # CODE PATTERN COMMAND...
status_has() { exits_with_match "$1" "$2" "$OUTBOX" status --check -c live.yaml; } # CODE PATTERN
readyz_has() { get_code /readyz 503 && has_match "$1"; }
soon() { # COMMAND...: what is asked for again otherwise, and is seen in a few polls
  local poll
  for poll in 1 2 3 4 5 6 7 8 9 10; do "$@" && return; sleep 0.1; done
  return 1
}
took() { awk -v name="$1" -v from="$changed_at" -v to="$EPOCHREALTIME" 'BEGIN { printf "# %s after %.1f s\n", name, to - from }'; }

add_one() { # [AGGREGATETYPE [KEY [PAYLOAD-EXPRESSION]]]
  sql "insert into $table (aggregatetype, aggregateid, type, payload) values ('${1:-order}', '${2:-1}', 'placed', ${3:-'p'})" >/dev/null
}
relays_again() { # an event that is added now is published and removed
  local before; before=$(metric outbox_settled_total)
  [ "$before" ] && add_one && within 30 is_above outbox_settled_total "$before"
}

# While the fault lasts. check runs in the background: it may wait for a server that is away.
reports() { # NAME, READYZ-PATTERN, LOG-PATTERN, CODE-OF-STATUS, CODE-OF-CHECK, PATTERN-OF-CHECK
  local name=$1 checking
  timeout 120 "$OUTBOX" check >check.out 2>check.err </dev/null & checking=$!
  check "$name: /readyz turns" within 30 get_code /readyz 503
  took "$name: /readyz turned"
  check "$name: /readyz has the reason" within 15 readyz_has "$2"
  check "$name: log has the reason" within 15 logged "$3"
  check "$name: outbox_relaying is 0" has_metric outbox_relaying 0
  check "$name: status --check exits with $4" status_has "$4" .
  check "$name: check exits with $5" checked "$5" "$6"
}
checked() { # CODE PATTERN: of the check of reports
  ends "$checking" "$1"; local right=$?
  mv check.out "$out"; mv check.err "$err"
  [ $right = 0 ] && has_match "$2"
}
recovers() { # NAME
  check "$1: /readyz turns back" within 60 get_code /readyz 200
  took "$1: /readyz turned back"
  check "$1: the relay goes on" relays_again
}

# ---- the fix, as it is printed ----
paste_sql() { sed -n 's/^    \([A-Z].*;\)$/\1/p' "$out" >paste.sql; [ -s paste.sql ] && sql "$(cat paste.sql)"; }
printed_grants() { works "$OUTBOX" init --print-grants && sed '/^-- each application/,$d' "$out" >grants.sql && sql "$(cat grants.sql)" >/dev/null; }

# ---- at the same time ----
start_rows() { # NAME: the function of that name, with a table of that name; finish_rows prints its checks
  mkdir "$dir/$1"
  (
    trap clean_up EXIT
    dir=$dir/$1 table=$1 user=$1 started=() tests=0
    out=$dir/.out err=$dir/.err
    cd "$dir" || exit 99
    "$1"
  ) >"$dir/$1.tap" 2>&1 &
  eval "${1}_pid=\$!"
}
finish_rows() { # NAME: its checks get the next numbers
  local line pid=${1}_pid
  wait "${!pid}"
  while IFS= read -r line; do
    case $line in
    'ok '* | 'not ok '*) tests=$((tests + 1)); line="${line%%ok *}ok $tests - $1: ${line#* - }" ;;
    esac
    echo "$line"
  done <"$dir/$1.tap"
}
