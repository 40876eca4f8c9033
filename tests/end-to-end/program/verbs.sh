#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every verb from the outside: what it prints, on which stream, and how it ends.
. "$(dirname "$0")/lib.sh"

says() { # CODE LINE COMMAND...: ends with the code and says the line, exactly
  local code=$1 line=$2; shift 2
  fails "$code" "$@" && said "$line"
}
shows() { # CODE PATTERN COMMAND...
  local code=$1 pattern=$2; shift 2
  fails "$code" "$@" && matched "$pattern"
}

# ---- the command line ----
check "--version" shows 0 '^outbox [0-9]+\.[0-9]+\.[0-9]+$' "$OUTBOX" --version
check "--help lists the verbs" shows 0 '^  drain     relay until the outbox is empty, then exit 0$' "$OUTBOX" --help
check "no verb" says 64 'outbox: no verb given; see outbox --help' "$OUTBOX"
check "unknown verb" says 64 "outbox: unknown verb 'frob'; see outbox --help" "$OUTBOX" frob
verbs() { works "$OUTBOX" --help && sed -n 's/^  \([a-z]*\)  .*/\1/p' "$out"; }
manual() { sed -n '/^.SH VERBS/,/^.SH EXIT/s/^.B \([a-z]*\)$/\1/p' "$source_root/docs/outbox.1"; }
check "the manual page has all verbs" eval '[ "$(verbs)" = "$(manual)" ]'
for verb in init check run drain add status dead plugins bench; do
  check "$verb --help" shows 0 "^usage: outbox $verb " "$OUTBOX" $verb --help
  check "$verb --frob" says 64 "outbox $verb: unknown or ambiguous option --frob; see outbox $verb --help" "$OUTBOX" $verb --frob
done
check "an option without its value" says 64 'outbox run: option -c needs a value; see outbox run --help' "$OUTBOX" run -c
check "-h after a verb" shows 0 '^usage: outbox run ' "$OUTBOX" run -h
check "an argument too many" says 64 "outbox run: unexpected argument 'now'; see outbox run --help" "$OUTBOX" run now

# ---- finding the configuration ----
none="outbox run: read the configuration: \$OUTBOX_CONFIG is not set and neither ./outbox.yaml nor /etc/outbox/outbox.yaml exists; write one, or name it with -c FILE"
[ -e /etc/outbox/outbox.yaml ] || check "no configuration" says 78 "$none" "$OUTBOX" run
check "-c names no file" shows 78 '^outbox run: .*missing\.yaml' "$OUTBOX" run -c missing.yaml
check "-c names nothing" says 78 'outbox check: read the configuration: the value of -c is empty; name a file' "$OUTBOX" check -c ''
echo 'service: {}' >empty.yaml
check "no relays" says 78 'outbox run: empty.yaml:1:1: no relays: there must be a section `relays:` with at least one relay in it' \
  "$OUTBOX" run -c empty.yaml
config </dev/null
echo 'servce: {}' >>outbox.yaml
check "unknown key, with the nearest" says 78 "outbox check: ./outbox.yaml:5:1: unknown key 'servce'; did you mean 'service'?" "$OUTBOX" check
config </dev/null
echo 'service: { listen: "127.0.0.1" }' >>outbox.yaml
check "an address that is none" shows 78 "^outbox check: service.listen: '127.0.0.1' is not ADDRESS:PORT" "$OUTBOX" check
check "a pipe that is no configuration" eval 'mkfifo pipe && says 78 "outbox check: read configuration pipe: it is a pipe without a writer; name a regular file" "$OUTBOX" check -c pipe'
check "one that is written into does" works "$OUTBOX" check --print-config -c <(config </dev/null && cat outbox.yaml)
printf '    route: { topic: "" }\n' | config
check "a route without a topic" shows 78 '^outbox check: ./outbox.yaml:5:14: topic is empty; ' "$OUTBOX" check
config </dev/null
long=$(printf 'r%.0s' $(seq 64))
long_name() { sed "s/^  orders:/  $long:/" outbox.yaml >long.yaml; }
check "a relay's name that is too long" eval 'long_name && says 78 "outbox status: long.yaml:2:3: the relay'"'"'s name '"'"'rrrrrrrrrrrrrrrrrrrr...'"'"' has 64 bytes; give it at most 63" "$OUTBOX" status -c long.yaml'
printf 'relays:\n  a:\n    store: { plugin: sqlite, path: a.db }\n    broker: { plugin: file, path: a.out }\n  b:\n    store: { plugin: sqlite, path: "" }\n    broker: { plugin: file, path: b/ }\n' >two.yaml
empty='two.yaml:6:5: read the option path: it is empty; name the database file'
check "what a plugin refuses has a place" says 78 "outbox check: $empty" "$OUTBOX" check -c two.yaml
check "in run, too" says 78 "outbox run: $empty" "$OUTBOX" run -c two.yaml
check "and in status" says 78 "outbox status: $empty" "$OUTBOX" status -c two.yaml
printf 'relays:\n  a:\n    store: { plugin: sqlite, path: a.db }\n    broker: { plugin: file, path: a.out }\n  b:\n    store: { plugin: sqlite, path: a.db, busy_timeout: 1s }\n    broker: { plugin: file, path: b.out }\n' >twins.yaml
twins="twins.yaml:6:5: relay 'b' reads the same outbox as relay 'a' (equal path, table); an outbox has one relay, so 'b' would stay standby: name another table, or remove it"
for verb in check run drain; do
  check "$verb refuses two relays on one outbox" says 78 "outbox $verb: $twins" "$OUTBOX" $verb -c twins.yaml
