# bench/lib.sh - servers, drains and latencies of the benches of a database to Kafka. Sourced by run-kafka and run-mysql.
#
# The script that sources it sets `build`, calls begin SERVICE, and defines the parts of its database:
#   store             the store's section of the configuration, in YAML's flow style
#   kind, where       of the database, for kafka-latency
#   plain             the name of the plain tools in the table
#   fill COUNT BYTES  empties the outbox and fills it again, with 10,000 keys
#   left              prints the number of rows in the outbox
#   pipe TOPIC        the plain tools: all rows in order into the topic, nothing deleted
#   logged            prints the bytes that the database has written to its log so far; optional
# BENCH_EVENTS: events of the small drain (1000000). BENCH_RUNS: runs of each drain (3); the median of the ratios counts.
# BENCH_SECONDS: of each latency (10). BENCH_CAPTURE_RATE: events/s of capture-latencies (1000). BENCH_KAFKA: options of the
# relay's producer (none), such as "linger.ms: 5". BENCH_CODEC: compression of both sides' batches (none). BENCH_PAYLOAD:
# random (incompressible); json (as repetitive as events of an application); in run-kafka also bytes (random, in a column of
# bytes). BENCH_HEADERS: of the relay's messages (id: "${event_id}"); empty: none, as the plain tools.
# BENCH_ONLY: drains; capture; capture-latencies; latencies and everything after them; in run-kafka also exactly-once; in
# run-mysql also writers (default: all).
events=${BENCH_EVENTS:-1000000}
runs=${BENCH_RUNS:-3}
seconds=${BENCH_SECONDS:-10}
payload=${BENCH_PAYLOAD:-random}
export codec=${BENCH_CODEC:-none}
headers=${BENCH_HEADERS-'id: "${event_id}"'}
producer="compression.codec: $codec${BENCH_KAFKA:+, $BENCH_KAFKA}"
export OUTBOX_PLUGIN_DIR=${OUTBOX_PLUGIN_DIR:-$build/plugins}
outbox=$build/program/outbox
measure=$build/bench/measure
latency=$build/bench/kafka-latency
table=outbox # that kafka-latency writes to
relay= service= delivery=at-least-once

finish() {
    if [ -n "$relay" ]; then kill -9 "$relay" 2>/dev/null || true; fi
    tests/services/kafka stop "$root/kafka" >/dev/null 2>&1 || true
    if [ -n "$service" ]; then "tests/services/$service" stop "$root/db" >/dev/null 2>&1 || true; fi
    rm -rf "$root"
}

# begin SERVICE: a broker and a database; sets $root, $brokers and $started (the connection parameters that the service prints)
begin() {
    root=$(mktemp -d /tmp/outbox-bench-XXXXXX)
    chmod 755 "$root"
    mkdir "$root/db"
    trap finish EXIT
    service=$1
    started=$("tests/services/$1" start "$root/db" $((20000 + RANDOM % 6000)))
    brokers=$(KAFKA_OPTS="log.message.timestamp.type=LogAppendTime" tests/services/kafka start "$root/kafka" $((26000 + RANDOM % 6000)))
}

logged() { echo 0; }
field() { cut -d ' ' -f "$2" "$1"; }
stop_with_log() { echo "bench: $1" >&2; tail -n 5 "$root/log" >&2; exit 1; }

# configure TOPIC: $root/outbox.yaml
configure() {
    cat >"$root/outbox.yaml" <<-Y
	relays:
	  bench:
	    store: $store
	    delivery: $delivery
	    broker: {plugin: kafka, bootstrap.servers: "$brokers", transactional.id: bench, options: {$producer}}
	    route: {topic: "$1", headers: {$headers}}
	Y
}

init_outbox() {
    configure warm
    "$outbox" init -c "$root/outbox.yaml" >>"$root/log" 2>&1 || stop_with_log "init failed"
}

