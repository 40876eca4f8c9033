#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TLS to MySQL and MariaDB over a line that takes 40 ms each way: connects, relays, takes the certificate of the server. Each
# round trip of the handshake is longer than the client library would wait for it by itself.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"

mkfifo proxy.in proxy.out
"$OUTBOX_PROXY" "a:$db_port" <proxy.in >proxy.out 2>>services.log &
started+=($!)
exec 7>proxy.in 8<proxy.out
read -r _ port_a <&8
check "a slow line" proxy "a latency 40"
cat >outbox.yaml <<Y
relays:
  orders:
    store: {$(store "$port_a"), tls: verify, tls_ca: "$db_dir/ca.pem"}
    broker: {plugin: file, path: events.ndjson}
Y
check "init connects" works "$OUTBOX" init
check "an event goes in" works "$OUTBOX" add --aggregate-type order --aggregate-id 1 --type t --payload '{}'
check "and comes out" works "$OUTBOX" drain
check "once" lines events.ndjson 1
plan