done
sed 's/a\.db, busy_timeout: 1s/b.db/; s/b\.out/a.out/' twins.yaml >pen.yaml
check "and two that write one file" says 78 "outbox run: pen.yaml:7:5: relay 'b' writes to the same target as relay 'a' (equal path), which allows one writer: give it another target" "$OUTBOX" run -c pen.yaml
check "not one of them alone" shows 78 "'outbox init'" "$OUTBOX" drain -c twins.yaml --relay b
check "unknown relay" says 78 "outbox check: ./outbox.yaml has no relay 'order'; it has: orders" "$OUTBOX" check --relay order
export OUTBOX_CONFIG=$dir/elsewhere.yaml
check "OUTBOX_CONFIG counts" shows 78 'elsewhere\.yaml' "$OUTBOX" check
unset OUTBOX_CONFIG

# ---- init, check, add, status, drain ----
check "check before init says what to do" shows 78 "'outbox init'" "$OUTBOX" check
check "drain before init" shows 78 "'outbox init'" "$OUTBOX" drain
check "init --print-sql prints" shows 0 'CREATE TABLE' "$OUTBOX" init --print-sql
check "and touches nothing" test ! -e shop.db
check "init --print-grants" says 0 "-- SQLite has no grants: the relay's user must be able to write the database file and its directory" \
  "$OUTBOX" init --print-grants
check "both of them" eval 'shows 0 "CREATE TABLE" "$OUTBOX" init --print-grants --print-sql && matched "^-- SQLite has no grants"'
check "init" says 0 'orders: the outbox is ready' "$OUTBOX" init
check "init again" says 0 'orders: the outbox is ready' "$OUTBOX" init
rm -f events.ndjson
check "check after init" shows 0 '^orders broker: ok: events\.ndjson can be made, [0-9]+ MiB are free$' "$OUTBOX" check
check "makes no file" test ! -e events.ndjson
check "it looked for the columns of the route" said 'orders store: ok: the table has the columns that the route needs'
sed 's/path: shop.db/path: shop.db, table: other/' outbox.yaml >other.yaml
check "check of a table that is not there" says 78 "orders store: error: check outbox database shop.db: no such table: other; create it with 'outbox init'" \
  "$OUTBOX" check -c other.yaml
check "names no columns" eval '! grep "no column" "$out"'
printf '    route: { topic: "${region}" }\n' | config
check "init says that the table lacks a column that the route needs" \
  shows 0 '^orders: the tables exist, but cannot be relayed as they are: .* has no column "region"' "$OUTBOX" init
check "does not call it ready" eval '! grep ready "$out"'
check "a column that the table has not" fails 78 "$OUTBOX" check
check "is named" matched '^orders store: error: .* has no column "region"'
config </dev/null
check "status, empty" shows 0 '^  pending    0$' "$OUTBOX" status
check "add" says 0 'orders: added 1 event' add 7 '{"total": 12.50}'
check "add needs an aggregate id" says 64 'outbox add: --aggregate-id is missing; see outbox add --help' \
  "$OUTBOX" add --aggregate-type order --type placed --payload x
