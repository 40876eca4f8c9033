#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# outbox dead with filters, limits, rates, another topic, --dry-run, and its question on a terminal.
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

# ---- at a rate, and to another topic ----
add_all() { # COUNT: dead letters of as many keys
  for key in $(seq "$1"); do "$OUTBOX" add --aggregate-type a --aggregate-id "$key" --type placed --payload bad >/dev/null || return 1; done
  works "$OUTBOX" drain
}
pending() { works "$OUTBOX" status && has_match "^  pending    $1\$" && has_match "^  dead       $2\$"; }
takes() { # LEAST-MILLISECONDS COMMAND...: the pauses are a lower bound; there is no upper one
  local least=$1 began=${EPOCHREALTIME/./}; shift
  "$@" && [ $(((${EPOCHREALTIME/./} - began) / 1000)) -ge "$least" ] || { echo "# sooner than after $least ms"; return 1; }
}
check "letters for a replay at a rate" add_all 6
check "replay at 2 letters a second" takes 1900 exits_with_line 0 'orders: 5 back in the outbox' "$OUTBOX" dead replay --all --limit 5 --rate 2
check "it moves all of them" pending 5 1
check "rate with --dry-run moves none" eval 'works "$OUTBOX" dead replay --all --rate 1 --dry-run && has_line "orders: 1 would be back in the outbox" && pending 5 1'
check "rate that is none" exits_with_line 64 "outbox dead: --rate needs a number, not '0'; see outbox dead --help" "$OUTBOX" dead replay --all --rate 0
check "rate is for replay" exits_with_line 64 "outbox dead: --rate and --to-topic are for replay; see outbox dead --help" "$OUTBOX" dead drop --all --rate 5
check "other topic that does not fit" exits_with_line 78 "outbox dead: replay to topic 'else': no text of the column aggregatetype makes route.topic of orders give it" "$OUTBOX" dead replay --all --to-topic else
check "nothing is moved then" pending 5 1
check "replay to another topic" exits_with_line 0 "orders: 1 back in the outbox for topic t.it's, by aggregatetype 'it's'" "$OUTBOX" dead replay --all --to-topic "t.it's"
check "the rows go there" eval 'works "$OUTBOX" drain && works "$OUTBOX" dead list && [ "$(grep -c " t.it.s/" "$out")" = 1 ] && [ "$(grep -c " t.a/" "$out")" = 5 ]'
check "numbers take another topic, too" eval 'number=$("$OUTBOX" dead list --topic t.a --limit 1 | cut -d" " -f1) && works "$OUTBOX" dead replay "$number" --to-topic t.b && works "$OUTBOX" drain && works "$OUTBOX" dead list --topic t.b && [ "$(wc -l <"$out")" = 1 ]'
check "they are dropped" works "$OUTBOX" dead drop --all
printf '    route: { topic: fixed, partition: "${payload}" }\n    on_reject: park-key\n' | config
check "letters of one topic" add_all 2
check "topic without a column" exits_with_line 78 "outbox dead: replay to topic 't': route.topic of orders is not made of one column as it is, so no column leads to another topic; add the events again, or change the route" "$OUTBOX" dead replay --all --to-topic t
check "more letters of the same keys" add_all 2
check "letters of a key go back together" takes 900 exits_with_line 0 'orders: 4 back in the outbox' "$OUTBOX" dead replay --all --rate 2
order() { [ "$(sqlite shop.db "SELECT group_concat(aggregateid, '') FROM (SELECT aggregateid FROM outbox ORDER BY id)")" = "$1" ]; }
check "they keep their order" order 1122
plan
