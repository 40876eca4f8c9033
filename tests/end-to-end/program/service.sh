#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox run: relaying, HTTP, reload, stop, standby, and SIGKILL.
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || { echo "1..0 # SKIP curl is not installed"; exit 0; }

exits_with_match() { fails "$1" "${@:3}" && has_match "$2"; } # CODE PATTERN COMMAND...
exits_with_line() { fails "$1" "${@:3}" && has_line "$2"; }   # CODE LINE COMMAND...
logged() { grep -qE -- "$1" .log; }
address() { sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' .log | tail -n 1; }
get() { curl -s -m 10 "http://$(address)$1" >"$out" 2>"$err"; }
get_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address)$1")" = "$2" ]; }
published() { lines events.ndjson "$1"; }

printf 'service: { listen: "127.0.0.1:0" }\n' | config
works "$OUTBOX" init
start "$OUTBOX" run; service=$pid
check "service starts" within 10 logged 'msg="listening on '
check "service becomes ready" within 10 get_code /readyz 200
check "event is added" works add 1 first
check "event is published" within 5 published 1
check "log says which database and file it uses" eval 'logged "opened shop.db with SQLite .*, table .*outbox" && logged "opened events.ndjson"'
check "log says that the first event was published" within 5 logged "msg=\"published the first event since the start: event [-0-9a-f]*, key '1', topic 'outbox.event.order'\""
check "/healthz is 200" get_code /healthz 200
check "/metrics counts the event" eval 'get /metrics && has_match "^outbox_settled_total\{relay=\"orders\"\} 1$"'
documented() { # the document lists exactly the metrics of the program, and other documents name no others
  local have listed named
  have=$(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$out" | sort -u)
  listed=$(sed -n 's/^| `\([a-z_]*\)` .*/\1/p' "$source_root/docs/METRICS.md" | sort -u)
  [ "$have" = "$listed" ] || { diff <(echo "$have") <(echo "$listed") | sed 's/^/# /'; return 1; }
  named=$(grep -oh '\boutbox_[a-z][a-z_]*' "$source_root/examples/prometheus-alerts.yml" "$source_root"/docs/OPERATIONS.md "$source_root"/docs/faults/*.md | grep -v '_add$' | sort -u)
  named=$(comm -13 <(echo "$have") <(sed 's/_\(bucket\|count\|sum\)$//' <<<"$named" | sort -u))
  [ -z "$named" ] || { echo "# not a metric: $named"; return 1; }
}
check "documents name exactly the metrics" eval 'get /metrics && documented'
check "OpenMetrics are sent to who accepts them" eval 'curl -s -m 10 -D "$err" -H "Accept: application/openmetrics-text;version=1.0.0" "http://$(address)/metrics" >"$out" && has_line "# EOF" && has_match "^Content-Type: application/openmetrics-text"'
check "/metrics has the latency of the event" eval 'get /metrics && has_match "^outbox_delivery_seconds_count\{relay=\"orders\"\} 1$"'
check "/metrics has the last reload" has_match "^outbox_config_last_reload_successful 1$"
check "/readyz/RELAY is 200" get_code /readyz/orders 200
check "/readyz of a relay that is not there is 404" eval 'get_code /readyz/bills 404 && has_line "not found: the service has no relay of this name"'
header_of() { curl -s -m 10 -o /dev/null -D - "http://$(address)$1" | tr -d '\r' | grep -i "^$2: "; } # PATH NAME
check "/ is a page" eval 'get / && has_line "<title>outbox</title>" && [[ $(header_of / content-type) = *"text/html; charset=utf-8" ]]'
check "the page loads nothing from elsewhere" eval '! grep -E "(src|href|url\()=?" "$out" && ! grep -o "https\?://[a-z0-9.]*" "$out" | grep -v "http://www.w3.org"'
check "the page may fetch only from its server" eval '[[ $(header_of / content-security-policy) = *"default-src '"'none'; connect-src 'self';"'"* ]]'
check "/status has the state" eval 'get /status && has_match "\"state\": \"relaying\""'
check "unknown path is 404" eval 'get_code /else 404 && has_line "not found; the paths are / /metrics /healthz /readyz /readyz/RELAY /status"'
check "POST is 405" eval '[ "$(curl -s -m 10 -o /dev/null -w "%{http_code}" -X POST "http://$(address)/metrics")" = 405 ]'

# ---- hostile clients ----
code_for_host() { [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' -H "Host: $1" "http://$(address)/status")" = "$2" ]; }
check "request for another site's name is 403" code_for_host rebound.example:9464 403
check "request for localhost is answered" code_for_host localhost:9464 200
check "request for the machine's name is answered" code_for_host "$(uname -n)" 200
slow=()
slow_clients() { # 100 connections that never finish a request; they stay open
  local host=${1%:*} port=${1##*:} fd
  for _ in $(seq 100); do
    exec {fd}<>"/dev/tcp/$host/$port" && printf 'GET' >&"$fd" && slow+=("$fd")
  done 2>/dev/null
  [ "${#slow[@]}" = 100 ]
}
check "100 clients connect and do not finish a request" slow_clients "$(address)"
check "/healthz answers beside them" within 3 get_code /healthz 200
for fd in "${slow[@]}"; do exec {fd}>&-; done

# ---- a busy port ----
printf 'service: { listen: "%s" }\n' "$(address)" | { cp outbox.yaml keep.yaml; config; mv outbox.yaml taken.yaml; mv keep.yaml outbox.yaml; }
check "busy port exits 78" fails 78 "$OUTBOX" run -c taken.yaml
check "error names the port" has_line "outbox run: listen on $(address): the port is in use; stop the other program, or choose another port in service.listen"
check "status includes the running relay" eval 'works "$OUTBOX" status -c taken.yaml && has_match "^  relay      relaying, "'

# ---- one relay owns an outbox ----
check "drain during a run exits 75" fails 75 "$OUTBOX" drain
check "drain advises to stop the relay" has_match '^outbox drain: orders: own outbox .*shop\.db: owned by .*; stop that relay, or let it drain the outbox$'
check "check during a run succeeds" works "$OUTBOX" check
check "check reports the running relay" has_line 'orders broker: ok: another process writes events.ndjson: a relay is running'

# ---- reload ----
cp outbox.yaml good.yaml
echo 'nonsense: true' >>outbox.yaml
kill -HUP "$service"
check "invalid configuration is logged on SIGHUP" within 5 logged 'SIGHUP: keeping the old configuration: ./outbox.yaml:6:1: unknown key'
check "service keeps relaying" get_code /readyz 200
check "/metrics has the failed reload" eval 'get /metrics && has_match "^outbox_config_last_reload_successful 0$"'
sed 's/events.ndjson/others.ndjson/' good.yaml >outbox.yaml
kill -HUP "$service"
check "changed relay restarts on SIGHUP" within 5 logged 'orders.*its configuration changed: restarting; different: broker.path"'
check "new configuration takes effect" eval 'works add 1 second && within 5 lines others.ndjson 1'
sed 's/127.0.0.1:0"/127.0.0.1:1", hosts: "relay.example"/' good.yaml >outbox.yaml
kill -HUP "$service"
check "changed listen address needs a restart" within 5 logged "msg=\"SIGHUP: service.listen is '127.0.0.1:1' now; restart the service to apply it, until then it is '127.0.0.1:0'"
check "changed hosts need a restart" within 5 logged "msg=\"SIGHUP: service.hosts is 'relay.example' now; restart the service to apply it, until then it is ''"
cp good.yaml outbox.yaml

# ---- a socket ----
printf 'service: { listen: "unix:%s/http.sock" }\n' "$dir" | { cp outbox.yaml keep.yaml; config; sed 's/shop.db/other.db/; s/events.ndjson/other.ndjson/' outbox.yaml >socket.yaml; mv keep.yaml outbox.yaml; }
socket_answers() { [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' --unix-socket "$dir/http.sock" http://localhost/healthz)" = 200 ]; }
works "$OUTBOX" init -c socket.yaml
start "$OUTBOX" run -c socket.yaml; first=$pid
check "service listens on a socket" within 10 socket_answers
check "socket is for the owner and the group" eval '[ "$(stat -c %a http.sock)" = 660 ]'
asks_by_socket() { timeout 60 "$OUTBOX" status -c socket.yaml | grep -q '^  relay      relaying, '; }
check "status asks by the socket" within 10 asks_by_socket
kill -KILL "$first"; wait "$first" 2>/dev/null
start "$OUTBOX" run -c socket.yaml; first=$pid
check "socket of a killed service is replaced" within 10 socket_answers
kill "$first"; ends "$first" 0
check "relative path of a socket is refused" eval 'sed "s|unix:[^\"]*|unix:here|" socket.yaml >relative.yaml; fails 78 "$OUTBOX" run -c relative.yaml && has_match "is no absolute path"'
unusable() { sed "s|unix:[^\"]*|unix:$2|" socket.yaml >unusable.yaml; exits_with_match "$1" "$3" "$OUTBOX" run -c unusable.yaml; } # CODE PATH TEXT
check "path of a socket that is too long is refused" unusable 78 "/$(printf '%0110d' 0)" 'has 111 bytes, and a socket takes at most 107: choose a shorter one'
check "socket in a directory that does not exist is refused" unusable 78 "$dir/none/http.sock" 'its directory does not exist; make it, or correct service.listen'
: >taken.sock
check "socket in the place of a file is refused" unusable 78 "$dir/taken.sock" 'a file of that name is there, or another service listens on it'
check "the file stays" [ -f taken.sock ]
printf 'service: { listen: ":0" }\n' | { cp outbox.yaml keep.yaml; config; sed 's/shop.db/other.db/; s/events.ndjson/other.ndjson/' outbox.yaml >all.yaml; mv keep.yaml outbox.yaml; }
start "$OUTBOX" run -c all.yaml; first=$pid
check "listening on all addresses is logged as a warning" within 10 logged 'level=warn subject="http" msg="service.listen :0 accepts connections from every network'
kill "$first"; ends "$first" 0

# ---- the end ----
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0
check "stop is logged" logged 'subject="service" msg="stopped"'
check "stop says how much was published" logged 'subject="orders" msg="stopped: published 1 events since the start, removed 1 from the outbox, moved 0 to the dead letters"'

# ---- signals during the start, and blocked by the parent ----
signalled() { env --block-signal=TERM,INT,HUP sh -c 'kill -s "$0" $$; exec "$@"' "$@"; } # NAME COMMAND...: the signal is pending when the command starts
check "SIGTERM during the start exits 0" fails 0 signalled TERM "$OUTBOX" run
check "it prints nothing on stderr" stderr_is_empty
check "SIGINT during the start exits 0" fails 0 signalled INT "$OUTBOX" run
: >.log
start env --block-signal=HUP sh -c 'kill -s HUP $$; exec "$@"' sh "$OUTBOX" run; service=$pid
check "SIGHUP during the start reloads later" within 10 logged 'SIGHUP: reloaded ./outbox.yaml'
kill -TERM "$service"
check "SIGTERM then exits 0" ends "$service" 0
: >.log
start env --block-signal=TERM "$OUTBOX" run; service=$pid
check "service with blocked SIGTERM starts" within 10 logged 'owns the outbox'
kill -TERM "$service"
check "SIGTERM is unblocked" ends "$service" 0

# ---- a limit on threads ----
few_threads() { # with any limit the program works, or exits with advice; it never aborts
  local n
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # the search for leaks needs another thread
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
  options=${ASAN_OPTIONS:-}
  check "too few threads exit 69 with advice" few_threads
  export ASAN_OPTIONS=$options
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
check "reload to a shared file is refused" within 5 logged "SIGHUP: keeping the old configuration: ./outbox.yaml:7:5: relay 'bills' writes to the same target as relay 'orders'"
two more.ndjson
kill -HUP "$service"
check "changed relay restarts" within 10 owns bills 2
check "unchanged relay keeps running" owns orders 1
config </dev/null
kill -HUP "$service"
check "removed relay stops" within 5 logged 'subject="bills" msg="no longer configured: stopping"'
check "remaining relay keeps relaying" eval 'works add 3 third && within 5 published 2'
kill -TERM "$service"
check "both relays stop" ends "$service" 0
rm -f events.ndjson

# ---- a halted relay ----
printf '    route: { topic: "${aggregatetype}" }\n    on_reject: stop\nservice: { listen: "127.0.0.1:0" }\n' | config
: >.log
start "$OUTBOX" run; service=$pid
check "service with on_reject: stop becomes ready" within 10 get_code /readyz 200
check "relaying service passes --check" eval 'sed "s/127.0.0.1:0/$(address)/" outbox.yaml >live.yaml && works "$OUTBOX" status --check -c live.yaml'
check "event without a topic is added" works "$OUTBOX" add --aggregate-type "" --aggregate-id 1 --type t --payload halts
halt='event [-0-9a-f]* cannot be published, the relay has halted \(on_reject: stop\): topic is (null or )?empty.*; correct or delete the event, then reload the configuration \(SIGHUP\)'
check "/readyz of a halted relay is 503" within 10 get_code /readyz 503
check "/readyz/RELAY of a halted relay is 503" get_code /readyz/orders 503
check "/readyz says which event, why, and how to go on" has_match "^orders: halted: $halt"
check "/status says it" eval 'get /status && has_match "\"last_error\": \"$halt"'
check "status says it" eval 'works "$OUTBOX" status -c live.yaml && has_match "^  last error $halt"'
check "status --check of a halted relay exits 65" exits_with_match 65 "^  problem    the relay is halted: $halt" "$OUTBOX" status --check -c live.yaml
kill -HUP "$service"
check "it halts again while the event is there" within 10 eval '[ "$(grep -cE "$halt" .log)" = 2 ]'
check "operator deletes the event" eval 'sqlite shop.db "DELETE FROM outbox"'
kill -HUP "$service"
check "SIGHUP lets it go on" within 10 get_code /readyz 200
check "it says so" logged 'msg="the halted relay goes on, and reads the outbox again from its start"'
kill -9 "$service"; wait "$service" 2>/dev/null
check "status --check of a killed relay exits 69" exits_with_line 69 '  problem    no relay owns the outbox: start outbox run' "$OUTBOX" status --check
cp good.yaml outbox.yaml
rm -f events.ndjson

# ---- an embedded relay ----
if [ -x "${EMBED:-}" ]; then
  check "examples/embed relays" eval 'works "$EMBED" outbox.yaml shop.db 50 && has_line "written 50, published 50" && lines events.ndjson 50'
  rm -f events.ndjson
fi

# ---- SIGKILL at any time ----
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
check "20 SIGKILLs are survived" kill_often
check "drain succeeds afterwards" works "$OUTBOX" drain
distinct() { grep -o '"payload":"[0-9]*-[0-9]*"' events.ndjson | sort -u | wc -l; }
check "no event is lost" eval '[ "$(distinct)" = 100 ]'
check "outbox is empty" eval 'works "$OUTBOX" status && has_match "^  pending    0$"'

# ---- an outage of the database ----
mv shop.db away.db; mv shop.db-wal away.db-wal 2>/dev/null; mv shop.db-shm away.db-shm 2>/dev/null
: >.log
start "$OUTBOX" run; service=$pid
check "missing database is retried" within 10 logged 'subject="orders" msg="store: .*trying again'
check "/readyz is 503" get_code /readyz 503
mv away.db shop.db; mv away.db-wal shop.db-wal 2>/dev/null; mv away.db-shm shop.db-shm 2>/dev/null
check "service recovers with its database" within 20 get_code /readyz 200
kill -INT "$service"
check "SIGINT exits 0" ends "$service" 0

# ---- late events: the broker takes an event of years ago, and keeps it for some seconds ----
: >.log
sed 's/broker: {.*/broker: { plugin: delay, calls: publish, before: 18s, wraps: { plugin: file, path: events.ndjson } }/; s/listen: /late: 1h, listen: /' outbox.yaml >late.yaml
start "$OUTBOX" run -c late.yaml; service=$pid
check "service with service.late becomes ready" within 20 get_code /readyz 200
sqlite shop.db "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, created_at) VALUES ('order', '8', 'placed', 'old', '2020-01-31')"
late() { get_code /readyz/orders 503 && has_match "^orders: late, since 20[-0-9]*T[0-9:]*Z: the oldest event has waited [0-9]+\.[0-9] s$"; }
check "late relay is not ready" within 20 late
sed "s/127.0.0.1:0/$(address)/" late.yaml >live.yaml
check "status --check reports it" eval 'fails 69 "$OUTBOX" status --check -c live.yaml && has_match "^  problem    the relay is late, since 20.*: the oldest event has waited"'
check "log has a warning" logged 'level=warn subject="?orders"? msg="late: the oldest event has waited [0-9.]* s, and service.late is 3600.0 s"'
check "relay that has caught up is ready" within 30 get_code /readyz 200
check "log has the end" logged 'msg="late no more"'
check "status names the owner and since when" eval 'works "$OUTBOX" status -c live.yaml && has_match "^  owner      orders on .*, process $service, since 20[-0-9]*T[0-9:]*Z$"'
check "/status does so, too" eval 'get /status && has_match "\"owner\": \"orders on .*, process $service\"" && has_match "\"owner_since\": \"20[-0-9]*T[0-9:.]*Z\""'
kill -TERM "$service"
check "SIGTERM exits 0 after that" ends "$service" 0

# ---- a blocked log ----
mkfifo pipe
sleep 60 <pipe & reader=$!; started+=("$reader")
"$OUTBOX" run --verbose 2>pipe & service=$!; started+=("$service")
check "blocked log does not stop the relay" within 10 eval 'works "$OUTBOX" status && ! grep -q "owner      none" "$out"'
check "event is added meanwhile" works add 9 stuck
fill() { for i in $(seq 300); do kill -HUP "$service" || return 1; done; }
check "log messages exceed the pipe" fill
check "event is published meanwhile" within 10 grep -q stuck events.ndjson
kill -TERM "$service"
check "SIGTERM exits 0 with a blocked log" ends "$service" 0
kill "$reader"
plan
