#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The examples of docs/languages: each writes an order and its event, the relay publishes it; and each relays by the library.
# Run it within tests/stores/postgres/with-server. A language without its toolchain, or whose packages cannot be fetched, is
# skipped with the reason. BUILD: the build directory. OUTBOX_TEST_LANGUAGES: the languages; all by default.
. "$(dirname "$0")/../program/lib.sh"

examples=$source_root/examples
cache=${XDG_CACHE_HOME:-$HOME/.cache}/outbox-languages # of builds, by language
libraries=$BUILD/core/embed/liboutbox:$BUILD/writers/postgres
export PKG_CONFIG_PATH=$BUILD/meson-uninstalled CPATH=$source_root/include:$BUILD/include LD_LIBRARY_PATH=$libraries PYTHONDONTWRITEBYTECODE=1 CGO_ENABLED=1
port=$(sed 's/.*port=\([0-9]*\).*/\1/' <<<"$OUTBOX_TEST_PG")
uri=postgresql://outbox@127.0.0.1:$port/outbox
quickly=(timeout 300 nice)

sql() { "$OUTBOX_TEST_PG_SERVICE" psql "$OUTBOX_TEST_PG_DIR" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
has() { type -P "$1" >/dev/null; }
# Copies the sources, so that nothing is built within the tree: sources LANGUAGE; sets $work
sources() {
  work=$cache/$1
  mkdir -p "$work" && cp -r "$examples/$1/." "$work"
}
because() { why=$1; return 1; }

# ---- building: NAME_builds prepares the commands `order` and `embed`; it fails with $why if that is not possible here ----
c_builds() {
  order=("$BUILD/examples/order_postgres" "$OUTBOX_TEST_PG")
  embed=("$dir/embed-c") # examples/embed.c writes by itself: this is the smallest
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -x c - -o embed-c $(pkg-config --cflags --libs outbox) <<<"$(sed -n '/^```c$/,/^```$/p' "$source_root/docs/languages/c.md" | grep -v '^```')"
}
cpp_builds() {
  has g++ || because "no g++" || return
  order=("$dir/order-cpp" "$OUTBOX_TEST_PG") embed=("$dir/embed-cpp")
  g++ -std=c++17 -Wall -Wextra -Werror "$examples/cpp/order.cpp" -o order-cpp $(pkg-config --cflags --libs outbox-postgres libpq) &&
    g++ -std=c++17 -Wall -Wextra -Werror "$examples/cpp/embed.cpp" -o embed-cpp $(pkg-config --cflags --libs outbox)
}
python_builds() {
  local python; python=$(python_with sqlalchemy)
  "$python" -c 'import sqlalchemy, psycopg2' 2>/dev/null || because "no SQLAlchemy" || return
  order=("$python" "$examples/python/order_sqlalchemy.py" "$uri")
  embed=("$python" "$examples/python/embed.py" "$BUILD/core/embed/liboutbox/liboutbox.so.0")
}
go_builds() {
  has go || because "no Go" || return
  sources go && cd "$work" || return
  "${quickly[@]}" go mod tidy || because "no pgx: go mod tidy failed" || return
  "${quickly[@]}" go build -o "$dir/order-go" ./order || because "no pgx: go build failed" || return
  # Go's cache does not notice another path of pkg-config.
  CGO_LDFLAGS=-L$BUILD/core/embed/liboutbox "${quickly[@]}" go build -o "$dir/embed-go" ./embed
  local status=$?
  cd "$dir" || return
  order=("$dir/order-go" "$OUTBOX_TEST_PG") embed=("$dir/embed-go")
  return $status
}
rust_builds() {
  has cargo || because "no Cargo" || return
  sources rust
  (cd "$work" && RUSTFLAGS="-L $BUILD/core/embed/liboutbox" "${quickly[@]}" cargo build --quiet --target-dir "$work/target") ||
    because "the crate postgres cannot be built here" || return
  order=("$work/target/debug/order" "$OUTBOX_TEST_PG") embed=("$work/target/debug/embed")
}
node_builds() {
  has npm || because "no npm" || return
  sources node
  [ -d "$work/node_modules/pg" ] || (cd "$work" && "${quickly[@]}" npm install --silent --no-audit --no-fund) ||
    because "the package pg cannot be installed" || return
  order=(node "$work/order.js" "$uri") embed=()
}
java_builds() {
  has mvn && has javac || because "no Maven, or no Java compiler" || return
  sources java
  [ -d "$work/target/dependency" ] ||
    (cd "$work" && "${quickly[@]}" mvn -q -B -Dstyle.color=never package dependency:copy-dependencies) ||
    because "Hibernate cannot be fetched" || return
  (cd "$work" && "${quickly[@]}" javac -d target/classes -cp 'target/dependency/*' src/main/java/*.java) || return
  order=(java -cp "$work/target/classes:$work/target/dependency/*" PlaceOrder "jdbc:postgresql://127.0.0.1:$port/outbox" outbox) embed=()
}

# ---- what each must do ----
settings() { # STORE
  printf 'relays: {orders: {store: {%s}, broker: {plugin: file, path: events.ndjson}}}\n' "$1" >outbox.yaml
  rm -f events.ndjson
}
writes() { # LANGUAGE
  settings "plugin: postgres, dsn: \"$OUTBOX_TEST_PG\""
  sql "TRUNCATE orders RESTART IDENTITY"
  check "$1: order is written" works "${order[@]}" 7 1250
  check "$1: order is in the table" eval '[ "$(sql "SELECT amount FROM orders WHERE customer = 7")" = 1250 ]'
  check "$1: event is published" eval 'works "$OUTBOX" drain && lines events.ndjson 1'
  check "$1: with topic, key and type" grep -q '"topic":"outbox.event.order","key":"7",.*"type":"placed",' events.ndjson
  check "$1: and with its JSON" eval "python3 -c 'import json, sys; assert json.loads(json.loads(sys.stdin.read())[\"payload\"]) == {\"order\": 1, \"amount\": 1250}' <events.ndjson"
  check "$1: failing order has no event" eval '! "${order[@]}" 7 5000000 >"$out" 2>"$err" && [ "$(sql "SELECT count(*) FROM outbox")" = 0 ]'
}
writes_without_blocking() { # the rest is as for the other example in C
  settings "plugin: postgres, dsn: \"$OUTBOX_TEST_PG\""
  local async=("$BUILD/examples/order_async" "$OUTBOX_TEST_PG")
  check "c: order is written without blocking" eval 'works "${async[@]}" 7 1250 && has_match "^event [0-9]"'
  check "c: its event is published" eval 'works "$OUTBOX" drain && lines events.ndjson 1'
  check "c: failing order is reported" eval '! "${async[@]}" 7 5000000 >"$out" 2>"$err" && grep -q "amount_check" "$err"'
  check "c: and has no event" eval '[ "$(sql "SELECT count(*) FROM outbox")" = 0 ]'
  check "c: bad connection string is reported" eval \
    '! timeout 60 "$BUILD/examples/order_async" "nonsense=1" 7 1250 >"$out" 2>"$err" && grep -q "nonsense" "$err"'
}
relays() { # LANGUAGE
  rm -f shop.db
  settings "plugin: sqlite, path: shop.db"
  works "$OUTBOX" init && for n in 1 2 3; do add 7 "$n" >/dev/null || return; done
  check "$1: embedded relay publishes" eval 'works "${embed[@]}" outbox.yaml 3 && has_line "published 3" && lines events.ndjson 3'
  settings "plugin: sqlite, paht: shop.db"
  check "$1: bad configuration is an error" eval '! "${embed[@]}" outbox.yaml 3 >"$out" 2>"$err" && has_match "unknown key .paht."'
}

settings "plugin: postgres, dsn: \"$OUTBOX_TEST_PG\""
check "init creates the outbox" works "$OUTBOX" init
check "the tables of docs/languages/README.md can be created" sql "$(sed -n '/^```sql tables$/,/^```$/p' "$source_root/docs/languages/README.md" | grep -v '^```')"
for language in ${OUTBOX_TEST_LANGUAGES:-c cpp python go rust node java}; do
  why=
  if ! "${language}_builds" >"$out" 2>"$err"; then
    cd "$dir" || exit 99
    if [ "$why" ]; then tests=$((tests + 1)); echo "ok $tests - $language # SKIP $why"; else check "$language: examples build" false; fi
    continue
  fi
  writes "$language"
  [ "$language" != c ] || writes_without_blocking
  [ ${#embed[@]} = 0 ] || relays "$language"
done
plan
