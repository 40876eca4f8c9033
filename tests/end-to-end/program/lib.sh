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
  { timeout -k 1 30 "$@" >"$out" 2>"$err" </dev/null; got=$?; }
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
within() { # SECONDS COMMAND...: until it succeeds
  local ticks=$(($1 * 50)); shift
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
python_with() { # MODULE: the Python that has the module; a machine may have several
  local p
  for p in python3 /usr/bin/python3; do "$p" -c "import $1" 2>/dev/null && { echo "$p"; return; }; done
  echo "# no Python has $1; scripts/install-deps test installs it" >&2
  echo python3
}
add() { timeout 30 "$OUTBOX" add --aggregate-type order --aggregate-id "$1" --type placed --payload "$2"; }
