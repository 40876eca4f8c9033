#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox bench: it publishes with --yes only, measures, and leaves the outbox and events of applications intact.
. "$(dirname "$0")/lib.sh"

exits_with_match() { fails "$1" "${@:3}" && has_match "$2"; } # CODE PATTERN COMMAND...
own_events() { grep -c '"topic":"outbox.event.outbox-bench"' events.ndjson; }
numbers() { # the steady and drained events of a result in JSON
  local all; all=$(tr -d ' \n' <"$out")
  [[ $all == *'"drained":{"events":'$1,* && $all == *'"steady":{"events":'$2,* && $all == *'"undelivered":'$3,* ]]
}

config </dev/null
check "missing outbox exits 78" exits_with_match 78 "^outbox bench: open outbox database shop.db: no such file; create it with 'outbox init'$" "$OUTBOX" bench --yes
check "error is printed once" lines "$err" 1
works "$OUTBOX" init
works add 1 theirs

# ---- without --yes ----
check "without --yes it exits 64" exits_with_match 64 'Consumers of that topic receive them. Nothing was done yet; add --yes to run it$' "$OUTBOX" bench
check "plan names topic and aggregate type" has_match '^They are published \(file\) to topic outbox.event.outbox-bench, aggregate type outbox-bench'
check "nothing is published or written" eval '[ ! -e events.ndjson ] && works "$OUTBOX" status && has_match "^  pending    1$"'
check "empty plan is refused" exits_with_match 64 '^outbox bench: --events 0 and --rate 0 leave nothing to do' "$OUTBOX" bench --events 0 --rate 0
check "too small payload is refused" exits_with_match 64 "^outbox bench: --bytes needs a number from 80 to 1048576, not '3'" "$OUTBOX" bench --bytes 3
check "too many events are refused" exits_with_match 64 '^outbox bench: --rate times --seconds is more than 1000000 events' "$OUTBOX" bench --rate 100000 --seconds 1000

# ---- an event that cannot be published ----
printf '    route: { topic: "${shelf}" }\n' | config
check "unroutable event is refused" exits_with_match 65 "^outbox bench: route an event of aggregate type 'outbox-bench': column 'shelf' is null, and the topic is made of it" "$OUTBOX" bench --yes
config </dev/null

# ---- measuring ----
check "run succeeds" works "$OUTBOX" bench --yes --json --events 3000 --rate 200 --seconds 1
check "result counts all events" numbers 3000 200 0
check "each event and the probe are published once" eval '[ "$(own_events)" = 3201 ]'
check "event of the application is published" eval '[ "$(grep -c theirs events.ndjson)" = 1 ] && grep -q "\"other_events\": 1" "$out"'
check "outbox and dead letters are empty" eval 'works "$OUTBOX" status && has_match "^  pending    0$" && has_match "^  dead       0$"'
check "result is readable" exits_with_match 0 '^  latency    p50 [0-9.]+ ms, p99 [0-9.]+ ms, max [0-9.]+ ms from commit to confirmed$' "$OUTBOX" bench --yes --events 500 --rate 100 --seconds 1
check "stderr is empty in a pipe" stderr_is_empty

# ---- with a running relay ----
start "$OUTBOX" run; service=$pid
owned() { works "$OUTBOX" status && ! has_match '^  owner      none' >/dev/null; }
within 10 owned
check "running relay is not disturbed" exits_with_match 75 "; stop that relay, or measure with a separate table: " "$OUTBOX" bench --yes
kill "$service"; wait "$service"

# ---- interrupted ----
: >events.ndjson
"$OUTBOX" bench --yes --events 0 --rate 100 --seconds 600 >"$out" 2>"$err" & service=$!; started+=("$service")
within 10 grep -q outbox-bench events.ndjson
within 10 eval '[ "$(own_events)" -gt 20 ]'
kill -INT "$service"
check "SIGINT exits 75" ends "$service" 75
check "result so far is printed" has_match '^  latency    p50'
check "outbox is empty after SIGINT" eval 'works "$OUTBOX" status && has_match "^  pending    0$"'
plan
