# The drill: published rows that cannot be removed, a full disk for dead letters, and a relay that halts. Sourced by drill.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034

# ---- the right to delete is missing: events are published, and their rows stay ----
# Postgres refuses the statement; MySQL's relay has tried row by row, names the rows, and is ready.
no_right_to_delete() {
  now
  revoke DELETE
  add_one
  if [ "$kind" = postgres ]; then
    reports "no right to delete" "orders: recovering: store: .*permission denied" \
      "level=warn .*permission denied.* delivered events could not be removed" 69 77 "GRANT .*DELETE"
    now
    check "no right to delete: the printed grant is pasted" paste_sql
  else
    check "no right to delete: log names the row" within 30 logged \
      "level=error .*1 published rows cannot be removed, row [0-9]*: .*DELETE command denied.*grant what 'outbox init --print-grants' prints"
    check "no right to delete: the relay stays ready" get_code /readyz 200
    check "no right to delete: status has the reason" eval 'works "$OUTBOX" status -c live.yaml && has_match "published rows cannot be removed"'
    check "no right to delete: check exits with 77" exits_with_match 77 "DELETE command denied" "$OUTBOX" check
    now
    check "no right to delete: the printed grants are pasted" printed_grants
    check "no right to delete: the rows are removed" within 60 logged "published rows that could not be removed are gone"
  fi
  recovers "no right to delete"
}

# ---- the disk is full: an event that the broker refuses cannot become a dead letter ----
mount_small_disk() { # sets $disk; with-server unmounts it
  disk=$db_dir/small
  if [ "$kind" = postgres ]; then sql "CREATE SCHEMA small"; else sql "CREATE DATABASE small"; disk=$db_dir/data/small; fi
  mkdir -p "$disk" && mount -t tmpfs -o size=32m outbox-drill "$disk" 2>>services.log && chown --reference="$db_dir/data" "$disk" && chmod 700 "$disk"
}
make_dead_table() {
  configure owner.yaml "$(store), dead_table: small.letters" && works "$OUTBOX" init -c owner.yaml || return
  [ "$kind" != postgres ] ||
    { sql "CREATE TABLESPACE small LOCATION '$disk'" && sql "ALTER TABLE small.letters SET TABLESPACE small"; }
}
full_disk() {
  if ! mount_small_disk; then
    tests=$((tests + 1)); echo "ok $tests - full disk # SKIP no right to mount a file system"
    return
  fi
  more='    on_reject: park'
  check "full disk: dead letters have a small disk" make_dead_table
  now
  reload "$(store), dead_table: small.letters"
  check "full disk: the relay is ready" within 30 get_code /readyz/orders 200
  cat /dev/zero >"$disk/fill" 2>/dev/null
  check "full disk: an event is refused" add_one "no topic/at all" 1 "repeat('x', 300000)"
  check "full disk: log has the reason" within 30 logged "level=warn .*free space on the server's disk; 1 rejected events wait to become dead letters"
  check "full disk: other events go" relays_again
  check "full disk: the relay stays ready" get_code /readyz 200
  check "full disk: status has the reason" eval 'works "$OUTBOX" status -c live.yaml && has_match "free space on the server.s disk"'
  check "full disk: no dead letter is counted" has_metric outbox_dead_lettered_total 0
  now
  rm "$disk/fill"
  check "full disk: it is a dead letter when there is room" within 60 has_metric outbox_dead_lettered_total 1
  took "full disk: the dead letter was stored"
  check "full disk: status --check exits with 65" status_has 65 "1 dead letters wait"
  check "full disk: the dead letter is dropped" works "$OUTBOX" dead drop --all
  check "full disk: status --check is content" within 30 works "$OUTBOX" status --check -c live.yaml
}

# ---- on_reject: stop ----
halted() {
  more='    on_reject: stop'
  reload "$(store)"
  check "stop: the relay goes on" within 30 relays_again
  now
  add_one "no topic/at all" 2
  check "stop: /readyz turns" within 30 readyz_has "orders: halted: .*event .* cannot be published, the relay has halted .on_reject: stop.: .*; correct or delete the event"
  took "stop: /readyz turned"
  check "stop: log has the reason" logged "level=error .*the relay has halted .on_reject: stop."
  check "stop: outbox_relaying is 0" has_metric outbox_relaying 0
  check "stop: status --check exits with 65" status_has 65 "problem .*the relay is halted: .*cannot be published"
  check "stop: the event is deleted" sql "delete from $table where aggregatetype = 'no topic/at all'"
  now
  check "stop: the relay is told to go on" works "$OUTBOX" retry orders
  recovers "stop"
}

rights() {
  begin "$(section one)"
  no_right_to_delete
  full_disk
  halted
  finish
}
