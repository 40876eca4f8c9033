# The drill: a topic that is missing or forbidden, a second instance, and the death of the first. Sourced by drill.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
waiting() { [ "$(metric outbox_blocked_keys)" = "$1" ]; }
retried() { "$OUTBOX" retry orders "$1"; soon waiting 0; } # KEY; the client may remember for a moment what was

# With an ACL for somebody, others have no right.
rights_to_secret() { kafka tool org.apache.kafka.tools.AclCommand --topic outbox.event.secret "$@"; }

# ---- a topic is missing, or forbidden: one key waits, and the relay is ready ----
missing_topic() {
  now
  add_one missing 7
  check "missing topic: its key is blocked" within 30 waiting 1
  check "missing topic: the relay stays ready" get_code /readyz 200
  check "missing topic: other events go" relays_again
  check "missing topic: log has the topic" logged "level=warn .*outbox.event.missing"
  check "missing topic: status --check exits with 65" status_has 65 "1 keys are blocked"
  check "missing topic: check names it" within 30 exits_with_match 78 "outbox.event.missing" "$OUTBOX" check
  check "missing topic: it is made" topic outbox.event.missing --partitions 1
  check "missing topic: retry sends the event" within 60 retried 7
}
forbidden_topic() {
  check "forbidden topic: it is made" topic outbox.event.secret --partitions 1
  check "forbidden topic: the right is taken" rights_to_secret --add --allow-principal User:somebody --operation Write
  now
  add_one secret 8
  check "forbidden topic: its key is blocked" within 30 waiting 1
  check "forbidden topic: the relay stays ready" get_code /readyz 200
  check "forbidden topic: log has the reason" logged "level=warn .*outbox.event.secret.*(authoriz|may not)"
  check "forbidden topic: status --check exits with 65" status_has 65 "1 keys are blocked"
  check "forbidden topic: check names it, and the right" within 30 exits_with_match 77 "outbox.event.secret.: this user may not describe it: .*; allow this user to describe it and to write to it" "$OUTBOX" check
  check "forbidden topic: the right is there again" rights_to_secret --remove --force
  check "forbidden topic: retry sends the event" within 60 retried 8
}

# ---- a second instance, and the death of the first ----
second_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address second.log)$1")" = "$2" ]; }
second_metrics() { curl -s -m 10 "http://$(address second.log)/metrics" >"$out" && has_line "$1"; }
second_is() { second_metrics "outbox_$1{relay=\"orders\"} 1"; }
stays_paused() { # for two attempts of the standby
  works "$OUTBOX" pause orders && within 30 readyz_has "paused by" && sleep 1 && second_is standby && works "$OUTBOX" resume orders
}
second_instance() {
  local owner; owner="$(uname -n)"
  sed "s/control.sock/second.sock/" outbox.yaml >second.yaml
  "$OUTBOX" run -c second.yaml >>second.log 2>&1 & second=$!; started+=("$second")
  check "second instance: it stands by" within 30 second_is standby
  check "second instance: it is ready" second_code /readyz 200
  check "second instance: it names the owner" within 30 second_metrics "outbox_owner{relay=\"orders\",process=\"$owner/$service\"} 0"
  check "second instance: status names the owner, too" eval 'works "$OUTBOX" status && has_match "owner      orders on '"$owner"', process $service"'
  check "paused owner keeps the ownership" stays_paused
}
death() {
  now
  kill -9 "$service"; wait "$service" 2>/dev/null
  check "death of the owner: the standby takes over" within 60 second_is relaying
  took "death of the owner: the standby relayed"
  cp second.log .log; service=$second
  check "death of the owner: events go on" relays_again
  finish
  check "without an owner status --check exits with 69" exits_with_match 69 "no relay owns the outbox: start outbox run" "$OUTBOX" status --check
  add_one
  check "late: --max-age exits with 69" within 30 exits_with_match 69 "oldest event" "$OUTBOX" status --check --max-age 1s
}

topics() {
  begin "$(store)"
  missing_topic
  forbidden_topic
  second_instance
  death
}
