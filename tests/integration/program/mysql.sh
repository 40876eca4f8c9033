#!/usr/bin/env bash
# MySQL or MariaDB as a user meets it: the examples that write. Run it within tests/mysql/with-server.
. "$(dirname "$0")/lib.sh"
python=$(python_with pymysql)
export PYTHONDONTWRITEBYTECODE=1 MYSQL_PWD=outbox

cat >outbox.yaml <<Y
relays:
  orders:
    store: { plugin: mysql, host: 127.0.0.1, port: $OUTBOX_TEST_MYSQL_PORT, user: outbox, password: outbox, database: outbox }
    broker: { plugin: file, path: events.ndjson }
Y
sql() { "$OUTBOX_TEST_MYSQL_SERVICE" sql "$OUTBOX_TEST_MYSQL_DIR" -N -B -e "$1"; }
at=(127.0.0.1 "$OUTBOX_TEST_MYSQL_PORT" outbox outbox)
check "init" works "$OUTBOX" init
check "examples/order_mysql.c" works "$BUILD/examples/order_mysql" "${at[@]}" 7 1250
check "examples/order_mysql.py" works "$python" "$source_root/examples/order_mysql.py" "${at[@]}" 7 99
check "both orders are there" eval '[ "$(sql "SELECT GROUP_CONCAT(amount ORDER BY id) FROM orders WHERE customer = 7")" = 1250,99 ]'
check "drain" works "$OUTBOX" drain
check "the event from C" grep -q '"topic":"outbox.event.order","key":"7",.*"type":"placed",.*"payload":"{\\"order\\":1,\\"amount\\":1250}"' events.ndjson
check "the event from Python" grep -q '"topic":"outbox.event.order","key":"7",.*"type":"placed",.*"payload":"{\\"order\\": 2, \\"amount\\": 99}"' events.ndjson
sql "ALTER TABLE orders ADD CONSTRAINT modest CHECK (amount < 1000000)"
check "an order that fails" fails 1 "$python" "$source_root/examples/order_mysql.py" "${at[@]}" 7 5000000
check "has no event" eval '[ "$(sql "SELECT COUNT(*) FROM outbox")" = 0 ]'
plan
