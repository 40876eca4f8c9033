# Sourced by the end-to-end tests. A test runs the real program and prints TAP.
#   check NAME COMMAND...   one subtest: passes if the command succeeds
#   fails CODE COMMAND...   succeeds if the command exits with CODE; its output is in $out and $err
#   plan                    at the end
# OUTBOX is the program. Each test has its own directory, $dir, and leaves no process running.
set -u
source_root=$(cd "$(dirname "$0")/../../.." && pwd)
OUTBOX=${OUTBOX:?the program to test}
dir=$(mktemp -d "${TMPDIR:-/tmp}/outbox-test.XXXXXX")
out=$dir/.out err=$dir/.err
tests=0
started=()
unset OUTBOX_CONFIG
cd "$dir" || exit 99

clean_up() {
  for p in "${started[@]}"; do kill -9 "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
  rm -rf "$dir"
}
trap clean_up EXIT

check() {
  local name=$1; shift
  tests=$((tests + 1))
  if "$@"; then
    echo "ok $tests - $name"
  else
    echo "not ok $tests - $name"
    sed 's/^/# stdout: /' "$out" 2>/dev/null
    sed 's/^/# stderr: /' "$err" 2>/dev/null
  fi
}
plan() { echo "1..$tests"; }

fails() { # exit code, then the command; a command that hangs fails with 124
  local want=$1 got; shift
  [ "$(type -t "$1")" = function ] && { "$@" >"$out" 2>"$err" </dev/null; got=$?; } ||
  { timeout -k 1 120 "$@" >"$out" 2>"$err" </dev/null; got=$?; }
  [ "$got" = "$want" ] || { echo "# exit code $got, not $want: $*"; return 1; }
}
works() { fails 0 "$@"; }
has_line() { grep -qxF -- "$1" "$out" "$err" || { echo "# no such line: $1"; return 1; }; } # a whole line
has_match() { grep -qE -- "$1" "$out" "$err" || { echo "# no such line: $1"; return 1; }; }
stderr_is_empty() { [ ! -s "$err" ]; }
both() { "$1" && "$2"; }

start() { # the program in the background; $pid
  "$@" >>"$dir/.log" 2>&1 &
  pid=$!
  started+=("$pid")
}
ends() { # PID CODE: wait until it exits with CODE
  wait "$1"; local got=$?
  [ "$got" = "$2" ] || { echo "# exit code $got, not $2"; return 1; }
}
within() { # SECONDS COMMAND...: until it succeeds; a busy machine has several times as long, and a minute at least
  local ticks=$(($1 < 20 ? 3000 : $1 * 150)); shift
  while ! "$@" >/dev/null 2>&1; do
    ticks=$((ticks - 1)); [ "$ticks" -gt 0 ] || { echo "# not in time: $*"; return 1; }
    sleep 0.02
  done
}
lines() { [ "$(wc -l <"$1" 2>/dev/null || echo 0)" = "$2" ]; } # FILE COUNT
config() { # [RELAY LINES ON STDIN]: outbox.yaml with a store in shop.db and a broker in events.ndjson
  printf 'relays:\n  orders:\n    store: { plugin: sqlite, path: shop.db }\n    broker: { plugin: file, path: events.ndjson }\n' >outbox.yaml
  cat >>outbox.yaml
}
sqlite() { sqlite3 -cmd '.timeout 60000' "$@"; } # a service may hold the lock
python_with() { # MODULE: the Python that has the module; a machine may have several
  local p
  for p in python3 /usr/bin/python3; do "$p" -c "import $1" 2>/dev/null && { echo "$p"; return; }; done
  echo "# no Python has $1; scripts/install-deps test installs it" >&2
  echo python3
}
add() { timeout 120 "$OUTBOX" add --aggregate-type order --aggregate-id "$1" --type placed --payload "$2"; }

# The relay of ./outbox.yaml, which must publish to events.ndjson with this route: culprit events have the type "bad".
park_key_route='    route: { topic: all, partition: "${type}" }\n    on_reject: park-key\n'
add_of_type() { timeout 120 "$OUTBOX" add --aggregate-type order --aggregate-id "$1" --type "$2" --payload "$3"; }
dead_letters() { [ "$("$OUTBOX" dead list --json | grep -c '"number"')" = "$1" ]; }
published_in_order() { # PAYLOAD...
  [ "$(grep -oE '"payload":"[a-z0-9]*"' events.ndjson | cut -d'"' -f4 | grep -xE "$(IFS='|'; echo "$*")" | tr '\n' ' ')" = "$* " ]
}
replayed_events_go_out() {
  start "$OUTBOX" run
  local relay=$pid round
  for round in 1 2; do
    check "event that is refused is added ($round)" add_of_type replayed bad "culprit$round"
    check "event that follows it is added ($round)" add_of_type replayed 0 "first$round"
    check "another one is added ($round)" add_of_type replayed 0 "second$round"
    check "all become dead letters ($round)" within 20 dead_letters 3
    check "the culprit is dropped ($round)" eval '"$OUTBOX" dead drop "$("$OUTBOX" dead list --json | grep culprit | grep -oE "\"number\": ?[0-9]+" | grep -oE "[0-9]+")" >"$out" 2>"$err"'
    check "the others are replayed ($round)" eval 'works "$OUTBOX" dead replay --all && has_line "orders: 2 back in the outbox"'
    check "they are published at once, in order ($round)" within 5 published_in_order "first$round" "second$round"
    sleep 1
    check "they are no dead letters again ($round)" dead_letters 0
  done
  check "each follower was logged" eval '[ "$(grep -c "goes to the dead letters: it follows a dead letter of its key" .log)" = 4 ]'
  kill "$relay"
  check "the relay ends" ends "$relay" 0
}
