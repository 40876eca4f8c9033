#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every verb: its output on each stream, and its exit code.
. "$(dirname "$0")/lib.sh"

exits_with_line() { # CODE LINE COMMAND...: exits with the code and prints exactly this line
  local code=$1 line=$2; shift 2
  fails "$code" "$@" && has_line "$line"
}
exits_with_match() { # CODE PATTERN COMMAND...
  local code=$1 pattern=$2; shift 2
  fails "$code" "$@" && has_match "$pattern"
}

# ---- the command line ----
check "--version prints the version" exits_with_match 0 '^outbox [0-9]+\.[0-9]+\.[0-9]+$' "$OUTBOX" --version
check "--help lists the verbs" exits_with_match 0 '^  drain     relay until the outbox is empty, then exit 0$' "$OUTBOX" --help
check "a verb is required" exits_with_line 64 'outbox: no verb given; see outbox --help' "$OUTBOX"
check "unknown verb is refused" exits_with_line 64 "outbox: unknown verb 'frob'; see outbox --help" "$OUTBOX" frob
verbs() { works "$OUTBOX" --help && sed -n 's/^  \([a-z]*\)  .*/\1/p' "$out"; }
manual() { sed -n '/^.SH VERBS/,/^.SH SIGNALS/s/^.SS \([a-z]*\)$/\1/p' "$source_root/docs/man/outbox.1.in"; }
check "manual page has all verbs" eval '[ "$(verbs)" = "$(manual)" ]'
for verb in init check run drain add status dead pause resume retry skip plugins bench; do
  check "$verb --help prints its usage" exits_with_match 0 "^usage: outbox $verb " "$OUTBOX" $verb --help
  check "$verb refuses an unknown option" exits_with_line 64 "outbox $verb: unknown or ambiguous option --frob; see outbox $verb --help" "$OUTBOX" $verb --frob
done
check "option without a value is refused" exits_with_line 64 'outbox run: option -c needs a value; see outbox run --help' "$OUTBOX" run -c
check "-h after a verb prints its usage" exits_with_match 0 '^usage: outbox run ' "$OUTBOX" run -h
check "extra argument is refused" exits_with_line 64 "outbox run: unexpected argument 'now'; see outbox run --help" "$OUTBOX" run now

# ---- finding the configuration ----
none="outbox run: read the configuration: \$OUTBOX_CONFIG is not set and neither ./outbox.yaml nor /etc/outbox/outbox.yaml exists; write one, or name it with -c FILE"
[ -e /etc/outbox/outbox.yaml ] || check "missing configuration is an error" exits_with_line 78 "$none" "$OUTBOX" run
check "missing file of -c is an error" exits_with_match 78 '^outbox run: .*missing\.yaml' "$OUTBOX" run -c missing.yaml
check "empty -c is an error" exits_with_line 78 'outbox check: read the configuration: the value of -c is empty; name a file' "$OUTBOX" check -c ''
echo 'service: {}' >empty.yaml
check "configuration without relays is refused" exits_with_line 78 'outbox run: empty.yaml:1:1: no relays: there must be a section `relays:` with at least one relay in it' \
  "$OUTBOX" run -c empty.yaml
config </dev/null
echo 'servce: {}' >>outbox.yaml
check "unknown key gets a suggestion" exits_with_line 78 "outbox check: ./outbox.yaml:5:1: unknown key 'servce'; did you mean 'service'?" "$OUTBOX" check
config </dev/null
echo 'service: { listen: "127.0.0.1" }' >>outbox.yaml
check "invalid listen address is refused" exits_with_match 78 "^outbox check: service.listen: '127.0.0.1' is not ADDRESS:PORT" "$OUTBOX" check
check "pipe without a writer is refused" eval 'mkfifo pipe && exits_with_line 78 "outbox check: read configuration pipe: it is a pipe without a writer; name a regular file" "$OUTBOX" check -c pipe'
check "pipe with a writer is read" works "$OUTBOX" check --print-config -c <(config </dev/null && cat outbox.yaml)
printf '    route: { topic: "" }\n' | config
check "empty topic is refused" exits_with_match 78 '^outbox check: ./outbox.yaml:5:14: topic is empty; ' "$OUTBOX" check
config </dev/null
long=$(printf 'r%.0s' $(seq 64))
long_name() { sed "s/^  orders:/  $long:/" outbox.yaml >long.yaml; }
check "long relay name is refused" eval 'long_name && exits_with_line 78 "outbox status: long.yaml:2:3: the relay'"'"'s name '"'"'rrrrrrrrrrrrrrrrrrrr...'"'"' has 64 bytes; give it at most 63" "$OUTBOX" status -c long.yaml'
printf 'relays:\n  a:\n    store: { plugin: sqlite, path: a.db }\n    broker: { plugin: file, path: a.out }\n  b:\n    store: { plugin: sqlite, path: "" }\n    broker: { plugin: file, path: b/ }\n' >two.yaml
empty='two.yaml:6:5: read the option path: it is empty; name the database file'
check "plugin's error has a location in check" exits_with_line 78 "outbox check: $empty" "$OUTBOX" check -c two.yaml
check "plugin's error has a location in run" exits_with_line 78 "outbox run: $empty" "$OUTBOX" run -c two.yaml
check "plugin's error has a location in status" exits_with_line 78 "outbox status: $empty" "$OUTBOX" status -c two.yaml
printf 'relays:\n  a:\n    store: { plugin: sqlite, path: a.db }\n    broker: { plugin: file, path: a.out }\n  b:\n    store: { plugin: sqlite, path: a.db, busy_timeout: 1s }\n    broker: { plugin: file, path: b.out }\n' >conflict.yaml
conflict="conflict.yaml:6:5: relay 'b' reads the same outbox as relay 'a' (equal path, table); an outbox has one relay, so 'b' would stay standby: name another table, or remove it"
printf 'relays:\n  a:\n    store: { plugin: sqlite, path: n.db }\n    broker: { plugin: file, path: n.out }\n  b:\n    store: { plugin: sqlite, path: nowhere/b.db }\n    broker: { plugin: file, path: b.out }\n' >several.yaml
check "init of several relays names the one that failed" exits_with_match 78 '^outbox init: b: .*nowhere/b.db' "$OUTBOX" init -c several.yaml
check "and so does status" exits_with_match 78 '^outbox status: b: .*nowhere/b.db' "$OUTBOX" status -c several.yaml
sed 's|nowhere/b|kept|' several.yaml >kept.yaml
works "$OUTBOX" init -c kept.yaml && sqlite3 kept.db "CREATE TRIGGER keep BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'kept'); END; INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('a', 'a', 'a')"
check "init names the relay whose table cannot be relayed" exits_with_line 78 'outbox init: b: the tables exist, but cannot be relayed as they are' "$OUTBOX" init -c kept.yaml
for verb in check run drain; do
  check "$verb refuses two relays on one outbox" exits_with_line 78 "outbox $verb: $conflict" "$OUTBOX" $verb -c conflict.yaml
