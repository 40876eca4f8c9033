#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The inbox of level 2: the consumers of Kafka in C and in Python, killed again and again next to a relay that is killed as
# often. kills_kafka.sh postgres|mysql, within with-server of its database and with-broker of Kafka.
# INBOX_KILLS: how often; default 200. Without a Python that has confluent_kafka its part is skipped; with
# OUTBOX_TEST_SERVERS=required that is a failure.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../end-to-end/program/lib.sh"
source_root=$here/../.. kind=$1 kills=${INBOX_KILLS:-200}
export PYTHONDONTWRITEBYTECODE=1 MYSQL_PWD=outbox

case $kind in
postgres)
  section="plugin: postgres, dsn: \"$OUTBOX_TEST_PG\"" database=("$OUTBOX_TEST_PG") module=psycopg2
  sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAtX -F ' ' -v ON_ERROR_STOP=1 -c "$1"; } ;;
mysql)
  section="plugin: mysql, host: 127.0.0.1, port: $OUTBOX_TEST_MYSQL_PORT, user: outbox, password: outbox, database: outbox"
  database=(127.0.0.1 "$OUTBOX_TEST_MYSQL_PORT" outbox outbox) module=pymysql
  sql() { "$OUTBOX_TEST_MYSQL_SERVICE" sql "$OUTBOX_TEST_MYSQL_DIR" -N -B -e "$1" | tr '\t' ' '; } ;;
esac
printf 'relays:\n  billing:\n    store: { %s }\n' "$section" >outbox.yaml
consumer=$BUILD/examples/kafka_consumer_$kind
python=$(python_with "confluent_kafka, $module" 2>/dev/null)
"$python" -c "import confluent_kafka, $module" 2>/dev/null || python=

killed() { # KILLS TOPIC COMMAND...: a consumer that is named as its topic; leaves what must have been applied in expected, what was in applied
  local kills=$1; topic=$2; shift 2
  cat >relay.yaml <<Y
relays:
  orders:
    store: { plugin: sqlite, path: shop.db }
    broker: { plugin: kafka, bootstrap.servers: "$OUTBOX_TEST_KAFKA" }
    route: { topic: $topic, position: true }
Y
  "$OUTBOX" init -c relay.yaml >/dev/null
  python3 "$here/kill_kafka.py" "$kills" "$OUTBOX" relay.yaml shop.db "$@" "$topic" one "$OUTBOX_TEST_KAFKA" "$topic" "${database[@]}" \
    >counted || { sed 's/^/# /' counted; tail -n 3 consumer.log relay.log | sed 's/^/# /'; return 1; }
  grep '^#' counted
  grep -v '^#' counted | LC_ALL=C sort >expected
  sql "SELECT customer, orders FROM customer_orders" | LC_ALL=C sort >applied
}
topic() {
  works "$OUTBOX_TEST_KAFKA_SERVICE" tool "$OUTBOX_TEST_KAFKA_DIR" org.apache.kafka.tools.TopicCommand --create --topic "$1" --partitions 3
}
repeats() { # messages of the topic that repeat an event
  kcat -b "$OUTBOX_TEST_KAFKA" -C -t "$topic" -o beginning -e -q -f '%h\n' | grep -o 'id=[0-9a-f-]*' | sort | uniq -d | wc -l
}

check "init --inbox" works "$OUTBOX" init --inbox
check "a topic" topic for-c
check "consumer and relay are killed $kills times and run again" killed "$kills" for-c "$consumer"
check "the relay sent events twice" eval '[ "$(repeats)" -gt 0 ]'
check "the consumer applied every event once" diff expected applied
check "level 2 has a row for each partition, and level 1 none" eval \
  '[ "$(sql "SELECT count(*) FROM outbox_inbox_position")" = 3 ] && [ "$(sql "SELECT count(*) FROM outbox_inbox")" = 0 ]'

if [ "$python" ]; then
  check "a topic for Python" topic for-python
  sql "DELETE FROM customer_orders" >/dev/null 2>&1
  check "the consumer in Python and the relay are killed $((kills / 4)) times" killed $((kills / 4)) for-python \
    "$python" "$source_root/examples/python/consume_kafka.py"
  check "it applied every event once" diff expected applied
elif [ "${OUTBOX_TEST_SERVERS:-}" = required ]; then
  check "a Python has confluent_kafka and $module; scripts/install-deps test installs them" false
else
  tests=$((tests + 1)); echo "ok $tests - the consumer in Python # SKIP no Python has confluent_kafka and $module"
fi
plan
