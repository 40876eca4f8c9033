#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox run: relays, answers over HTTP, reloads, stops, stands by, and survives being killed.
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || { echo "1..0 # SKIP curl is not installed"; exit 0; }

logged() { grep -qE -- "$1" .log; }
address() { sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' .log | tail -n 1; }
get() { curl -s -m 10 "http://$(address)$1" >"$out" 2>"$err"; }
get_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address)$1")" = "$2" ]; }
published() { lines events.ndjson "$1"; }

printf 'service: { listen: "127.0.0.1:0" }\n' | config
works "$OUTBOX" init
start "$OUTBOX" run; service=$pid
check "it starts" within 10 logged 'msg="listening on '
check "and relays" within 10 get_code /readyz 200
check "an event that is added" works add 1 first
check "is published" within 5 published 1
check "/healthz" get_code /healthz 200
check "/metrics" eval 'get /metrics && matched "^outbox_settled_total\{relay=\"orders\"\} 1$"'
documented() { # every metric is in the documents, and every one that documents or alerts name is there
  local have named
  have=$(grep -o '^outbox_[a-z_]*' "$out" | sort -u)
  named=$(grep -oh 'outbox_[a-z_]*' "$source_root/examples/prometheus-alerts.yml" "$source_root/docs/OPERATIONS.md" | grep -v '_add$' | sort -u)
  [ "$have" = "$named" ] || { diff <(echo "$have") <(echo "$named") | sed 's/^/# /'; return 1; }
}
check "the documents tell of every metric, and of no other" eval 'get /metrics && documented'
check "/status" eval 'get /status && matched "\"state\": \"relaying\""'
check "another path" get_code /else 404
check "another method" eval '[ "$(curl -s -m 10 -o /dev/null -w "%{http_code}" -X POST "http://$(address)/metrics")" = 405 ]'

# ---- the port is taken ----
printf 'service: { listen: "%s" }\n' "$(address)" | { cp outbox.yaml keep.yaml; config; mv outbox.yaml taken.yaml; mv keep.yaml outbox.yaml; }
check "a busy port" fails 78 "$OUTBOX" run -c taken.yaml
check "is told" said "outbox run: listen on $(address): the port is in use; stop the other program, or choose another port in service.listen"
check "status merges what the relay says" eval 'works "$OUTBOX" status -c taken.yaml && matched "^  relay      relaying, "'

# ---- one relay owns an outbox ----
check "drain beside it" fails 75 "$OUTBOX" drain
check "says what to do" matched '^outbox drain: orders: own outbox .*shop\.db: owned by .*; stop that relay, or let it drain the outbox$'
check "check beside it" works "$OUTBOX" check
check "says that a relay is running" said 'orders broker: ok: events.ndjson is being written by another process: a relay is running'

# ---- reload ----
cp outbox.yaml good.yaml
echo 'nonsense: true' >>outbox.yaml
kill -HUP "$service"
check "a bad configuration is told" within 5 logged 'SIGHUP: keeping the old configuration: ./outbox.yaml:6:1: unknown key'
check "and changes nothing" get_code /readyz 200
sed 's/events.ndjson/others.ndjson/' good.yaml >outbox.yaml
kill -HUP "$service"
check "a good one" within 5 logged 'orders.*its configuration changed: restarting'
check "takes effect" eval 'works add 1 second && within 5 lines others.ndjson 1'
sed 's/127.0.0.1:0/127.0.0.1:1/' good.yaml >outbox.yaml
kill -HUP "$service"
check "another address is for the next start" within 5 logged "msg=\"SIGHUP: service.listen is '127.0.0.1:1' now; restart the service to apply it, until then it is '127.0.0.1:0'"
cp good.yaml outbox.yaml

# ---- the end ----
kill -TERM "$service"
check "SIGTERM ends it with 0" ends "$service" 0
check "and it says so" logged 'subject="service" msg="stopped"'

# ---- signals of the first moments, and of a supervisor that had them blocked ----
signalled() { env --block-signal=TERM,INT,HUP sh -c 'kill -s "$0" $$; exec "$@"' "$@"; } # NAME COMMAND...: it waits when the command begins
check "SIGTERM before it begins" fails 0 signalled TERM "$OUTBOX" run
check "is not too early" silent
check "nor is SIGINT" fails 0 signalled INT "$OUTBOX" run
: >.log
start env --block-signal=HUP sh -c 'kill -s HUP $$; exec "$@"' sh "$OUTBOX" run; service=$pid
check "SIGHUP then reads the file again" within 10 logged 'SIGHUP: reloaded ./outbox.yaml'
kill -TERM "$service"
check "and ends nothing" ends "$service" 0
: >.log
start env --block-signal=TERM "$OUTBOX" run; service=$pid
check "started with SIGTERM blocked" within 10 logged 'owns the outbox'
kill -TERM "$service"
check "it takes it" ends "$service" 0