check "add takes one payload" says 64 'outbox add: --null and a payload exclude each other; see outbox add --help' \
  "$OUTBOX" add --aggregate-type order --aggregate-id 7 --type placed --null --payload x
stdin_payload() { printf 'from stdin' | "$OUTBOX" add --aggregate-type order --aggregate-id 8 --type placed - >"$out" 2>"$err"; }
check "add -" stdin_payload
check "status, two" shows 0 '^  pending    2$' "$OUTBOX" status
check "status --json" shows 0 '"pending": 2' "$OUTBOX" status --json
check "drain" shows 0 '^relayed 2 events in ' "$OUTBOX" drain
check "drain is quiet in a pipe" silent
check "the events are there" lines events.ndjson 2
check "a payload is published byte for byte" grep -qF '"payload":"{\"total\": 12.50}"' events.ndjson
check "add without a payload" says 0 'orders: added 1 event' "$OUTBOX" add --aggregate-type order --aggregate-id 7 --type gone
check "is a tombstone" shows 0 '"type":"gone".*"payload":null}' bash -c '"$OUTBOX" drain >/dev/null && tail -n 1 events.ndjson'
check "drain of nothing" shows 0 '^relayed 0 events in ' "$OUTBOX" drain
check "status, empty again" shows 0 '^  pending    0$' "$OUTBOX" status

