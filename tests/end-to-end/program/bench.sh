#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox bench: asks before it publishes, measures, and leaves the outbox and everybody's events as they should be.
. "$(dirname "$0")/lib.sh"

shows() { fails "$1" "${@:3}" && matched "$2"; } # CODE PATTERN COMMAND...
ours() { grep -c '"topic":"outbox.event.outbox-bench"' events.ndjson; }
numbers() { # the steady and drained events of a result in JSON
  local all; all=$(tr -d ' \n' <"$out")
  [[ $all == *'"drained":{"events":'$1,* && $all == *'"steady":{"events":'$2,* && $all == *'"undelivered":'$3,* ]]
}

config </dev/null
check "without an outbox" shows 78 "^outbox bench: open outbox database shop.db: no such file; create it with 'outbox init'$" "$OUTBOX" bench --yes
check "says it once" lines "$err" 1
works "$OUTBOX" init
works add 1 theirs

# ---- it asks first ----
check "without --yes" shows 64 'Consumers of that topic receive them. Nothing was done yet; add --yes to run it$' "$OUTBOX" bench
check "it names what it would act on" matched '^They are published \(file\) to topic outbox.event.outbox-bench, aggregate type outbox-bench'
check "and does nothing" eval '[ ! -e events.ndjson ] && works "$OUTBOX" status && matched "^  pending    1$"'
check "nothing to do" shows 64 '^outbox bench: --events 0 and --rate 0 leave nothing to do' "$OUTBOX" bench --events 0 --rate 0
check "a size that is none" shows 64 "^outbox bench: --bytes needs a number from 80 to 1048576, not '3'" "$OUTBOX" bench --bytes 3
check "too much" shows 64 '^outbox bench: --rate times --seconds is more than 1000000 events' "$OUTBOX" bench --rate 100000 --seconds 1000

# ---- an event of this kind that cannot go ----
printf '    route: { topic: "${shelf}" }\n' | config
check "a route that needs what it has not" shows 65 "^outbox bench: route an event of aggregate type 'outbox-bench': topic is null or empty" "$OUTBOX" bench --yes
config </dev/null

# ---- it measures ----
check "a run" works "$OUTBOX" bench --yes --json --events 3000 --rate 200 --seconds 1
check "its figures" numbers 3000 200 0
check "all was published once, and one to try" eval '[ "$(ours)" = 3201 ]'
check "so was theirs" eval '[ "$(grep -c theirs events.ndjson)" = 1 ] && grep -q "\"other_events\": 1" "$out"'
check "nothing is left" eval 'works "$OUTBOX" status && matched "^  pending    0$" && matched "^  dead       0$"'
check "for people" shows 0 '^  latency    p50 [0-9.]+ ms, p99 [0-9.]+ ms, max [0-9.]+ ms from commit to confirmed$' "$OUTBOX" bench --yes --events 500 --rate 100 --seconds 1
check "quiet in a pipe" silent

# ---- beside a relay ----
start "$OUTBOX" run; service=$pid
owned() { works "$OUTBOX" status && ! matched '^  owner      none' >/dev/null; }
within 10 owned
check "a relay that runs is left alone" shows 75 "; stop that relay, or measure with a separate table: " "$OUTBOX" bench --yes
kill "$service"; wait "$service"

# ---- interrupted ----
: >events.ndjson
"$OUTBOX" bench --yes --events 0 --rate 100 --seconds 600 >"$out" 2>"$err" & service=$!; started+=("$service")
within 10 grep -q outbox-bench events.ndjson
within 10 eval '[ "$(ours)" -gt 20 ]'
kill -INT "$service"
check "SIGINT ends it" ends "$service" 75
check "with the figures so far" matched '^  latency    p50'
check "and nothing left" eval 'works "$OUTBOX" status && matched "^  pending    0$"'
plan
