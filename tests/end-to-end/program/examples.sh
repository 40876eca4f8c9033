# The examples of a database in C and Python, which write an order and its event in one transaction. Source it after writing
# outbox.yaml, with a broker that writes events.ndjson, and defining sql().
#   orders_are_written NAME MODULE ARG ...    examples/NAME of the build, and examples/NAME.py, which needs the module
# shellcheck shell=bash disable=SC2154
export PYTHONDONTWRITEBYTECODE=1
order_event() { # NUMBER JSON: of an order that was placed
  check "event of order $1 is published" grep -qF "\"payload\":\"$(sed 's/"/\\"/g' <<<"$2")\"" events.ndjson
}
orders_are_written() {
  local python; python=$(python_with "$2")
  local c=$BUILD/examples/$1 py=("$python" "$source_root/examples/$1.py"); shift 2
  check "init creates the outbox" works "$OUTBOX" init
  check "C example writes an order" works "$c" "$@" 7 1250
  check "Python example writes an order" works "${py[@]}" "$@" 7 99
  check "both orders are in the table" eval '[ "$(sql "SELECT amount FROM orders WHERE customer = 7 ORDER BY id" | paste -s -d " ")" = "1250 99" ]'
  check "drain publishes the events" works "$OUTBOX" drain
  order_event 1 '{"order":1,"amount":1250}'
  order_event 2 '{"order": 2, "amount": 99}'
  check "events have the customer as key" eval '[ "$(grep -c "\"topic\":\"outbox.event.order\",\"key\":\"7\",.*\"type\":\"placed\"," events.ndjson)" = 2 ]'
  sql "ALTER TABLE orders ADD CONSTRAINT modest CHECK (amount < 1000000)"
  check "failing order exits 1" fails 1 "${py[@]}" "$@" 7 5000000
  check "failing order has no event" eval '[ "$(sql "SELECT count(*) FROM outbox")" = 0 ]'
}
