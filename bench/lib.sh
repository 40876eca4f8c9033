# bench/lib.sh - what the benches of a database to Kafka share: servers, drains, latencies. Sourced by run-kafka and run-mysql.
#
# The script that sources it sets `build`, calls begin SERVICE, and says what is particular to its database:
#   store             the store's section of the configuration, in YAML's flow style
#   kind, where       of the database, for kafka-latency
#   plain             what the plain tools are called in the table
#   fill COUNT BYTES  empties the outbox and fills it anew, with 10,000 keys
#   left              prints how many rows are left
#   pipe TOPIC        the plain tools: all rows in order into the topic, nothing removed
# BENCH_EVENTS: events of the small drain (1000000). BENCH_RUNS: runs of each drain (3), the median of the ratios counts.
# BENCH_SECONDS: of each latency (10).
events=${BENCH_EVENTS:-1000000}
runs=${BENCH_RUNS:-3}
seconds=${BENCH_SECONDS:-10}
export OUTBOX_PLUGIN_DIR=${OUTBOX_PLUGIN_DIR:-$build/plugins}
outbox=$build/core/service/outbox
measure=$build/bench/measure
latency=$build/bench/kafka-latency
relay= service=

finish() {
    if [ -n "$relay" ]; then kill -9 "$relay" 2>/dev/null || true; fi
    tests/services/kafka stop "$root/kafka" >/dev/null 2>&1 || true
    if [ -n "$service" ]; then "tests/services/$service" stop "$root/db" >/dev/null 2>&1 || true; fi
    rm -rf "$root"
}

# begin SERVICE: a broker and a database; sets $root, $brokers and $started (what the service says of how to connect)
begin() {
    root=$(mktemp -d /tmp/outbox-bench-XXXXXX)
    chmod 755 "$root"
    mkdir "$root/db"
    trap finish EXIT
    service=$1
    started=$("tests/services/$1" start "$root/db" $((20000 + RANDOM % 6000)))
    brokers=$(KAFKA_OPTS="log.message.timestamp.type=LogAppendTime" tests/services/kafka start "$root/kafka" $((26000 + RANDOM % 6000)))
}

field() { cut -d ' ' -f "$2" "$1"; }
stop_with_log() { echo "bench: $1" >&2; tail -n 5 "$root/log" >&2; exit 1; }

# configure TOPIC: $root/outbox.yaml
configure() {
    cat >"$root/outbox.yaml" <<-Y
	relays:
	  bench:
	    store: $store
	    broker: {plugin: kafka, bootstrap.servers: "$brokers"}
	    route: {topic: "$1", headers: {id: "\${event_id}"}}
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

relay_us() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($14 + $15) * 1e6 / hz }' "/proc/$relay/stat"; }

# drain COUNT BYTES: one line of the table
drain() {
    local topic="drain-$2" before
    configure "$topic"
    fill "$1" "$2"
    pipe "$topic" # warm
    for _ in $(seq "$runs"); do
        fill "$1" "$2"
        "$measure" "$root/plain" bash -c "pipe $topic"
        before=$(server_us)
        "$measure" "$root/ours" "$outbox" drain -c "$root/outbox.yaml" >>"$root/log" 2>&1 || stop_with_log "drain failed"
        [ "$(left)" = 0 ] || stop_with_log "rows were left"
        echo "$(field "$root/plain" 1) $(cat "$root/ours") $(($(server_us) - before))"
    done | awk '{ print $1 / $2, $0 }' | sort -n | awk -v n="$1" -v b="$2" -v plain="$plain" '{ line[NR] = $0 } END {
        split(line[int((NR + 1) / 2)], f, " ")
        printf "| drain %d events of %d B | %d ev/s | %.2f of %s (%d ev/s) | relay %.2f, server %.2f us CPU/event | %.1f MB peak |\n",
            n, b, n / f[3], f[1], plain, n / f[2], f[4] * 1e6 / n, f[6] / n, f[5] / 1024 }'
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

# latency_at RATE: one line of the table
latency_at() {
    configure "latency-$1"
    fill 0 1
    start_relay
    local got relay_before server_before
    "$latency" "$kind" "$where" "$brokers" "latency-$1" "$1" 2 >/dev/null # warm: the topic is made
    relay_before=$(relay_us) server_before=$(server_us)
    got=$("$latency" "$kind" "$where" "$brokers" "latency-$1" "$1" "$seconds")
    awk -v got="$got" -v rate="$1" -v r=$(($(relay_us) - relay_before)) -v s=$(($(server_us) - server_before)) 'BEGIN {
        split(got, f, " ")
        printf "| commit to append at %d ev/s | p50 %.1f ms | p99 %.1f ms, max %.1f ms | relay %.1f, server %.1f us CPU/event | |\n",
            rate, f[2], f[3], f[4], r / f[1], s / f[1] }'
    stop_relay
}

# writers_at RATE: how long the writers' own commits take, without a relay and beside one
writers_at() {
    local alone beside
    configure "writers-$1"
    fill 0 1
    alone=$("$latency" "$kind" "$where" - - "$1" "$seconds")
    start_relay
    "$latency" "$kind" "$where" "$brokers" "writers-$1" "$1" 2 >/dev/null # what was left is gone
    beside=$("$latency" "$kind" "$where" "$brokers" "writers-$1" "$1" "$seconds")
    awk -v alone="$alone" -v beside="$beside" -v rate="$1" 'BEGIN { split(alone, a, " "); split(beside, b, " ")
        printf "| writers at %d ev/s, their own commits | p50 %.2f ms, beside the relay %.2f | p99 %.2f ms, beside the relay %.2f | | |\n",
            rate, a[5], b[5], a[6], b[6] }'
    stop_relay
}

heading() {
    echo "| what | | | | |"
    echo "|---|---|---|---|---|"
}