done
sed 's/a\.db, busy_timeout: 1s/b.db/; s/b\.out/a.out/' conflict.yaml >shared.yaml
check "run refuses two relays that write one file" exits_with_line 78 "outbox run: shared.yaml:7:5: relay 'b' writes to the same target as relay 'a' (equal path), which allows one writer: give it another target" "$OUTBOX" run -c shared.yaml
check "a single relay of them is accepted" exits_with_match 78 "'outbox init'" "$OUTBOX" drain -c conflict.yaml --relay b
check "unknown relay is refused" exits_with_line 78 "outbox check: ./outbox.yaml has no relay 'order'; it has: orders" "$OUTBOX" check --relay order
export OUTBOX_CONFIG=$dir/elsewhere.yaml
check "OUTBOX_CONFIG names the configuration" exits_with_match 78 'elsewhere\.yaml' "$OUTBOX" check
unset OUTBOX_CONFIG

# ---- init, check, add, status, drain ----
check "check before init advises init" exits_with_match 78 "'outbox init'" "$OUTBOX" check
check "drain before init advises init" exits_with_match 78 "'outbox init'" "$OUTBOX" drain
check "init --print-sql prints the tables" exits_with_match 0 'CREATE TABLE' "$OUTBOX" init --print-sql
check "init --print-sql creates nothing" test ! -e shop.db
check "init --print-grants prints the grants" exits_with_line 0 "-- SQLite has no grants: the relay's user must be able to write the database file and its directory" \
  "$OUTBOX" init --print-grants
check "--for needs --print-grants" exits_with_line 64 "outbox init: --for names a role in printed grants: it needs --print-grants; see outbox init --help" "$OUTBOX" init --for app
check "init prints SQL and grants together" eval 'exits_with_match 0 "CREATE TABLE" "$OUTBOX" init --print-grants --print-sql && has_match "^-- SQLite has no grants"'
check "init --inbox prints the inbox alone" exits_with_match 0 'CREATE TABLE IF NOT EXISTS outbox_inbox' "$OUTBOX" init --inbox --print-sql
check "it prints no outbox" eval '! grep -q "\"outbox\"" "$out" && [ ! -e shop.db ]'
check "the printed script is SQL" eval '"$OUTBOX" init --inbox --print-sql | sqlite3 printed.db && [ "$(sqlite3 printed.db "SELECT count(*) FROM outbox_inbox")" = 0 ]'
check "init --inbox --print-grants prints the grants of a consumer" exits_with_line 0 "-- SQLite has no grants: the consumer must be able to write the database file and its directory" \
  "$OUTBOX" init --inbox --print-grants
printf 'relays:\n  inner:\n    store: { plugin: sqlite, path: inner.db }\n' >inner.yaml
check "init --inbox needs a store and nothing else" exits_with_line 0 'inner: the inbox is ready' "$OUTBOX" init --inbox -c inner.yaml
check "init --inbox creates no outbox" eval '[ "$(sqlite3 inner.db "SELECT group_concat(name) FROM sqlite_master WHERE type = '"'table'"'")" = outbox_inbox ]'
printf 'relays:\n  slow:\n    store: { plugin: delay, calls: setup_inbox, before: 10ms, wraps: { plugin: sqlite, path: slow.db } }\n' >slow.yaml
check "init --inbox works through a decorator" exits_with_line 0 'slow: the inbox is ready' "$OUTBOX" init --inbox -c slow.yaml
check "the decorator passes it on" eval '[ "$(sqlite3 slow.db "SELECT count(*) FROM outbox_inbox")" = 0 ]'
printf 'relays:\n  kept:\n    store: { plugin: memory }\n' >kept.yaml
check "init --inbox refuses a store without an inbox" exits_with_line 78 "outbox init: set up an inbox: the store plugin 'memory' does not support it" \
  "$OUTBOX" init --inbox -c kept.yaml