# server_us: processor time that the database's server has used so far, its children of now and before included
server_us() {
    local server
    server=$(cat "$root/db/pid")
    { cat "/proc/$server/stat"; for child in $(ps -o pid= --ppid "$server"); do cat "/proc/$child/stat"; done; } 2>/dev/null |
        sed 's/^.*) //' | awk -v hz="$(getconf CLK_TCK)" '{ t += $12 + $13 + (NR == 1 ? $14 + $15 : 0) } END { printf "%.0f\n", t * 1e6 / hz }'
}

broker_us() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($14 + $15) * 1e6 / hz }' "/proc/$(cat "$root/kafka/pid")/stat"; }
relay_us() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($14 + $15) * 1e6 / hz }' "/proc/$relay/stat"; }

# The topic has 12 partitions, and the broker has run long enough to be compiled.
warm() { # TOPIC
    local partitions
    for _ in 1 2 3; do pipe "$1"; done
    partitions=$(kcat -b "$brokers" -L -t "$1" 2>>"$root/log" | grep -c '^ *partition ')
    [ "$partitions" = 12 ] || stop_with_log "topic $1 has $partitions partitions, not 12"
}

# counted NAME COMMAND...: $root/NAME gets "WALL CPU PEAK_KIB SERVER BROKER LOGGED": seconds, then microseconds of CPU, then bytes
counted() {
    local name=$1 db_before broker_before log_before
    shift
    sleep 0.5 # earlier work has ended and is counted
    db_before=$(server_us) broker_before=$(broker_us) log_before=$(logged)
    "$measure" "$root/$name" "$@" >>"$root/log" 2>&1 || stop_with_log "$name failed"
    sleep 0.5
    echo "$(cat "$root/$name") $(($(server_us) - db_before)) $(($(broker_us) - broker_before)) $(($(logged) - log_before))" >"$root/$name.all"
}

# drain COUNT BYTES: one line of the table
drain() {
    local topic="drain-$2"
    configure "$topic"
    fill "$1" "$2"
    warm "$topic"
    for _ in $(seq "$runs"); do
        fill "$1" "$2"
        counted plain bash -o pipefail -c "pipe $topic"
        counted ours "$outbox" drain -c "$root/outbox.yaml"
        [ "$(left)" = 0 ] || stop_with_log "rows were left"
        echo "$(cat "$root/plain.all") $(cat "$root/ours.all")"
    done | awk '{ print $1 / $7, $0 }' | sort -n | awk -v n="$1" -v b="$2" -v plain="$plain" -v what="${what:-}" '{ line[NR] = $0 } END {
        split(line[int((NR + 1) / 2)], f, " ")
        printf "| %sdrain %d events of %d B | %d ev/s | %.2f of %s (%d ev/s) | %.2f / %.2f / %.2f | %.1f MB peak |", what, n, b, n / f[8], f[1],
            plain, n / f[2], f[9] * 1e6 / n, f[11] / n, f[12] / n, f[10] / 1024
        printf " %s |\n", f[13] ? sprintf("%d B of log an event", f[13] / n) : "" }'
}