id_of() { "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --event-id "$@"; }
uuid=0B9C1B5E-7d2f-4a55-9d0b-3a1f6e7c8d90
no_uuid="is not a UUID, like 0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90; if the table has other ids, name its column, columns: {event_id: NAME}"
for id in zz '' "${uuid}0" "${uuid%0}" "${uuid//-/0}"; do
  check "the event id '$id'" says 65 "outbox add: event id '$id' $no_uuid" id_of "$id"
done
check "an event id" works id_of "$uuid"
sed 's/path: shop.db/path: shop.db, columns: {event_id: event_id}/' outbox.yaml >named.yaml
check "any id where its column is named" works id_of zz -c named.yaml
check "they are published" eval 'works "$OUTBOX" drain && tail -n 2 events.ndjson | sed "s/.*,\"id\":\"\([^\"]*\)\".*headers.*/\1/" >ids && printf "%s\n" "$uuid" zz | cmp - ids'

check "headers that are none" shows 65 "^outbox add: --headers must be a JSON object, like '\{\"tenant\": \"a\"\}': .*near 'zzz'" "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --headers zzz
check "headers that are no object" says 65 "outbox add: --headers must be a JSON object, like '{\"tenant\": \"a\"}': it is another type of value" "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --headers '[1]'

# ---- add --ndjson ----
given() { printf "$1" | "$OUTBOX" add --ndjson; }
ndjson() { # CODE INPUT
  given "$2" >"$out" 2>"$err"
  [ $? = "$1" ]
}
good='{"aggregatetype":"a","aggregateid":"1","type":"t","payload":{"n": 1.0, "big": 12345678901234567890}}\n'
check "ndjson" ndjson 0 "$good\n$good"
check "how many" said 'orders: added 2 events'
check "ndjson, a bad line" ndjson 65 "$good${good}nonsense\n$good"
check "the line is named" matched '^outbox add: line 3: not valid JSON at column [0-9]+: '
check "what came before is in" said 'orders: added 2 events'
check "ndjson, a wrong name" ndjson 65 '{"aggregatetype":"a","aggregateid":"1","typ":"t"}\n'
check "its message" said 'outbox add: line 1: unknown name "typ"; known are aggregatetype, aggregateid, type, payload, headers and event_id'
check "ndjson, a missing name" ndjson 65 '{"aggregatetype":"a","type":"t"}\n'
check "its message" said 'outbox add: line 1: "aggregateid" is missing'
no_text='\u0000 is a character that databases cannot store in text'
check "ndjson, a character that is none" ndjson 65 '{"aggregatetype":"a","aggregateid":"1","type":"\\u0000"}\n'
check "its message" said "outbox add: line 1: not valid JSON at column 54: $no_text"
check "ndjson, an id that is none" ndjson 65 '\n{"aggregatetype":"a","aggregateid":"1","type":"t","event_id":"zz"}\n'
check "its message" said "outbox add: line 2: event id 'zz' $no_uuid"
check "headers with a character that is none" says 65 "outbox add: --headers must be a JSON object, like '{\"tenant\": \"a\"}': $no_text" \
  "$OUTBOX" add --aggregate-type a --aggregate-id 1 --type t --headers '{"a":"\u0000"}'
many() { for i in $(seq 1234); do printf '{"aggregatetype":"a","aggregateid":"%d","type":"t","payload":"%d"}\n' $((i % 7)) "$i"; done | "$OUTBOX" add --ndjson >"$out" 2>"$err"; }
check "ndjson over several transactions" many
check "all of them" said 'orders: added 1234 events'
long_line() { # many blocks
  { printf '{"aggregatetype":"a","aggregateid":"1","type":"t","payload":"'; head -c 3000000 /dev/zero | tr '\0' x; printf '"'; } |
    "$OUTBOX" add --ndjson >"$out" 2>"$err"
}
check "ndjson, a long line that breaks off" eval 'long_line; [ $? = 65 ]'

# ---- standard descriptors that are closed ----
no_stdin() { "$OUTBOX" add --ndjson <&- >"$out" 2>"$err"; [ $? = 69 ]; }
check "no stdin to read from" no_stdin
check "says so" said 'outbox add: read events from stdin: Bad file descriptor'
closed_stdout() { "$@" >&-; }
no_stdout() { "$OUTBOX" status >&- 2>"$err"; [ $? = 69 ]; }
check "no stdout to write to" no_stdout
check "says so" said 'outbox: write to stdout: Bad file descriptor'
check "nothing at all" eval '"$OUTBOX" init <&- >&- 2>&-; [ $? = 69 ]'
check "the database took no harm" shows 0 '^  pending    1238$' "$OUTBOX" status
check "drain them" shows 0 '^relayed 1238 events in ' "$OUTBOX" drain
check "JSON payloads as they were written" grep -qF '"payload":"{\"n\": 1.0, \"big\": 12345678901234567890}"' events.ndjson

# ---- what add has done is told also where stdout takes nothing ----
unheard() { # CODE STDOUT SAYS COMMAND...: says it on stderr
  local code=$1 to=$2 says=$3; shift 3
  "$@" >"$to" 2>"$err"; [ $? = "$code" ] && grep -qxF "outbox add: write to stdout: $says" "$err"
}
full='No space left on device;' still='in the outbox: do not add'
check "add with a full stdout has added" unheard 0 /dev/full "$full the event is $still it again" add 7 heard
check "an event with an id is named" unheard 0 /dev/full "$full event $uuid is $still it again" id_of "$uuid"
check "without a stdout, too" eval 'unheard 0 /dev/null "Bad file descriptor; the event is $still it again" closed_stdout add 7 heard'
check "lines" unheard 0 /dev/full "$full 2 events are $still them again" given "$good$good"
check "a bad line is one all the same" unheard 65 /dev/full "$full the event is $still it again" given "${good}nonsense\n"
check "and is named" grep -q '^outbox add: line 2: not valid JSON' "$err"
check "none" unheard 65 /dev/full "$full 0 events are in the outbox" given 'nonsense\n'
check "each is there once" shows 0 '^  pending    6$' "$OUTBOX" status
check "drain them" works "$OUTBOX" drain

# ---- dead, plugins ----
check "dead list, none" works "$OUTBOX" dead list
check "dead needs an action" says 64 'outbox dead: an argument is missing; see outbox dead --help' "$OUTBOX" dead
check "dead, unknown action" says 64 "outbox dead: unknown action 'bury': list, show, replay or drop; see outbox dead --help" "$OUTBOX" dead bury
check "dead drop of what?" says 64 'outbox dead: numbers are missing: give the numbers of dead letters, or --all; see outbox dead --help' "$OUTBOX" dead drop
check "dead drop of a number that is none" says 65 'outbox dead: 1 of 1 numbers are no dead letters of orders: 99' "$OUTBOX" dead drop 99
check "plugins" shows 0 '^store   sqlite ' "$OUTBOX" plugins
check "plugins NAME" shows 0 '^    path' "$OUTBOX" plugins sqlite
check "plugins --json" shows 0 '"name": "sqlite"' "$OUTBOX" plugins --json
check "no such plugin" shows 78 "^outbox plugins: no plugin 'oracle' is built in or in " "$OUTBOX" plugins oracle
check "--print-config reads back" eval '"$OUTBOX" check --print-config >effective.yaml && "$OUTBOX" check -c effective.yaml >"$out" 2>"$err"'

# ---- events that cannot go ----
nameless() { "$OUTBOX" add --aggregate-type '' --aggregate-id "$1" --type t --payload "$2"; }
bad_route() { printf '    route: { topic: "${aggregatetype}" }\n    on_reject: %s\n' "$1" | config; }
bad_route block-key
check "an event without a topic" works nameless 1 stuck
check "and one behind it" works add 1 waits
check "and another key" works add 2 passes
check "drain, blocked" fails 65 "$OUTBOX" drain
check "lists what blocks" matched '^outbox drain: orders: .*/1 is blocked by event .*, 1 waiting: topic is null or empty'
check "lets the others pass" grep -q '"key":"2".*"payload":"passes"' events.ndjson
bad_route park
check "drain, parking" shows 0 '^1 went to the dead letters; see outbox dead list$' "$OUTBOX" drain
check "dead list" shows 0 '^1 .* t  attempts 1: topic is null or empty' "$OUTBOX" dead list
check "dead list --json" shows 0 '"number":1,.*"payload":"stuck"' "$OUTBOX" dead list --json
check "dead show" shows 0 '^  payload        stuck$' "$OUTBOX" dead show 1
check "dead show names what is missing" says 65 'outbox dead: 2 of 3 numbers are no dead letters of orders: 99, 100' \
  "$OUTBOX" dead show 99 1 100
check "and shows the others" said '  payload        stuck'
check "dead replay, twice the same" says 0 'orders: 1 back in the outbox' "$OUTBOX" dead replay 1 1
printf '    route: { topic: "all" }\n' | config
check "drain, mended" shows 0 '^relayed 1 events' "$OUTBOX" drain
check "the dead one is there" grep -q '"topic":"all".*"payload":"stuck"' events.ndjson
bad_route stop
check "an event without a topic" works nameless 1 halts
check "drain, on_reject: stop" fails 65 "$OUTBOX" drain
check "says why" matched '^outbox drain: orders: '
bad_route park
check "park it" works "$OUTBOX" drain
check "dead drop --all" says 0 'orders: 1 dropped' "$OUTBOX" dead drop --all
check "an event that would draw on the terminal" nameless $'2\n\e[31m3' $'red\e[31m'
check "is listed by drain in one line" eval 'bad_route block-key; fails 65 "$OUTBOX" drain && matched "^outbox drain: orders: /2.n.x1b.31m3 is blocked by"'
bad_route park
check "is parked" works "$OUTBOX" drain
check "dead list gives it one line" shows 0 '^[0-9]+ .* /2\\n\\x1b\[31m3  t  attempts 1: topic is null' "$OUTBOX" dead list
check "dead show gives the payload byte for byte" says 0 $'  payload        red\e[31m' "$OUTBOX" dead show --all
check "and drop it" works "$OUTBOX" dead drop --all
for size in 1 2 3; do
  bytes=$(printf '\377\376\375' | head -c $size) digits=$(printf '\377\376\375' | head -c $size | base64)
  check "an event of $size bytes that are no text" nameless "$bytes" "$bytes"
  check "is parked" works "$OUTBOX" drain
  check "dead list --json tells them all" shows 0 "\"key\":\{\"base64\":\"$digits\"\},.*\"payload_base64\":\"$digits\"\}$" "$OUTBOX" dead list --json
  check "and drop it" works "$OUTBOX" dead drop --all
done
config </dev/null

# ---- limits of the process ----
limited() { (ulimit "$1" "$2"; shift 2; exec "$@"); } # -L VALUE COMMAND...
check "no descriptors" fails 69 limited -n 12 "$OUTBOX" status
check "says so" matched '^outbox status: .*shop\.db: unable to open database file; no file descriptor is left: raise the limit'
few() { # without any but these, the program needs to make its loop, to load its plugins, or more; a sanitizer has some of its own
  local n
  for n in $(seq 4 24); do
    (ulimit -n "$n"; exec timeout -s KILL 20 "$OUTBOX" status) >"$out" 2>"$err" </dev/null
    case $? in 0) return ;; 69) ;; *) echo "# with $n: $?" && return 1 ;; esac
  done
}
check "with any number of them it ends as one that may be started again" few
if works limited -v 30000 "$OUTBOX" --version; then # not with a sanitizer
  check "no memory for threads" fails 69 limited -v 30000 "$OUTBOX" status
  check "says so" matched '^outbox status: start worker [1-4] of 4: .*; raise the limit on processes or memory'