check "init creates the outbox" exits_with_line 0 'orders: the outbox is ready' "$OUTBOX" init
check "init can be repeated" exits_with_line 0 'orders: the outbox is ready' "$OUTBOX" init
rm -f events.ndjson
check "check after init succeeds" exits_with_match 0 '^orders broker: ok: events\.ndjson can be created, [0-9]+ MiB are free$' "$OUTBOX" check
check "check creates no file" test ! -e events.ndjson
check "check tests the columns of the route" has_line 'orders store: ok: the table has the columns that the route needs'
sed 's/path: shop.db/path: shop.db, table: other/' outbox.yaml >other.yaml
check "check reports a missing table" exits_with_line 78 "orders store: error: check outbox database shop.db: no such table: other; create it with 'outbox init'" \
  "$OUTBOX" check -c other.yaml
check "check of a missing table reports no columns" eval '! grep "no column" "$out"'
printf '    route: { topic: "${region}" }\n' | config
check "init reports a column that the route needs" \
  exits_with_match 0 '^orders: the tables exist, but cannot be relayed as they are: .* has no column "region"' "$OUTBOX" init
check "init does not report such a table as ready" eval '! grep ready "$out"'
check "check fails for a missing column" fails 78 "$OUTBOX" check
check "check names the missing column" has_match '^orders store: error: .* has no column "region"'
config </dev/null
check "status of an empty outbox is 0" exits_with_match 0 '^  pending    0$' "$OUTBOX" status
check "status without a service says what it cannot know" has_line '  relay      unknown: only the running relay knows its state, rate and blocked keys; set service.listen, as in "127.0.0.1:9464", or read its log'
check "status --check without a relay exits 69" exits_with_line 69 '  problem    no relay owns the outbox: start outbox run' "$OUTBOX" status --check
check "status --check --json lists the problems" exits_with_match 69 '"no relay owns the outbox: start outbox run"' "$OUTBOX" status --check --json
check "status without --check exits 0" works "$OUTBOX" status --json
check "it has no problems then" eval '! grep problems "$out"'
check "status --max-age needs a duration" exits_with_line 64 "outbox status: --max-age needs a duration, like 90s or 10m, not '5'; see outbox status --help" "$OUTBOX" status --max-age 5
check "drain --timeout needs a duration" exits_with_line 64 "outbox drain: --timeout needs a duration, like 90s or 10m, not 'soon'; see outbox drain --help" "$OUTBOX" drain --timeout soon
check "add reports one event" exits_with_line 0 'orders: added 1 event' add 7 '{"total": 12.50}'
check "add requires an aggregate id" exits_with_line 64 'outbox add: --aggregate-id is missing; see outbox add --help' \
  "$OUTBOX" add --aggregate-type order --type placed --payload x
check "add refuses two payloads" exits_with_line 64 'outbox add: --null and a payload exclude each other; see outbox add --help' \
  "$OUTBOX" add --aggregate-type order --aggregate-id 7 --type placed --null --payload x
stdin_payload() { printf 'from stdin' | "$OUTBOX" add --aggregate-type order --aggregate-id 8 --type placed - >"$out" 2>"$err"; }
check "add reads a payload from stdin" stdin_payload
check "init reports what the first run will publish" exits_with_line 0 'orders: 2 events are pending: the first run publishes them' "$OUTBOX" init
check "status counts two events" exits_with_match 0 '^  pending    2$' "$OUTBOX" status
check "status --json has the count" exits_with_match 0 '"pending": 2' "$OUTBOX" status --json
check "drain reports two events" exits_with_match 0 '^relayed 2 events in ' "$OUTBOX" drain
check "drain in a pipe prints nothing on stderr" stderr_is_empty
{ cat outbox.yaml; echo 'service: { balance: true }'; } >balance.yaml
check "run refuses to share an outbox of SQLite" exits_with_match 78 "service.balance: the store of relay 'orders' cannot be shared between processes" \
  "$OUTBOX" run -c balance.yaml
check "drain shares nothing" exits_with_match 0 '^relayed 0 events in ' "$OUTBOX" drain -c balance.yaml
check "drained events are in the file" lines events.ndjson 2
check "payload is published byte for byte" grep -qF '"payload":"{\"total\": 12.50}"' events.ndjson
check "add without a payload succeeds" exits_with_line 0 'orders: added 1 event' "$OUTBOX" add --aggregate-type order --aggregate-id 7 --type gone
check "event without a payload is a tombstone" exits_with_match 0 '"type":"gone".*"payload":null}' bash -c '"$OUTBOX" drain >/dev/null && tail -n 1 events.ndjson'
check "drain of an empty outbox reports 0 events" exits_with_match 0 '^relayed 0 events in ' "$OUTBOX" drain
check "status after the drain is 0" exits_with_match 0 '^  pending    0$' "$OUTBOX" status