# The figures of both deliveries, in turn: a drain at-least-once, then the same exactly-once.
deliveries() {
    want exactly-once || return 0
    kcat -b "$brokers" -L -t outbox-progress >>"$root/log" 2>&1 || true # the broker makes the topic
    drain_both "$events" 128
    drain_both "$((events * 3 / 10))" 1024
    latency_of_both 1000
    delivery=at-least-once
}
drain_both() { # COUNT BYTES: one line of the table
    local topic="deliveries-$2"
    configure "$topic"
    fill "$1" "$2"
    warm "$topic"
    for _ in $(seq "$runs"); do
        for delivery in at-least-once exactly-once; do
            configure "$topic"
            fill "$1" "$2"
            counted "$delivery" "$outbox" drain -c "$root/outbox.yaml"
            [ "$(left)" = 0 ] || stop_with_log "rows were left"
        done
        echo "$(cat "$root/at-least-once.all") $(cat "$root/exactly-once.all")"
    done | awk '{ print $1 / $7, $0 }' | sort -n | awk -v n="$1" -v b="$2" '{ line[NR] = $0 } END {
        split(line[int((NR + 1) / 2)], f, " ")
        printf "| exactly-once, drain %d events of %d B | %d ev/s | %.2f of at-least-once (%d ev/s) | %.2f / %.2f / %.2f, at-least-once %.2f / %.2f / %.2f | %.1f MB peak, at-least-once %.1f MB | |\n",
            n, b, n / f[8], f[1], n / f[2], f[9] * 1e6 / n, f[11] / n, f[12] / n, f[3] * 1e6 / n, f[5] / n, f[6] / n, f[10] / 1024, f[4] / 1024 }'
}
latency_of_both() { # RATE: from COMMIT to a consumer of committed data
    local figures=
    for delivery in at-least-once exactly-once; do
        configure "received-$1"
        fill 0 1
        start_relay
        "$latency" "$kind" "$table" "$where" "$brokers" "received-$1" "$1" 2 >/dev/null # warm: the topic is made
        figures+=" $("$latency" "$kind" "$table" "$where" "$brokers" "received-$1" "$1" "$seconds" received | cut -d ' ' -f 2,3)"
        stop_relay
    done
    awk -v rate="$1" -v figures="$figures" 'BEGIN { split(figures, f, " ")
        printf "| commit to a consumer of committed data at %d ev/s | exactly-once p50 %.1f ms, p99 %.1f ms | at-least-once p50 %.1f ms, p99 %.1f ms | | | |\n",
            rate, f[3], f[4], f[1], f[2] }'
}

start_relay() {
    "$outbox" run -c "$root/outbox.yaml" >>"$root/log" 2>&1 &
    relay=$!
}

stop_relay() {
    kill "$relay"
    wait "$relay" || true
    relay=
}

# The drains of the three sizes; whether the rest is requested too.
drains() {
    want drains || return 0
    drain "$events" 128
    drain "$((events * 3 / 10))" 1024
    drain "$((events * 3 / 100))" 10240
}
want() { [ "${BENCH_ONLY:-$1}" = "$1" ]; }
more() { want latencies; }

# latency_at RATE: one line of the table
latency_at() {
    local topic="latency-$table-$1"
    configure "$topic"
    fill 0 1
    start_relay
    local got relay_before server_before broker_before
    "$latency" "$kind" "$table" "$where" "$brokers" "$topic" "$1" 2 >/dev/null # warm: the topic is made
    relay_before=$(relay_us) server_before=$(server_us) broker_before=$(broker_us)
    got=$("$latency" "$kind" "$table" "$where" "$brokers" "$topic" "$1" "$seconds")
    awk -v got="$got" -v rate="$1" -v r=$(($(relay_us) - relay_before)) -v s=$(($(server_us) - server_before)) \
        -v b=$(($(broker_us) - broker_before)) -v what="${what:-}" 'BEGIN { split(got, f, " ")
        printf "| %scommit to append at %d ev/s | p50 %.1f ms | p99 %.1f ms, max %.1f ms | %.0f / %.0f / %.0f | | |\n",
            what, rate, f[2], f[3], f[4], r / f[1], s / f[1], b / f[1] }'
    stop_relay
}

# cost_of_writing RATE: one line of the table: the writers alone. What the server works for an event, and logs.
cost_of_writing() {
    local got server_before log_before
    fill 0 1
    "$latency" "$kind" "$table" "$where" - - "$1" 2 >/dev/null # warm
    server_before=$(server_us) log_before=$(logged)
    got=$("$latency" "$kind" "$table" "$where" - - "$1" "$seconds")
    awk -v got="$got" -v rate="$1" -v s=$(($(server_us) - server_before)) -v l=$(($(logged) - log_before)) -v what="${what:-}" 'BEGIN {
        split(got, f, " ")
        printf "| %swriters alone at %d ev/s, their own commits | p50 %.2f ms | p99 %.2f ms, max %.1f ms | - / %.0f / - | |", what, rate, f[5], f[6], f[7], s / f[1]
        printf " %s |\n", l ? sprintf("%d B of log an event", l / f[1]) : "" }'
}