fi

# ---- a server that is not there ----
if works "$OUTBOX" plugins postgres; then
  cat >away.yaml <<'Y'
relays:
  orders:
    store: { plugin: postgres, dsn: "host=127.0.0.1 port=1 dbname=shop user=relay connect_timeout=5" }
    broker: { plugin: file, path: events.ndjson }
Y
  for verb in init check status drain; do
    check "$verb without its server" fails 69 "$OUTBOX" $verb -c away.yaml
    check "$verb says which" matched '127\.0\.0\.1'
    check "$verb says it once" eval '[ "$(cat "$out" "$err" | grep -c 127\.0\.0\.1)" = 1 ]'
  done
  for port in abc 0 65536 1,2 ',x'; do
    sed "s/port=1 /port=$port /" away.yaml >port.yaml
    check "the port $port" says 78 'outbox run: port.yaml:3:5: dsn: port is neither one number from 1 to 65535 nor a list with one for each host' \
      "$OUTBOX" run -c port.yaml
  done
  sed 's/port=1 /sslmode=full /' away.yaml >mode.yaml
  for seconds in abc 5s ' '; do
    sed "s/connect_timeout=5/connect_timeout='$seconds'/" away.yaml >seconds.yaml
    check "the connect_timeout '$seconds'" says 78 'outbox run: seconds.yaml:3:5: dsn: connect_timeout is not a number of seconds' \
      "$OUTBOX" run -c seconds.yaml
  done
  for server in standby read-only prefer-standby none; do
    sed "s/port=1 /port=1 target_session_attrs=$server /" away.yaml >server.yaml
    check "a server that is $server" shows 78 '^outbox run: server.yaml:3:5: dsn: target_session_attrs is neither any nor read-write nor primary; ' \
      "$OUTBOX" run -c server.yaml
  done
  for server in any read-write primary; do
    sed "s/port=1 /port=1 target_session_attrs=$server /" away.yaml >server.yaml
    check "one that is $server is looked for" fails 69 "$OUTBOX" check -c server.yaml
  done
  check "an sslmode that is none" shows 78 '^outbox run: mode.yaml:3:5: dsn: there is no such sslmode; write verify-full, ' "$OUTBOX" run -c mode.yaml
  sed 's/host=127.0.0.1 port=1 /service=shop /' away.yaml >service.yaml
  check "a service without a host" says 78 'outbox run: service.yaml:3:5: dsn: a service (service=, PGSERVICE) does not tell the relay its host, which it looks up itself; write host= beside it' \
    "$OUTBOX" run -c service.yaml
  sed 's/host=127.0.0.1 port=1 /host=127.0.0.1,127.0.0.1 port=1,1 /' away.yaml >both.yaml
  check "a port for each host" fails 69 "$OUTBOX" check -c both.yaml
  check "init --print-sql needs none" shows 0 '^CREATE TABLE IF NOT EXISTS "outbox" \($' "$OUTBOX" init --print-sql -c away.yaml
  check "nor does --print-grants" shows 0 '^GRANT SELECT, DELETE ON "outbox" TO "relay";$' "$OUTBOX" init --print-grants -c away.yaml
  check "add without its server" fails 69 "$OUTBOX" add -c away.yaml --aggregate-type a --aggregate-id 1 --type t --payload p
fi

# ---- no permission: as another user, where one can reach the program ----
nobody() { setpriv --reuid=65534 --clear-groups "$@"; }
chmod 755 "$dir"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && works setpriv --reuid=65534 --clear-groups "$OUTBOX" plugins sqlite; then
  chmod 600 outbox.yaml shop.db
  check "a configuration that may not be read" fails 77 nobody "$OUTBOX" check
  check "says so" matched '^outbox check: .*outbox\.yaml.*[Pp]ermission denied'
  chmod 644 outbox.yaml
  check "a database that may not be read" fails 77 nobody "$OUTBOX" status
  check "says so" matched '^outbox status: .*shop\.db.*permission denied'
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
check "init of both" says 0 'bills: the outbox is ready' "$OUTBOX" init
check "add must know to which" says 78 'outbox add: ./outbox.yaml has several relays; choose one with --relay: orders, bills' add 7 x
check "add --relay" says 0 'bills: added 1 event' "$OUTBOX" add --relay bills --aggregate-type bill --aggregate-id 1 --type sent --null
check "drain of both" shows 0 '^relayed 1 events in ' "$OUTBOX" drain
check "a tombstone" grep -qF '"payload":null' bills.ndjson
plan
