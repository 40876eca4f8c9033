#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox pause, resume, retry, skip: what the service does, and what log, status, /readyz and metrics show of it.
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || { echo "1..0 # SKIP curl is not installed"; exit 0; }

exits_with_line() { fails "$1" "${@:3}" && has_line "$2"; } # CODE LINE COMMAND...
logged() { grep -qE -- "$1" .log; }
address() { sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' .log | tail -n 1; }
get() { curl -s -m 10 "http://$(address)$1" >"$out" 2>"$err"; }
get_code() { [ "$(curl -s -m 10 -o "$out" -w '%{http_code}' "http://$(address)$1")" = "$2" ]; }
published() { lines events.ndjson "$1"; }
dead() { [ "$("$OUTBOX" dead list --json | grep -c '"number"')" = "$1" ]; }
blocked() { get /status && grep -q "\"blocked_keys\": $1" "$out"; }
settings() { # MORE LINES OF THE RELAY: a row without an aggregate type has no topic
  printf '    route: { topic: "${aggregatetype}" }\n    retry_max: 1h\n%sservice: { listen: "127.0.0.1:0", control: "unix:%s/control.sock" }\n' "$1" "$dir" | config
}
me="$(id -un) \(uid $(id -u), process [0-9]*\)"

settings ''
works "$OUTBOX" init
check "without a service it exits 69" eval 'fails 69 "$OUTBOX" pause orders && has_match "^outbox pause: orders: send a request to unix:$dir/control.sock: No such file or directory; is the service running, with this configuration\\?$"'
start "$OUTBOX" run; service=$pid
check "service becomes ready" within 10 get_code /readyz 200
check "socket is for its owner alone" eval '[ "$(stat -c %a control.sock)" = 600 ]'

# ---- pause ----
check "relay is paused" exits_with_line 0 "orders: paused: no event is claimed until 'outbox resume orders'; it stays the owner" "$OUTBOX" pause orders
check "event is added" works add 1 first
check "/readyz says who has paused it" within 5 eval 'get_code /readyz 503 && has_match "^orders: paused: paused by $me; .outbox resume orders. lets it go on$"'
check "/metrics has it" eval 'get /metrics && has_line "outbox_paused{relay=\"orders\"} 1" && has_line "outbox_relaying{relay=\"orders\"} 0"'
sed "s/127.0.0.1:0/$(address)/" outbox.yaml >live.yaml
check "status has it" eval 'works "$OUTBOX" status -c live.yaml && has_match "^  relay      paused, "'
check "status --check exits 65" eval 'fails 65 "$OUTBOX" status --check -c live.yaml && has_match "^  problem    the relay is paused: paused by "'
check "log has who and what" logged "level=warn subject=\"orders\" msg=\"pause by $me: paused: no event is claimed"
check "ownership is kept" eval 'works "$OUTBOX" status && ! grep -q "owner      none" "$out"'
check "pause of a paused relay is refused" eval 'fails 65 "$OUTBOX" pause orders && has_match "^outbox pause: orders: it is paused already, by $me$"'
sed -i 's/retry_max: 1h/retry_max: 2h/' outbox.yaml
kill -HUP "$service"
check "changed relay restarts, and stays paused" within 10 eval 'logged "msg=\"still paused by $me\"" && get_code /readyz 503 && grep -q "^orders: paused" "$out"'
check "nothing was published" published 0
check "relay is resumed" exits_with_line 0 'orders: resumed' "$OUTBOX" resume orders
check "event is published" within 5 published 1
check "/readyz is 200" within 5 get_code /readyz 200
check "resume of a running relay is refused" exits_with_line 65 'outbox resume: orders: it is neither paused nor halted' "$OUTBOX" resume orders

# ---- retry and skip ----
bad() { timeout 120 "$OUTBOX" add --aggregate-type "" --aggregate-id "$1" --type t --payload "$2" >/dev/null; }
check "skip without a blocked key is refused" exits_with_line 65 "outbox skip: orders: no such key is blocked; 'outbox status' lists blocked keys" "$OUTBOX" skip orders
check "event that blocks its key is added" bad 7 stuck
check "its key is blocked" within 5 blocked 1
check "another one is added" bad 8 "stuck too"
check "its key is blocked, too" within 5 blocked 2
check "skip of one of two keys needs its name" exits_with_line 65 "outbox skip: orders: 2 blocked keys fit; name one by its key and --topic; 'outbox status' lists them" "$OUTBOX" skip orders
check "skip of a key by its name" eval 'works "$OUTBOX" skip orders 7 && has_match "^orders: event [-0-9a-f]* goes to the dead letters$"'
check "its event becomes a dead letter" within 5 eval 'dead 1 && blocked 1'
check "its reason has who, and why" eval 'works "$OUTBOX" dead list && has_match ": skipped by $me: topic is empty"'
check "log has the event" logged "msg=\"skip by $me: event [-0-9a-f]* goes to the dead letters\""
check "retry of a key by its name" exits_with_line 0 "orders: key '8' is tried again now" "$OUTBOX" retry orders 8
check "retry of all" exits_with_line 0 'orders: everything that waits is tried again now' "$OUTBOX" retry orders
check "skip of the only key needs no name" works "$OUTBOX" skip orders
check "its event becomes a dead letter, too" within 5 dead 2

# ---- the command line ----
check "unknown relay exits 78" exits_with_line 78 'outbox pause: bills: the service has no relay of this name; it has: orders' "$OUTBOX" pause bills
check "pause takes no key" exits_with_line 64 "outbox pause: unexpected argument '7'; see outbox pause --help" "$OUTBOX" pause orders 7
check "pause takes no topic" exits_with_line 64 'outbox pause: --topic is of no use here; see outbox pause --help' "$OUTBOX" pause orders --topic t
check "a relay is required" exits_with_line 64 'outbox retry: an argument is missing; see outbox retry --help' "$OUTBOX" retry
sed 's/, control:.*/ }/' outbox.yaml >none.yaml
check "service.control is required" eval 'fails 78 "$OUTBOX" pause orders -c none.yaml && has_match "has no service.control; add control: unix:/run/outbox/control.sock"'
sed 's/unix:/tcp:/' outbox.yaml >tcp.yaml
check "other addresses are refused" eval 'fails 78 "$OUTBOX" pause orders -c tcp.yaml && has_match "service.control: .tcp:.* is not unix:PATH"'
check "check refuses them, too" eval 'fails 78 "$OUTBOX" check -c tcp.yaml && has_match "service.control: .tcp:.* is not unix:PATH"'
if [ "$(id -u)" = 0 ] && works setpriv --reuid=65534 --clear-groups "$OUTBOX" plugins sqlite; then
  chmod 755 "$dir"
  check "another user may not" eval 'fails 77 setpriv --reuid=65534 --clear-groups "$OUTBOX" pause orders && has_match "Permission denied; run this as the user of the service, or as root$"'
fi

# ---- clients that send nothing, or nonsense ----
by_hand() { # TEXT: what the service answers to it
  python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect("control.sock"); s.sendall(sys.argv[1].encode().decode("unicode_escape").encode("latin1")); s.shutdown(1)
print(s.recv(1000).decode(), end="")' "$1" >"$out" 2>"$err"
}
check "unknown request is refused" eval 'by_hand "dance\0orders\0" && has_line "78 unknown request: '"'dance'"'"'
check "request without a relay is refused" eval 'by_hand "pause" && has_line "78 unknown request: '"'pause'"'"'
python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX); s.connect("control.sock"); s.sendall(b"pause"); time.sleep(60)' & silent=$!
started+=("$silent")
check "a silent client delays others by a second" exits_with_line 65 'outbox resume: orders: it is neither paused nor halted' "$OUTBOX" resume orders
kill "$silent"
kill -TERM "$service"
check "SIGTERM exits 0" ends "$service" 0

# ---- a halted relay ----
settings '    on_reject: stop
'
: >.log
start "$OUTBOX" run; service=$pid
check "service starts on the socket that is left" within 10 get_code /readyz 200
check "event that halts the relay is added" bad 9 halts
check "relay halts" within 5 eval 'get_code /readyz 503 && grep -q "^orders: halted" "$out"'
check "event that follows is added" works add 9 follows
check "skip lets it go on" eval 'works "$OUTBOX" skip orders && has_match "^orders: event [-0-9a-f]* goes to the dead letters$"'
check "the other event is published" within 5 published 2
check "the event is a dead letter" within 5 dead 3
check "/readyz is 200 again" within 5 get_code /readyz 200
kill -9 "$service"; wait "$service" 2>/dev/null
check "killed service is not reached" eval 'fails 69 "$OUTBOX" pause orders && has_match "Connection refused; is the service running"'
plan
