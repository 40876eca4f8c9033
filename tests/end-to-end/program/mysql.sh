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

# ---- dead letters that come back while a relay runs; rows that cannot be relayed ----
check "init may be repeated" works "$OUTBOX" init
cp outbox.yaml plain.yaml
printf "$park_key_route" >>outbox.yaml
replayed_events_go_out
cp plain.yaml outbox.yaml
sql "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES (0, 'order', '1', 'placed', 'never')"
check "drain with a row below id 1 exits 65" fails 65 "$OUTBOX" drain
check "drain names the row" has_match 'row 0 of outbox.outbox can not be relayed: ids must be above 0'
plan
