# The drill: a database that is slow, or does not answer; events that are late; a certificate of an unknown authority. Database
# and broker are reached through the proxy, so that only this relay is slow. Sourced by drill.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034

# ---- the database is slow: the relay works; then it does not answer ----
slow_database() {
  proxy "a latency 300"
  check "slow database: the relay goes on" relays_again
  check "slow database: /readyz stays" get_code /readyz 200
  check "slow database: outbox_claim_seconds has it" within 30 slow_claims
  proxy "a clear"
  more='    store_timeout: 3s'
  connect=3s
  reload "$(store "$port_a")"
  connect=5s
  check "silent database: the relay goes on" within 30 relays_again
  now
  proxy "a stall"
  reports "silent database" "orders: recovering: store: .*no (answer|response)" "level=warn .*no (answer|response)" 69 69 "orders store: error: .*no response in time|timeout"
  now
  proxy "a clear"
  recovers "silent database"
}
slow_claims() { # some have taken longer than half a second
  curl -s -m 10 "http://$(address)/metrics" |
    awk '/^outbox_claim_seconds_bucket.*le="0.5"/ { fast = $2 } /^outbox_claim_seconds_count/ { all = $2 } END { exit !(all > fast) }'
}

# ---- events are late: the broker holds them ----
late() {
  more='' of_service=', late: 1s'
  reload "$(store "$port_a")"
  check "late: the relay goes on" within 30 relays_again
  now
  proxy "kafka stall"
  add_one
  check "late: /readyz turns" within 30 readyz_has "orders: (late, since .*: the oldest event has waited|recovering: broker)"
  took "late: /readyz turned"
  check "late: log has the reason" within 30 logged 'level=warn .*late: the oldest event has waited [0-9.]* s, and service.late is 1.0 s'
  check "late: outbox_late_seconds grows" within 15 is_above outbox_late_seconds 0
  check "late: status --check exits with 69" status_has 69 "problem .*the relay is late, since .*: the oldest event has waited"
  now
  proxy "kafka clear"
  recovers "late"
  check "late: the end is logged" within 30 logged 'late no more'
}

# ---- the server's certificate is signed by an authority that nobody knows ----
certified() { # AUTHORITY
  if [ "$kind" = postgres ]; then
    echo "plugin: postgres, dsn: \"host=127.0.0.1 port=$db_port user=outbox dbname=outbox sslmode=verify-full sslrootcert=$db_dir/$1.pem\""
  else
    echo "$(store), tls: verify, tls_ca: $db_dir/$1.pem"
  fi
}
unknown_authority() {
  [ "$kind" != postgres ] || check "certificate: the server gets one" database tls
  of_service=''
  now
  reload "$(certified other-ca)"
  local hint='set (sslrootcert|tls_ca) to the authority that signed the server'
  reports "certificate" "orders: connecting: store: .*$hint" "level=warn .*$hint" 77 77 "orders store: error: .*$hint"
  reload "$(certified ca)"
  recovers "certificate"
}

network() {
  broker=127.0.0.1:$OUTBOX_TEST_KAFKA_PROXY
  begin "$(store "$port_a")"
  slow_database
  late
  unknown_authority
  finish
}
