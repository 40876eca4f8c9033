# The servers of the pairs; sourced by failpoints within tests/kafka/with-broker, and the database's with-server.
#   store, sql STATEMENT, topic NAME   the store's section, a statement as the owner of the tables, a new topic
# shellcheck shell=bash disable=SC2154,SC2034
topic() { "$OUTBOX_TEST_KAFKA_SERVICE" tool "$OUTBOX_TEST_KAFKA_DIR" org.apache.kafka.tools.TopicCommand --create --topic "$@" >>"$log" 2>&1; }
read_topic() { kcat -b "$OUTBOX_TEST_KAFKA" -C -t "$1" -o beginning -e -q -J; }
if [ "${OUTBOX_TEST_PG:-}" ]; then
  writer_db=$OUTBOX_TEST_PG
  store() { echo "plugin: postgres, dsn: \"$OUTBOX_TEST_PG\""; }
  sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAt -v ON_ERROR_STOP=1 -c "$1" 2>>"$log"; }
elif [ "${OUTBOX_TEST_MYSQL_PORT:-}" ]; then
  writer_db=$OUTBOX_TEST_MYSQL_PORT
  store() { echo "plugin: mysql, host: 127.0.0.1, port: $OUTBOX_TEST_MYSQL_PORT, user: outbox, password: outbox, database: outbox"; }
  sql() { "$OUTBOX_TEST_MYSQL_SERVICE" sql "$OUTBOX_TEST_MYSQL_DIR" -N -B -e "$1" 2>>"$log"; }
fi
