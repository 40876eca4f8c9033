# The faults of the torture test; sourced by torture. fault_NAME injects a fault, waits, and removes it; meanwhile a relay may
# be killed, too. A fault that may cause duplicates calls incident. Random numbers are returned in $drawn: a subshell would not
# advance the seed.
# shellcheck shell=bash disable=SC2154,SC2034

incident() { incidents=$((incidents + 1)); }
draw() { drawn=$((RANDOM % $1)); } # 0 ... N - 1
choose() { # WORD...
  draw $#
  shift "$drawn"
  drawn=$1
}
short_pause() { draw 1500; sleep "$(printf '%d.%03d' $((drawn / 1000)) $((drawn % 1000)))"; }
hold_fault() { # SHORT LONG: seconds at most
  local most=$1; [ "$long" ] && most=$2
  short_pause
  draw 4; [ $drawn != 0 ] || { choose a b; kill_relay "$drawn"; }
  draw $(((most - 1) * 10)); sleep $((drawn / 10)).$((drawn % 10))
}

kill_relay() { # SLOT: and start another one in its place
  must_run "$1"
  kill -9 "${relays[$1]}"; wait "${relays[$1]}" 2>/dev/null
  kills=$((kills + 1)); incident
  start_relay "$1"
}
heal_database() {
  local i
  for i in $(seq 600); do
    database alive || database restart
    sql 'select 1' >/dev/null && return
    sleep 0.1
  done
  die "the database does not come back"
}

