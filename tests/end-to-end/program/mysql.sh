#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MySQL or MariaDB: the examples that write orders. Run it within tests/stores/mysql/with-server.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/examples.sh"
export MYSQL_PWD=outbox

cat >outbox.yaml <<Y
relays:
  orders:
    store: { plugin: mysql, host: 127.0.0.1, port: $OUTBOX_TEST_MYSQL_PORT, user: outbox, password: outbox, database: outbox }
    broker: { plugin: file, path: events.ndjson }
Y
sql() { "$OUTBOX_TEST_MYSQL_SERVICE" sql "$OUTBOX_TEST_MYSQL_DIR" -N -B -e "$1"; }
orders_are_written order_mysql pymysql 127.0.0.1 "$OUTBOX_TEST_MYSQL_PORT" outbox outbox
plan