id_of() { "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --event-id "$@"; }
uuid=0B9C1B5E-7d2f-4a55-9d0b-3a1f6e7c8d90
no_uuid="is not a UUID, like 0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90; if the table has other ids, name its column, columns: {event_id: NAME}"
for id in zz '' "${uuid}0" "${uuid%0}" "${uuid//-/0}"; do
  check "invalid event id '$id' is refused" exits_with_line 65 "outbox add: event id '$id' $no_uuid" id_of "$id"
done
check "UUID is accepted as event id" works id_of "$uuid"
sed 's/path: shop.db/path: shop.db, columns: {event_id: event_id}/' outbox.yaml >named.yaml
check "any id is accepted if columns names its column" works id_of zz -c named.yaml
check "events with these ids are published" eval 'works "$OUTBOX" drain && tail -n 2 events.ndjson | sed "s/.*,\"id\":\"\([^\"]*\)\".*headers.*/\1/" >ids && printf "%s\n" "$uuid" zz | cmp - ids'

check "invalid headers are refused" exits_with_match 65 "^outbox add: --headers must be a JSON object, like '\{\"tenant\": \"a\"\}': .*near 'zzz'" "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --headers zzz
check "headers must be an object" exits_with_line 65 "outbox add: --headers must be a JSON object, like '{\"tenant\": \"a\"}': it is another type of value" "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --headers '[1]'

# ---- add --ndjson ----
pipe_lines() { printf "$1" | "$OUTBOX" add --ndjson; }
ndjson() { # CODE INPUT
  pipe_lines "$2" >"$out" 2>"$err"
  [ $? = "$1" ]
}
good='{"aggregatetype":"a","aggregateid":"1","type":"t","payload":{"n": 1.0, "big": 12345678901234567890}}\n'
check "add --ndjson adds two lines" ndjson 0 "$good\n$good"
check "add --ndjson reports the count" has_line 'orders: added 2 events'
check "add --ndjson stops at an invalid line" ndjson 65 "$good${good}nonsense\n$good"
check "error names the invalid line" has_match '^outbox add: line 3: not valid JSON at column [0-9]+: '
check "lines before it are committed" has_line 'orders: added 2 events'
check "unknown name in a line is refused" ndjson 65 '{"aggregatetype":"a","aggregateid":"1","typ":"t"}\n'
check "error lists the known names" has_line 'outbox add: line 1: unknown name "typ"; known are aggregatetype, aggregateid, type, payload, headers and event_id'
check "missing name in a line is refused" ndjson 65 '{"aggregatetype":"a","type":"t"}\n'
check "error names the missing name" has_line 'outbox add: line 1: "aggregateid" is missing'
no_text='\u0000 is a character that databases cannot store in text'
check "NUL character in a line is refused" ndjson 65 '{"aggregatetype":"a","aggregateid":"1","type":"\\u0000"}\n'
check "error explains the NUL character" has_line "outbox add: line 1: not valid JSON at column 54: $no_text"
check "invalid event id in a line is refused" ndjson 65 '\n{"aggregatetype":"a","aggregateid":"1","type":"t","event_id":"zz"}\n'
check "error names line and id" has_line "outbox add: line 2: event id 'zz' $no_uuid"
check "headers with a NUL character are refused" exits_with_line 65 "outbox add: --headers must be a JSON object, like '{\"tenant\": \"a\"}': $no_text" \
  "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --headers '{"a":"\u0000"}'
many() { for i in $(seq 1234); do printf '{"aggregatetype":"a","aggregateid":"%d","type":"t","payload":"%d"}\n' $((i % 7)) "$i"; done | "$OUTBOX" add --ndjson >"$out" 2>"$err"; }
check "add --ndjson uses several transactions" many
check "all lines of them are added" has_line 'orders: added 1234 events'
long_line() { # many blocks
  { printf '{"aggregatetype":"a","aggregateid":"1","type":"t","payload":"'; head -c 3000000 /dev/zero | tr '\0' x; printf '"'; } |
    "$OUTBOX" add --ndjson >"$out" 2>"$err"
}
check "unterminated long line is refused" eval 'long_line; [ $? = 65 ]'

# ---- closed standard descriptors ----
no_stdin() { "$OUTBOX" add --ndjson <&- >"$out" 2>"$err"; [ $? = 69 ]; }
check "closed stdin is an error" no_stdin
check "error names stdin" has_line 'outbox add: read events from stdin: Bad file descriptor'
closed_stdout() { "$@" >&-; }
no_stdout() { "$OUTBOX" status >&- 2>"$err"; [ $? = 69 ]; }
check "closed stdout is an error" no_stdout
check "error names stdout" has_line 'outbox: write to stdout: Bad file descriptor'
check "all standard descriptors can be closed" eval '"$OUTBOX" init <&- >&- 2>&-; [ $? = 69 ]'
check "the database is undamaged" exits_with_match 0 '^  pending    1238$' "$OUTBOX" status
check "drain publishes all of them" exits_with_match 0 '^relayed 1238 events in ' "$OUTBOX" drain
check "JSON payloads keep their text" grep -qF '"payload":"{\"n\": 1.0, \"big\": 12345678901234567890}"' events.ndjson

# ---- add reports its result on stderr if stdout fails ----
reports_on_stderr() { # CODE STDOUT TEXT COMMAND...
  local code=$1 to=$2 text=$3; shift 3
  "$@" >"$to" 2>"$err"; [ $? = "$code" ] && grep -qxF "outbox add: write to stdout: $text" "$err"
}
full='No space left on device;' still='in the outbox: do not add'
check "add with a full stdout exits 0" reports_on_stderr 0 /dev/full "$full the event is $still it again" add 7 reported
check "report on stderr names the event id" reports_on_stderr 0 /dev/full "$full event $uuid is $still it again" id_of "$uuid"
check "report goes to stderr without stdout" eval 'reports_on_stderr 0 /dev/null "Bad file descriptor; the event is $still it again" closed_stdout add 7 reported'
check "report counts the lines" reports_on_stderr 0 /dev/full "$full 2 events are $still them again" pipe_lines "$good$good"
check "invalid line keeps its exit code" reports_on_stderr 65 /dev/full "$full the event is $still it again" pipe_lines "${good}nonsense\n"
check "and its error text" grep -q '^outbox add: line 2: not valid JSON' "$err"
check "report counts no lines" reports_on_stderr 65 /dev/full "$full 0 events are in the outbox" pipe_lines 'nonsense\n'
check "each event is there once" exits_with_match 0 '^  pending    6$' "$OUTBOX" status
check "drain publishes them" works "$OUTBOX" drain

# ---- dead, plugins ----
check "dead list of none succeeds" works "$OUTBOX" dead list
check "dead requires an action" exits_with_line 64 'outbox dead: an argument is missing; see outbox dead --help' "$OUTBOX" dead
check "dead refuses an unknown action" exits_with_line 64 "outbox dead: unknown action 'bury': list, show, replay or drop; see outbox dead --help" "$OUTBOX" dead bury
check "dead drop requires numbers" exits_with_line 64 'outbox dead: numbers are missing: give the numbers of dead letters, a filter, or --all; see outbox dead --help' "$OUTBOX" dead drop
check "dead drop of an unknown number is an error" exits_with_line 65 'outbox dead: 1 of 1 numbers are no dead letters of orders: 99' "$OUTBOX" dead drop 99
check "plugins lists the installed ones" exits_with_match 0 '^store   sqlite ' "$OUTBOX" plugins
check "plugins NAME lists its options" exits_with_match 0 '^    path' "$OUTBOX" plugins sqlite
check "plugins --json prints JSON" exits_with_match 0 '"name": "sqlite"' "$OUTBOX" plugins --json
check "unknown plugin is an error" exits_with_match 78 "^outbox plugins: no plugin 'oracle' is built in or in " "$OUTBOX" plugins oracle
check "--print-config can be read back" eval '"$OUTBOX" check --print-config >effective.yaml && "$OUTBOX" check -c effective.yaml >"$out" 2>"$err"'

# ---- events that cannot be published ----
nameless() { "$OUTBOX" add --aggregate-type '' --aggregate-id "$1" --type t --payload "$2"; }
bad_route() { printf '    route: { topic: "${aggregatetype}" }\n    on_reject: %s\n' "$1" | config; }
bad_route block-key
check "event without a topic is added" works nameless 1 stuck
check "later event of its key is added" works add 1 waits
check "event of another key is added" works add 2 passes
check "drain with a blocked key exits 65" fails 65 "$OUTBOX" drain
check "drain lists the blocked key" has_match '^outbox drain: orders: .*/1 is blocked by event .*, 1 waiting: topic is empty'
check "other keys are published" grep -q '"key":"2".*"payload":"passes"' events.ndjson
bad_route park
check "drain with on_reject: park exits 0" exits_with_match 0 '^1 went to the dead letters; see outbox dead list$' "$OUTBOX" drain
twice_in_watch() { [ "$(timeout 120 "$OUTBOX" status --watch=50ms "$@" 2>"$err" | grep -m 2 -c pending)" = 2 ]; }
check "status --watch prints the status again" twice_in_watch
check "status --watch --json prints the object again" twice_in_watch --json
check "status --watch needs a duration" exits_with_line 64 "outbox status: --watch needs a duration, like 2s, not 'soon'; see outbox status --help" "$OUTBOX" status --watch=soon
check "status --check with dead letters exits 65" exits_with_line 65 '  problem    1 dead letters wait; see outbox dead list' "$OUTBOX" status --check
check "dead list prints the letter" exits_with_match 0 '^1 .* t  attempts 1: topic is empty' "$OUTBOX" dead list
check "dead list --json has its payload" exits_with_match 0 '"number":1,.*"payload":"stuck"' "$OUTBOX" dead list --json
check "dead show prints its payload" exits_with_match 0 '^  payload        stuck$' "$OUTBOX" dead show 1
check "dead show names missing numbers" exits_with_line 65 'outbox dead: 2 of 3 numbers are no dead letters of orders: 99, 100' \
  "$OUTBOX" dead show 99 1 100
check "dead show prints the other ones" has_line '  payload        stuck'
check "dead replay counts a repeated number once" exits_with_line 0 'orders: 1 back in the outbox' "$OUTBOX" dead replay 1 1
printf '    route: { topic: "all" }\n' | config
check "replayed event is published" exits_with_match 0 '^relayed 1 event in ' "$OUTBOX" drain
check "its payload is unchanged" grep -q '"topic":"all".*"payload":"stuck"' events.ndjson
cat >late.yaml <<'Y'
relays:
  orders:
    store: { plugin: sqlite, path: shop.db }
    broker: { plugin: fault, calls: publish, kind: retry, wraps: { plugin: file, path: events.ndjson } }
Y
check "event for a broker that never takes it is added" works add 5 late
check "drain --timeout with only blocked events exits 65" exits_with_match 65 '^outbox drain: orders: not drained within 5s: relaying, 0 events removed, 1 blocked$' "$OUTBOX" drain --timeout 5s -c late.yaml
check "it lists what is left and why" has_match '^outbox drain: orders: outbox.event.order/5 is blocked by event .*, 1 waiting: .*publish: failed on purpose by the fault plugin: retry'
check "the rest is drained" works "$OUTBOX" drain --timeout 1m
check "event that cannot be removed is added" works add 6 kept
sqlite shop.db "CREATE TRIGGER keeps BEFORE DELETE ON outbox BEGIN SELECT raise(abort, 'kept on purpose'); END"
check "drain with a row that cannot be removed exits 65" fails 65 "$OUTBOX" drain --timeout 1m
check "it prints why" has_match '^outbox drain: orders: 1 published rows cannot be removed, one is row [0-9]+.*kept on purpose'
check "status names the row" exits_with_match 0 '^  row        1 of the first 1000 rows .* cannot be removed, [0-9]+; .*kept on purpose' "$OUTBOX" status
check "status --json names it" exits_with_match 0 'cannot be removed, .*kept on purpose' "$OUTBOX" status --json
check "status --check exits 65" exits_with_line 65 '  problem    rows stay in the outbox until they are corrected' "$OUTBOX" status --check
sqlite shop.db 'DROP TRIGGER keeps'
check "it is removed later" works "$OUTBOX" drain
bad_route park
sqlite shop.db "CREATE TRIGGER refuses BEFORE INSERT ON outbox_dead BEGIN SELECT raise(abort, 'refused on purpose'); END"
check "event without a topic is added once more" works nameless 7 parked
check "drain with a row that cannot become a dead letter exits 65" fails 65 "$OUTBOX" drain --timeout 1m
check "it prints why" has_match '^outbox drain: orders: 1 rejected events cannot become dead letters: .*refused on purpose'
sqlite shop.db 'DROP TRIGGER refuses'
check "it is moved later" eval 'works "$OUTBOX" drain && works "$OUTBOX" dead drop --all'
bad_route stop
check "another event without a topic is added" works nameless 1 halts
check "drain with on_reject: stop exits 65" fails 65 "$OUTBOX" drain
check "drain prints the reason" has_match '^outbox drain: orders: event .* cannot be published, the relay has halted \(on_reject: stop\): topic is empty.*; correct or delete the event'
bad_route park
check "drain with on_reject: park moves it" works "$OUTBOX" drain
check "dead drop --all reports the count" exits_with_line 0 'orders: 1 dropped' "$OUTBOX" dead drop --all
check "event with an escape sequence is added" nameless $'2\n\e[31m3' $'red\e[31m'
check "drain prints its key on one line" eval 'bad_route block-key; fails 65 "$OUTBOX" drain && has_match "^outbox drain: orders: /2.n.x1b.31m3 is blocked by"'
bad_route park
check "it becomes a dead letter" works "$OUTBOX" drain
check "dead list prints it on one line" exits_with_match 0 '^[0-9]+ .* /2\\n\\x1b\[31m3  t  attempts 1: topic is empty' "$OUTBOX" dead list
check "dead show prints its payload byte for byte" exits_with_line 0 $'  payload        red\e[31m' "$OUTBOX" dead show --all
check "dead drop removes it" works "$OUTBOX" dead drop --all
for size in 1 2 3; do
  bytes=$(printf '\377\376\375' | head -c $size) digits=$(printf '\377\376\375' | head -c $size | base64)
  check "event of $size invalid bytes is added" nameless "$bytes" "$bytes"
  check "it becomes a dead letter" works "$OUTBOX" drain
  check "dead list --json encodes key and payload" exits_with_match 0 "\"key\":\{\"base64\":\"$digits\"\},.*\"payload_base64\":\"$digits\"\}$" "$OUTBOX" dead list --json
  check "dead drop removes it" works "$OUTBOX" dead drop --all
done

# ---- dead letters that come back while a relay runs ----
printf "$park_key_route" | config
replayed_events_go_out

# ---- rows that cannot be relayed ----
config </dev/null
sqlite shop.db "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES (0, 'order', '1', 'placed', 'never')"
check "drain with a row below id 1 exits 65" fails 65 "$OUTBOX" drain
check "drain names the rows" has_match '1 rows of table .*outbox.* can not be relayed: ids must be above 0'
sqlite shop.db "DELETE FROM outbox WHERE id = 0"
check "drain without it exits 0" works "$OUTBOX" drain
config </dev/null

# ---- limits of the process ----
limited() { (ulimit "$1" "$2"; shift 2; exec "$@"); } # -L VALUE COMMAND...
check "12 descriptors are too any_limit" fails 69 limited -n 12 "$OUTBOX" status
check "error advises to raise the limit" has_match '^outbox status: .*shop\.db: unable to open database file; no file descriptor is left: raise the limit'
any_limit() { # the limit is reached while it makes its loop, loads its plugins, or later; a sanitizer needs more
  local n
  for n in $(seq 4 24); do
    (ulimit -n "$n"; exec timeout -s KILL 120 "$OUTBOX" status) >"$out" 2>"$err" </dev/null
    case $? in 0) return ;; 69) ;; *) echo "# with $n: $?" && return 1 ;; esac
  done
}
check "any number of descriptors exits 0 or 69" any_limit
if works limited -v 30000 "$OUTBOX" --version; then # not with a sanitizer
  check "memory for threads is too small" fails 69 limited -v 30000 "$OUTBOX" status
  check "error advises to raise the limit" has_match '^outbox status: start worker [1-4] of 4: .*; raise the limit on processes or memory'