# commits_of NAME RATE SECONDS: appends p50 and p99 of the writers' own commits, in ms, to $root/NAME.commits
commits_of() { "$latency" "$kind" "$table" "$where" - - "$2" "$3" | cut -d ' ' -f 5,6 >>"$root/$1.commits"; }
# the median of the runs, for each figure
median_of() { for f in 1 2; do cut -d ' ' -f "$f" "$root/$1.commits" | sort -n | awk '{ v[NR] = $1 } END { printf "%.1f ", v[int((NR + 1) / 2)] }'; done; }
row_of_writers() { # LABEL ALONE WITH... : "p50 p99" each
    awk -v what="$1" -v a="$2" -v b="$3" -v c="${4:-}" -v waits="$(waits)" 'BEGIN { n = split(a " " b " " c, f, " ")
        printf "| writers, %s, their own commits | p50 %s ms, with the relay %s | p99 %s ms, with the relay %s |", what, f[1], f[3], f[2], f[4]
        printf "%s | %s | |\n", (n > 4 ? sprintf(" with the plain tools instead: p50 %s, p99 %s", f[5], f[6]) : ""), waits }'
}
waits() { :; } # number of waits for row locks, if the database counts them

# writers_at RATE: duration of the writers' own commits, without and with a relay in turn, since the disk varies
writers_at() {
    configure "writers-$1"
    rm -f "$root"/*.commits
    fill 0 1
    for _ in $(seq "$runs"); do
        commits_of alone "$1" "$seconds"
        start_relay
        "$latency" "$kind" "$table" "$where" "$brokers" "writers-$1" "$1" 2 >/dev/null # the rest of the last run is relayed
        commits_of with "$1" "$seconds"
        stop_relay
    done
    row_of_writers "$1 ev/s" "$(median_of alone)" "$(median_of with)"
}

# writers_with_drain RATE COUNT BYTES: the same during a drain, and while the plain tools read as much
writers_with_drain() {
    local tools seconds=4
    configure "backlog-$3"
    rm -f "$root"/*.commits
    fill "$2" "$3"
    warm "backlog-$3"
    for _ in $(seq "$runs"); do
        fill "$2" "$3"
        sync
        commits_of alone "$1" "$seconds"
        setsid bash -c "while :; do pipe backlog-$3; done" >/dev/null 2>&1 &
        tools=$!
        commits_of plain "$1" "$seconds"
        kill -- "-$tools"
        wait "$tools" 2>/dev/null || true
        start_relay
        commits_of with "$1" "$seconds"
        stop_relay
    done
    row_of_writers "$1 ev/s, a backlog of $3 B" "$(median_of alone)" "$(median_of with)" "$(median_of plain)"
}

# idle_for LABEL STATEMENTS: one line of the table; STATEMENTS prints the statements that the database has run so far
idle_for() {
    local statements relay_before server_before
    configure idle
    fill 0 1
    start_relay
    sleep 3
    statements=$("$2") relay_before=$(relay_us) server_before=$(server_us)
    sleep "$seconds"
    awk -v what="$1" -v n=$(($("$2") - statements)) -v r=$(($(relay_us) - relay_before)) -v s=$(($(server_us) - server_before)) \
        -v t="$seconds" -v kb="$(awk '/^VmRSS/ { print $2 }' "/proc/$relay/status")" \
        -v dirty="$(awk '/^Private_Dirty/ { print $2 }' "/proc/$relay/smaps_rollup")" 'BEGIN {
        printf "| idle, %s | %.1f statements/s | relay %.2f %%, server %.2f %% of a core | | ", what, n / t, r / t / 1e4, s / t / 1e4
        printf "%.1f MB private dirty, %.1f MB resident | |\n", dirty / 1024, kb / 1024 }'
    stop_relay
}

heading() {
    echo "| what | | | us CPU/event: relay / database / broker | | |"
    echo "|---|---|---|---|---|---|"
}