# ---- a limit on threads ----
few_threads() { # whatever it is, the program works or says what to do; it never aborts
  local n
  for n in $(seq 2 60); do
    : >.log
    start setpriv --reuid=65534 --clear-groups bash -c 'ulimit -u "$0"; exec "$@"' "$n" "$OUTBOX" run
    within 20 eval '! kill -0 "$pid" || logged "owns the outbox"' || return 1
    if kill -TERM "$pid" 2>/dev/null; then ends "$pid" 0; return; fi
    ends "$pid" 69 && logged 'raise the limits? ' || return 1
  done
}
if [ "$(id -u)" = 0 ] && works setpriv --reuid=65534 --clear-groups "$OUTBOX" plugins sqlite; then
  chmod 755 "$dir" && chown -R 65534 "$dir"
  check "few threads" few_threads
  chown -R 0 "$dir"
fi

# ---- two relays: a reload restarts the one that changed ----
two() { # FILE OF THE SECOND
  config <<Y
  bills:
    store: { plugin: sqlite, path: bills.db }
    broker: { plugin: file, path: $1 }
Y
}
two bills.ndjson
works "$OUTBOX" init
: >.log
start "$OUTBOX" run; service=$pid
owns() { [ "$(grep -c "subject=\"$1\".*owns the outbox" .log)" = "$2" ]; }
check "two relays start" within 10 eval 'owns orders 1 && owns bills 1'
two events.ndjson
kill -HUP "$service"
check "a reload that would have both write one file is refused" within 5 logged "SIGHUP: keeping the old configuration: ./outbox.yaml:7:5: relay 'bills' writes to the same target as relay 'orders'"
two more.ndjson
kill -HUP "$service"
check "the one that changed restarts" within 10 owns bills 2
check "the other does not" owns orders 1
config </dev/null
kill -HUP "$service"
check "one that is gone stops" within 5 logged 'subject="bills" msg="no longer configured: stopping"'
check "and the other goes on" eval 'works add 3 third && within 5 published 2'
kill -TERM "$service"
check "the end of both" ends "$service" 0
rm -f events.ndjson

# ---- the embedded one ----
if [ -x "${EMBED:-}" ]; then
  check "examples/embed" eval 'works "$EMBED" outbox.yaml shop.db 50 && said "written 50, published 50" && lines events.ndjson 50'
  rm -f events.ndjson
fi

# ---- killed at any time ----
cp good.yaml outbox.yaml
kill_often() {
  local i
  for i in $(seq 20); do
    start "$OUTBOX" run
    for k in 1 2 3 4 5; do printf '{"aggregatetype":"o","aggregateid":"%d","type":"t","payload":"%d-%d"}\n' $k $i $k; done |
      "$OUTBOX" add --ndjson >/dev/null || return 1
    sleep "0.0$((RANDOM % 10))"
    kill -9 "$pid"; wait "$pid" 2>/dev/null || true
  done
}
check "twenty times SIGKILL" kill_often
check "then drain" works "$OUTBOX" drain
distinct() { grep -o '"payload":"[0-9]*-[0-9]*"' events.ndjson | sort -u | wc -l; }
check "nothing is lost" eval '[ "$(distinct)" = 100 ]'
check "nothing is left" eval 'works "$OUTBOX" status && matched "^  pending    0$"'

# ---- backends that are away ----
mv shop.db away.db; mv shop.db-wal away.db-wal 2>/dev/null; mv shop.db-shm away.db-shm 2>/dev/null
: >.log
start "$OUTBOX" run; service=$pid
check "without its database it waits" within 10 logged 'subject="orders" msg="store: .*trying again'
check "is not ready" get_code /readyz 503
mv away.db shop.db; mv away.db-wal shop.db-wal 2>/dev/null; mv away.db-shm shop.db-shm 2>/dev/null
check "and works when it comes" within 20 get_code /readyz 200
kill -INT "$service"
check "SIGINT ends it with 0" ends "$service" 0

# ---- a log that nobody reads ----
mkfifo pipe
sleep 60 <pipe & reader=$!; started+=("$reader")
"$OUTBOX" run --verbose 2>pipe & service=$!; started+=("$service")
check "with a stuck reader of its log it relays" within 10 eval 'works "$OUTBOX" status && ! grep -q "owner      none" "$out"'
check "an event meanwhile" works add 9 stuck
fill() { for i in $(seq 300); do kill -HUP "$service" || return 1; done; }
check "that is never read" fill
check "stops nothing" within 10 grep -q stuck events.ndjson
kill -TERM "$service"
check "nor the end" ends "$service" 0
kill "$reader"
plan
