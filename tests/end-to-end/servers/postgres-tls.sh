#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TLS to Postgres: verify-full accepts the right authority and host, and refuses others and a server without TLS. It is the
# default for addresses of other machines, which dsn_test.c checks: the server here has an address of this one.
. "$(dirname "$0")/../program/lib.sh"
. "$(dirname "$0")/lib.sh"

to() { # DSN
  cat >outbox.yaml <<Y
relays:
  orders:
    store: {plugin: postgres, dsn: "port=$db_port user=outbox dbname=outbox $1"}
    broker: {plugin: file, path: events.ndjson}
Y
}
sessions_with_tls() { sql "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where ssl and application_name like 'outbox orders@%'"; }
refused() { # HOST WHY
  fails 77 "$OUTBOX" check &&
    has_line "orders store: error: connect ($1:$db_port as outbox): connection to server at \"127.0.0.1\", port $db_port failed: $2"
}
ca=sslrootcert=$db_dir/ca.pem other=sslrootcert=$db_dir/other-ca.pem

to "host=127.0.0.1"
check "init creates the tables" works "$OUTBOX" init
to "host=db.example hostaddr=127.0.0.1 sslmode=verify-full $ca"
check "server without TLS is refused" refused db.example 'server does not support SSL, but SSL was required; turn ssl on at the server'

check "server gets a certificate" database tls
to "host=db.example hostaddr=127.0.0.1 sslmode=verify-full $ca"
check "verify-full accepts authority and host" works "$OUTBOX" check
start "$OUTBOX" run; service=$pid
check "run relays over TLS" within 10 eval '[ "$(sessions_with_tls)" = 2 ]'
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0
to "host=db.example hostaddr=127.0.0.1 sslmode=verify-full $other"
unknown="SSL error: certificate verify failed; set sslrootcert to the authority that signed the server's certificate, or renew a"
check "other authority is refused" refused db.example "$unknown certificate that has expired: see openssl s_client -starttls postgres"
to "host=db.wrong hostaddr=127.0.0.1 sslmode=verify-full $ca"
mismatch='server certificate for "db.example" (and 1 other name) does not match host name "db.wrong"; name the host in the dsn as its certificate does'
check "other host is refused" refused db.wrong "$mismatch"
to "host=db.wrong hostaddr=127.0.0.1 sslmode=require"
check "sslmode=require accepts other hosts" works "$OUTBOX" check
plan