fi

# ---- a server that cannot be reached ----
if works "$OUTBOX" plugins postgres; then
  cat >away.yaml <<'Y'
relays:
  orders:
    store: { plugin: postgres, dsn: "host=127.0.0.1 port=1 dbname=shop user=relay connect_timeout=5" }
    broker: { plugin: file, path: events.ndjson }
Y
  for verb in init check status drain; do
    check "$verb without its server exits 69" fails 69 "$OUTBOX" $verb -c away.yaml
    check "$verb names the server" has_match '127\.0\.0\.1'
    check "$verb prints one error" eval '[ "$(cat "$out" "$err" | grep -c 127\.0\.0\.1)" = 1 ]'
  done
  for port in abc 0 65536 1,2 ',x'; do
    sed "s/port=1 /port=$port /" away.yaml >port.yaml
    check "port $port is refused" exits_with_line 78 'outbox run: port.yaml:3:32: dsn: port is neither one number from 1 to 65535 nor a list with one for each host' \
      "$OUTBOX" run -c port.yaml
  done
  sed 's/port=1 /sslmode=full /' away.yaml >mode.yaml
  for seconds in abc 5s ' '; do
    sed "s/connect_timeout=5/connect_timeout='$seconds'/" away.yaml >seconds.yaml
    check "connect_timeout '$seconds' is refused" exits_with_line 78 'outbox run: seconds.yaml:3:32: dsn: connect_timeout is not a number of seconds' \
      "$OUTBOX" run -c seconds.yaml
  done
  for server in standby read-only prefer-standby none; do
    sed "s/port=1 /port=1 target_session_attrs=$server /" away.yaml >server.yaml
    check "target_session_attrs=$server is refused" exits_with_match 78 '^outbox run: server.yaml:3:32: dsn: target_session_attrs is neither any nor read-write nor primary; ' \
      "$OUTBOX" run -c server.yaml
  done
  for server in any read-write primary; do
    sed "s/port=1 /port=1 target_session_attrs=$server /" away.yaml >server.yaml
    check "target_session_attrs=$server is accepted" fails 69 "$OUTBOX" check -c server.yaml
  done
  check "unknown sslmode is refused" exits_with_match 78 '^outbox run: mode.yaml:3:32: dsn: there is no such sslmode; write verify-full, ' "$OUTBOX" run -c mode.yaml
  sed 's|dsn: "[^"]*"|dsn: "postgresql://relay:half@secret@db/shop"|' mode.yaml >at.yaml
  check "password with an unescaped @ is refused and not shown" exits_with_line 78 'outbox run: at.yaml:3:32: dsn: a host has an @, which is probably a part of the password; write it as %40 in a URI' \
    "$OUTBOX" run -c at.yaml
  for name in '' café "$(printf '%064d' 0)"; do
    sed "s/connect_timeout=5\"/&, application_name: \"$name\"/" away.yaml >name.yaml
    check "application_name '$name' is refused" exits_with_line 78 "outbox run: name.yaml:3:103: application_name: \"$name\" is no name that the server keeps; write 1 to 63 printable ASCII characters" \
      "$OUTBOX" run -c name.yaml
  done
  refuses_dsn() { # DSN TEXT
    sed "s|dsn: \"[^\"]*\"|dsn: \"$1\"|" away.yaml >foreign.yaml
    exits_with_line 78 "outbox run: foreign.yaml:3:32: dsn: $2" "$OUTBOX" run -c foreign.yaml
  }
  for scheme in jdbc:postgresql postgresql+psycopg2 mysql; do
    check "dsn of $scheme is refused" refuses_dsn "$scheme://u:secret@db/shop" "'$scheme:' is no scheme of libpq; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
  done
  check "parameter of Prisma is named" refuses_dsn 'postgresql://u:secret@db/shop?schema=public' 'libpq has no parameter "schema"; write the schema into the option table'
  check "parameter of JDBC is named" refuses_dsn 'postgresql://u:secret@db/shop?currentSchema=public' 'libpq has no parameter "currentSchema"; write the schema into the option table'
  sed 's/user=relay/user=relay password=${OBX_TEST_PASSWORD}/' away.yaml >quoted.yaml
  for password in 'a b' "it's" 'back\slash' ''; do
    check "password '$password' of the environment is one value" exits_with_match 69 '127\.0\.0\.1' env OBX_TEST_PASSWORD="$password" "$OUTBOX" check -c quoted.yaml
  done
  sed 's/dsn: "[^"]*"/dsn: "host=${OBX_TEST_HOST} port=1 dbname=shop user=relay connect_timeout=5"/' away.yaml >host.yaml
  check "a space of the environment stays in its value" exits_with_match 69 'no such\.host' env OBX_TEST_HOST='no such.host' "$OUTBOX" check -c host.yaml
  sed 's/host=127.0.0.1 port=1 /service=shop /' away.yaml >service.yaml
  check "service without a host is refused" exits_with_line 78 'outbox run: service.yaml:3:32: dsn: a service (service=, PGSERVICE) hides its host from the relay, which resolves hosts itself; write host= as well' \
    "$OUTBOX" run -c service.yaml
  sed 's/host=127.0.0.1 port=1 /host=127.0.0.1,127.0.0.1 port=1,1 /' away.yaml >both.yaml
  check "one port per host is accepted" fails 69 "$OUTBOX" check -c both.yaml
  check "init --print-sql needs no server" exits_with_match 0 '^CREATE TABLE IF NOT EXISTS "outbox" \($' "$OUTBOX" init --print-sql -c away.yaml
  check "init --print-grants needs no server" exits_with_match 0 '^GRANT SELECT, DELETE ON "outbox" TO "relay";$' "$OUTBOX" init --print-grants -c away.yaml
  check "a column that the table may lack is granted by itself" has_match '^GRANT SELECT \("created_at"\) ON "outbox" TO "application";$'
  check "init --payload chooses the type of the payload" exits_with_match 0 '^    "payload" bytea,$' "$OUTBOX" init --print-sql --payload bytea -c away.yaml
  check "unknown type of a payload is refused" exits_with_match 78 "'payload_type' must be one of text, json, bytea, not 'blob'" "$OUTBOX" init --print-sql --payload blob -c away.yaml
  check "--for names the role of the writers" exits_with_match 0 ' TO "shop ""app""";$' "$OUTBOX" init --print-grants --for 'shop "app"' -c away.yaml
  check "--for names the role of the consumers" exits_with_match 0 ' TO "mailer";$' "$OUTBOX" init --inbox --print-grants --for mailer -c away.yaml
  check "no placeholder is left" eval '! grep -E "application|\"consumer\"" "$out"'
  check "add without its server exits 69" fails 69 "$OUTBOX" add -c away.yaml --aggregate-type a --aggregate-id 1 --type t --payload p
