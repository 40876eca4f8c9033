#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The examples of consumers, in C and Python; a consumer that is killed again and again next to a publisher that sends
# twice, and next to a relay that is killed as often. kills.sh postgres|mysql|sqlite, within with-server of its database.
# INBOX_KILLS: how often; default 200.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../end-to-end/program/lib.sh"
source_root=$here/../.. kind=$1 kills=${INBOX_KILLS:-200}
export PYTHONDONTWRITEBYTECODE=1 MYSQL_PWD=outbox

case $kind in
postgres)
  section="plugin: postgres, dsn: \"$OUTBOX_TEST_PG\"" module=psycopg2 database=("$OUTBOX_TEST_PG")
  sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAtX -F ' ' -v ON_ERROR_STOP=1 -c "$1"; } ;;
mysql)
  section="plugin: mysql, host: 127.0.0.1, port: $OUTBOX_TEST_MYSQL_PORT, user: outbox, password: outbox, database: outbox"
  module=pymysql database=(127.0.0.1 "$OUTBOX_TEST_MYSQL_PORT" outbox outbox)
  sql() { "$OUTBOX_TEST_MYSQL_SERVICE" sql "$OUTBOX_TEST_MYSQL_DIR" -N -B -e "$1" | tr '\t' ' '; } ;;
sqlite)
  section="plugin: sqlite, path: consumer.db" module=sqlite3 database=(consumer.db)
  sql() { sqlite3 -separator ' ' consumer.db "$1"; } ;;
esac
printf 'relays:\n  billing:\n    store: { %s }\n' "$section" >outbox.yaml
consumer=$BUILD/examples/consumer_$kind

applied() { sql "SELECT customer, orders FROM customer_orders" | LC_ALL=C sort; }
consume() { works "$consumer" billing "$1" "${database[@]}"; }
event() { # ID CUSTOMER
  printf '{"topic":"outbox.event.order","key":"%s","id":"%s","type":"placed","payload":"{}"}\n' "$2" "$1"
}
one=0a1b2c3d-4e5f-6789-abcd-ef0123456789 two=1a1b2c3d-4e5f-6789-abcd-ef0123456789

# ---- the examples ----
check "init --inbox" works "$OUTBOX" init --inbox
{ event $one anna; event $two bert; event $one anna; } >events.ndjson
check "the example in C" consume events.ndjson
check "each order counts once" eval '[ "$(applied | paste -sd,)" = "anna 1,bert 1" ]'
check "the example in Python drops what the one in C has applied" works "$(python_with "$module")" \
  "$source_root/examples/consumer_$kind.py" billing events.ndjson "${database[@]}"
check "nothing has changed" eval '[ "$(applied | paste -sd,)" = "anna 1,bert 1" ]'
check "another consumer applies the events for itself" works "$(python_with "$module")" \
  "$source_root/examples/consumer_$kind.py" shipping events.ndjson "${database[@]}"
check "each once" eval '[ "$(applied | paste -sd,)" = "anna 2,bert 2" ]'
check "which the one in C knows" works "$consumer" shipping events.ndjson "${database[@]}"
check "and leaves alone" eval '[ "$(applied | paste -sd,)" = "anna 2,bert 2" ]'
event not-a-uuid anna >bad.ndjson
check "an event without a usable id is refused" fails 75 "$consumer" billing bad.ndjson "${database[@]}"
check "and the reason given" has_match "id 0 is not a UUID: 'not-a-uuid'"

# ---- kills ----
killed() { # KILLS NAME FILE: leaves what must have been applied in expected, what was in applied
  sql "DELETE FROM customer_orders" >/dev/null
  : >"$3"
  python3 "$here/kill_consumer.py" "$1" "$3" "$consumer" --follow "$2" "$3" "${database[@]}" >counted || return
  grep '^#' counted
  grep -v '^#' counted | LC_ALL=C sort >expected
  applied >applied
}
check "a consumer that is killed $kills times runs again each time" killed "$kills" torture torture.ndjson
check "it met many duplicates" eval '[ "$(sed -n "s/.* \([0-9]*\) lines more.*/\1/p" counted)" -gt "$((kills * 5))" ]'
check "it applied every event once" diff expected applied

# ---- kills of the relay, too ----
cat >relay.yaml <<Y
relays:
  orders:
    store: { plugin: sqlite, path: shop.db }
    broker: { plugin: file, path: relayed.ndjson }
Y
fed_by_a_relay() {
  sql "DELETE FROM customer_orders" >/dev/null
  : >relayed.ndjson
  python3 "$here/kill_both.py" "$kills" "$OUTBOX" relay.yaml shop.db relayed.ndjson "$consumer" --follow relayed \
    relayed.ndjson "${database[@]}" >counted || { sed 's/^/# /' counted; return 1; }
  grep '^#' counted
  grep -v '^#' counted | LC_ALL=C sort >expected
  applied >applied
}
check "a relay's outbox" works "$OUTBOX" init -c relay.yaml
check "relay and consumer are killed $kills times and run again" fed_by_a_relay
check "the relay sent many events twice" eval '[ "$(sed -n "s/.* \([0-9]*\) lines more.*/\1/p" counted)" -gt "$((kills * 2))" ]'
check "the consumer applied every event once" diff expected applied

# The same with a new name each time, which the inbox has not seen: the comparison must notice.
forgets() { # on a busy machine a consumer has to live for longer until it has applied an event
  local most
  for most in 0.13 0.5 2; do
    INBOX_KILL_S=$most killed 20 "nobody-$most-{}" "forgetful-$most.ndjson" || return
    diff -q expected applied >/dev/null || return 0
  done
  return 1
}
check "without what the inbox remembers events are applied twice" forgets
plan