# ---- relays and writers ----
fault_relay_killed() { choose a b; kill_relay "$drawn"; short_pause; }
fault_both_relays_killed() { kill_relay a; short_pause; kill_relay b; }
fault_relay_stopped() { # cleanly: it must end with 0
  choose a b
  must_run "$drawn"
  kill -TERM "${relays[$drawn]}"
  wait "${relays[$drawn]}" || die "relay $drawn ended with $? on SIGTERM"
  start_relay "$drawn"
}
newer_row_exists() { local before=$1; last_id && [ "$last" -gt "$before" ]; } # ID: true if there is a newer row, whose id is then in $last
fault_relay_paused() { # until the other one has relayed newer rows: a paused owner resumes without ownership
  choose a b
  local pid=${relays[$drawn]} last
  kill -STOP "$pid"
  { until_true 60 last_id && until_true 60 newer_row_exists "$last" && until_true 180 gone_up_to "$last"; } ||
    die "the other relay does not take over from a paused one"
  short_pause
  kill -CONT "$pid"
  pauses=$((pauses + 1)); incident
}
fault_writer_killed() {
  draw ${#writers[@]}
  kill -9 "${writers[$drawn]}"; wait "${writers[$drawn]}" 2>/dev/null
  start_writer "$drawn"
}

# ---- the database ----
fault_database_killed() { database kill; short_pause; database restart; incident; }
fault_database_restarted() { database restart; incident; }
fault_database_paused() { database pause; hold_fault 3 10; database resume; incident; }
fault_sessions_ended() { end_sessions >/dev/null; short_pause; end_sessions >/dev/null; incident; }
fault_disk_full() {
  cat /dev/zero >"$OUTBOX_TEST_DISK/fill" 2>/dev/null
  hold_fault 2 10
  rm -f "$OUTBOX_TEST_DISK/fill"
  [ "$long" ] || database kill # MariaDB checks for free space once a minute
  heal_database
  incident
}

# ---- the table, and single rows ----
# Of a healthy key, from its insert until it is removed. It must go while the fault lasts.
probe() {
  local began=$EPOCHREALTIME last
  if [ "${OUTBOX_TEST_CAPTURE:-}" ]; then
    mark && until_true 60 is_marker_passed "$last" || die "the position does not pass a healthy event in 60 s during $1"
    return
  fi
  sql "insert into outbox (aggregatetype, aggregateid, type, payload) values ('probe', 'probe-$RANDOM', 'probe', '1')" || die "no probe"
  until_true 60 probes_are_gone || die "an event of a healthy key is not removed in 60 s during $1"
  echo "# during $1 a healthy event was removed after $(echo "$EPOCHREALTIME $began" | awk '{ printf "%.1f s", $1 - $2 }')"
}
probes_are_gone() { [ "$(sql "select count(*) from outbox where aggregatetype = 'probe' and type = 'probe'")" = 0 ]; }
insert_many() { # AGGREGATETYPE SIZE: 300 events
  local i rows=
  if [[ ${OUTBOX_TEST_CAPTURE:-} =~ wal|logical ]]; then
    sql "select count(outbox_emit('$1', 'key-' || i % 50, '$1', repeat('x', $2))) from generate_series(1, 300) i" >/dev/null
    return
  fi
  for i in $(seq 300); do rows+="${rows:+, }('$1', 'key-$((i % 50))', '$1', repeat('x', $2))"; done
  sql "insert into outbox (aggregatetype, aggregateid, type, payload) values $rows"
}
fault_events_refused() { # by the broker: their topic takes 1,000 bytes
  insert_many refused 3000 || die "no events to refuse"
  probe "300 refused events"
}
# Writers that hold transactions open would keep the lock from being granted, and wait for it.
quiet_writers() {
  stop_writers
  [ -z "$held" ] || kill "$held" 2>/dev/null
  held=
}
fault_table_locked() { # for longer than a lease, while events are on their way: the owner waits, and stays the owner
  local i
  quiet_writers
  insert_many probe 10 && hold_lock 5 || die "the table is not locked"
  for i in 0 1 2; do start_writer $i; done
}
fault_row_kept() { # by a trigger: all others are removed
  local id
  sql "insert into outbox (aggregatetype, aggregateid, type, payload) values ('probe', 'kept', 'kept', '1')" || die "no row to keep"
  probe "a row that cannot be removed"
  id=$(sql "select id from outbox where type = 'kept'") # by its id: an UPDATE that reads all rows locks them on MySQL
  sql "update outbox set type = 'probe' where id = $id" || die "the row stays"
}
fault_table_replaced() { # by an empty one of its name, with writers stopped; rows that are left would be lost
  local i
  quiet_writers
  end_sessions >/dev/null
  until_true 180 is_empty || die "the outbox is not empty before its table is replaced"
  replace_table && keep_rows || die "the table is not replaced"
  incident
  for i in 0 1 2; do start_writer $i; done
  probe "the use of a new table"
}

# ---- the broker ----
fault_broker_killed() { kafka kill; short_pause; kafka restart; incident; }
fault_broker_paused() { kafka pause; hold_fault 3 30; kafka resume; incident; }

# ---- the network ----
of_network() { # SHORT LONG RULE...
  proxy "${*:3}"
  hold_fault "$1" "$2"
  proxy "$3 clear"
  incident
}
# The relays reach the database by separate routes, a and b; all includes the broker.
of_database() { choose a b; of_network "$1" "$2" "$drawn" "${@:3}"; }
of_any() { choose a b all; of_network "$1" "$2" "$drawn" "${@:3}"; }
direction() { choose up down both; direction=${drawn%both}; }
fault_database_stalls() { direction; of_database 3 12 stall $direction; }
fault_database_half_open() { direction; of_any 4 40 blackhole $direction; }
fault_database_cut() { choose up down; direction=$drawn; draw 20000; of_any 2 5 cut $direction "$drawn"; }
fault_database_slow() { draw 60; of_database 2 10 latency "$drawn" "$drawn"; }
fault_database_narrow() { of_database 2 10 rate 30000; }
fault_database_reset() { proxy "a reset"; proxy "b reset"; short_pause; proxy "a reset"; incident; }
fault_broker_stalls() { direction; of_network 3 20 kafka stall $direction; }
fault_broker_half_open() { direction; of_network 4 40 kafka blackhole $direction; }
fault_broker_cut() { choose up down; direction=$drawn; draw 20000; of_network 2 5 kafka cut $direction "$drawn"; }
fault_broker_slow() { draw 60; of_network 2 10 kafka latency "$drawn" "$drawn"; }
fault_broker_narrow() { of_network 2 10 kafka rate 50000; }
fault_broker_reset() { proxy "kafka reset"; short_pause; proxy "kafka reset"; incident; }
fault_broker_away() { proxy "kafka reset"; of_network 2 20 kafka down; }

# A MariaDB that is killed on a full disk leaves half an event at the end of a file, which no replica reads over: CAPTURE-MYSQL.md.
may_fill_disk() { [ "${OUTBOX_TEST_DISK:-}" ] && [ "$kind${OUTBOX_TEST_CAPTURE:-}" != mariadbbinlog ]; }
every_fault() {
  declare -F | sed -n 's/^declare -f fault_//p' | grep -E "${OUTBOX_TORTURE_FAULTS:-.}" |
    if may_fill_disk; then cat; else grep -vx disk_full; fi |
    if [ "${OUTBOX_TEST_CAPTURE:-}" ]; then grep -vxE 'row_kept|table_(locked|replaced)'; else cat; fi # of a table that is polled
}
# The short run omits faults that are similar to others.
short_deck() { every_fault | grep -vE '_(narrow|away|restarted)$'; }
