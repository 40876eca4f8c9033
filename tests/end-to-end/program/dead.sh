#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox dead with filters, limits, --dry-run, and its question on a terminal.
. "$(dirname "$0")/lib.sh"

exits_with_line() { fails "$1" "${@:3}" && has_line "$2"; } # CODE LINE COMMAND...
listed() { # NUMBERS ARGUMENT...: dead list with these arguments prints these letters
  local want=$1; shift
  works "$OUTBOX" dead list "$@" || return 1
  [ "$(cut -d' ' -f1 "$out" | paste -sd ' ')" = "$want" ] || { echo "# listed: $(cat "$out")"; return 1; }
}

printf '    route: { topic: "t.${aggregatetype}", partition: "${payload}" }\n    on_reject: park\n' | config
works "$OUTBOX" init
for event in a/1/placed a/2/placed b/1/shipped b/2/placed; do
  IFS=/ read -r topic key type <<<"$event"
  "$OUTBOX" add --aggregate-type "$topic" --aggregate-id "$key" --type "$type" --payload bad >/dev/null || exit 99
done
works "$OUTBOX" drain
check "all letters" listed "1 2 3 4"
check "of a topic" listed "1 2" --topic t.a
check "of a key" listed "1 3" --key 1
check "of a type" listed "3" --type shipped
check "of a topic and a key" listed "4" --topic t.b --key 2
check "by a part of the reason" listed "1 2 3 4" --reason "partition 'bad'"
check "by another reason" listed "" --reason "too large"
check "since an hour ago" listed "1 2 3 4" --since 1h
check "until an hour ago" listed "" --until 1h
check "since a day" listed "1 2 3 4" --since 2020-01-31
check "until a time" listed "" --until 2020-01-31T10:00:00Z
check "a time that is none" exits_with_line 64 "outbox dead: --since needs a time, like 2026-11-29T20:15:00Z, 2026-11-29 or 2h ago as 2h, not 'noon'; see outbox dead --help" "$OUTBOX" dead list --since noon
check "the first ones of a filter" listed "1" --key 1 --limit 1
check "show takes a filter" eval 'works "$OUTBOX" dead show --type shipped && [ "$(grep -c "^  payload" "$out")" = 1 ]'
check "numbers and a filter are refused" exits_with_line 64 'outbox dead: numbers cannot be combined with --all; see outbox dead --help' "$OUTBOX" dead drop 1 --all

check "replay --dry-run prints the letters" eval 'works "$OUTBOX" dead replay --key 1 --dry-run && has_line "orders: 2 would be back in the outbox" && has_match "^1 " && has_match "^3 "'
check "and changes nothing" listed "1 2 3 4"
check "drop with a limit says how many more there are" eval 'works "$OUTBOX" dead drop --topic t.a --limit 1 && has_line "orders: 1 dropped" && has_line "orders: 1 more fit"'
check "it drops the first" listed "2 3 4"
check "filter that nothing fits" exits_with_line 0 'orders: 0 dropped' "$OUTBOX" dead drop --key 9
check "replay with a filter" exits_with_line 0 'orders: 1 back in the outbox' "$OUTBOX" dead replay --type shipped
check "it moves these" eval 'listed "2 4" && works "$OUTBOX" drain && listed "2 4 5"'

meanwhile= # a command that runs after the question was printed
on_terminal() { # KEYS ARGUMENT...: outbox dead with a terminal as stdin
  local keys=$1; shift
  python3 - "$keys" "$meanwhile" "$OUTBOX" dead "$@" >"$out" 2>"$err" <<'P'
import os, pty, subprocess, sys
ours, theirs = pty.openpty()
child = subprocess.Popen(sys.argv[3:], stdin=theirs, stderr=subprocess.PIPE)
while sys.argv[2] and b"[y/N]" not in (question := os.read(child.stderr.fileno(), 4096)):
    assert question, "no question"
subprocess.run(["sh", "-c", sys.argv[2]], check=True, stdout=subprocess.DEVNULL)
os.write(ours, sys.argv[1].encode() + b"\n")
sys.stderr.buffer.write(child.communicate(timeout=30)[1])
sys.exit(child.returncode)
P
}
check "drop on a terminal asks" eval 'on_terminal n drop --all && has_match "^delete 3 dead letters of orders for ever\? \[y/N\] "'
check "no keeps them" eval 'has_line "orders: 0 dropped" && listed "2 4 5"'
check "numbers ask, too" eval 'on_terminal "" drop 2 && has_line "orders: 0 dropped" && listed "2 4 5"'
check "--yes does not ask" eval 'on_terminal n drop 2 --yes && has_line "orders: 1 dropped" && listed "4 5"'
meanwhile='"$OUTBOX" add --aggregate-type a --aggregate-id 3 --type placed --payload bad && "$OUTBOX" drain'
check "a letter that comes after the question is not dropped" eval 'on_terminal y drop --all && has_line "orders: 2 dropped" && listed "6"'
meanwhile=
check "yes drops it" eval 'on_terminal y drop --all && has_line "orders: 1 dropped" && listed ""'
plan