fi

# ---- no permission: as another user, where one can reach the program ----
nobody() { setpriv --reuid=65534 --clear-groups "$@"; }
chmod 755 "$dir"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && works setpriv --reuid=65534 --clear-groups "$OUTBOX" plugins sqlite; then
  chmod 600 outbox.yaml shop.db
  check "unreadable configuration exits 77" fails 77 nobody "$OUTBOX" check
  check "error names the configuration" has_match '^outbox check: .*outbox\.yaml.*[Pp]ermission denied'
  chmod 644 outbox.yaml
  check "unreadable database exits 77" fails 77 nobody "$OUTBOX" status
  check "error names the database" has_match '^outbox status: .*shop\.db.*permission denied'
fi

# ---- the examples ----
for example in "$source_root"/examples/*.yaml; do
  kafka=; grep -q 'plugin: kafka' "$example" && kafka=1
  if [ -z "$kafka" ] || works "$OUTBOX" plugins kafka; then
    check "${example##*/} is valid" works "$OUTBOX" check --print-config -c "$example"
  fi
done

# ---- several relays ----
config <<'Y'
  bills:
    store: { plugin: sqlite, path: bills.db }
    broker: { plugin: file, path: bills.ndjson }
Y
check "init creates both outboxes" exits_with_line 0 'bills: the outbox is ready' "$OUTBOX" init
check "add requires --relay" exits_with_line 78 'outbox add: ./outbox.yaml has several relays; choose one with --relay: orders, bills' add 7 x
check "add --relay uses that outbox" exits_with_line 0 'bills: added 1 event' "$OUTBOX" add --relay bills --aggregate-type bill --aggregate-id 1 --type sent --null
check "drain of both reports one event" exits_with_match 0 '^relayed 1 event in ' "$OUTBOX" drain
check "--null publishes a tombstone" grep -qF '"payload":null' bills.ndjson
plan
