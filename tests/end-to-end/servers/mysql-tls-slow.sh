#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TLS to MySQL and MariaDB over a line with 40 ms each way: it connects, relays and verifies the certificate. Each round trip of
# the handshake is longer than the default wait of the client library.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"
connect=60s

mkfifo proxy.in proxy.out
"$OUTBOX_PROXY" "a:$db_port" <proxy.in >proxy.out 2>>services.log &
started+=($!)
exec 7>proxy.in 8<proxy.out
read -r _ port_a <&8
check "proxy delays each direction by 40 ms" proxy "a latency 40"
cat >outbox.yaml <<Y
relays:
  orders:
    store: {$(store "$port_a"), tls: verify, tls_ca: "$db_dir/ca.pem"}
    broker: {plugin: file, path: events.ndjson}
Y
check "init connects" works "$OUTBOX" init
check "add adds an event" works "$OUTBOX" add --aggregate-type order --aggregate-id 1 --type t --payload '{}'
check "drain publishes it" works "$OUTBOX" drain
check "event is published once" lines events.ndjson 1
plan
