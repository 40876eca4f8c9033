#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The page at / in a real browser, headless: page.sh [SCREENSHOT]
. "$(dirname "$0")/lib.sh"
command -v chromium >/dev/null || { echo "1..0 # SKIP chromium is not installed (a package of 300 MB): apt-get install chromium"; exit 0; }

address() { sed -n 's/.*msg="listening on \([0-9.:]*\): .*/\1/p' .log | tail -n 1; }
ready() { [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "http://$(address)/readyz")" = 200 ]; }
blocked() { curl -s -m 10 "http://$(address)/status" | grep -q '"blocked_keys": 1'; }
browse() { # WIDTH ARGUMENT...: the page after six seconds of its clock
  local width=$1; shift
  HOME=$dir timeout 300 chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --window-size="$width,410" --virtual-time-budget=6000 "$@" "http://$(address)/" 2>"$err"
}
shown() { grep -qF -- "$1" page.html || { echo "# the page lacks: $1"; return 1; }; }

printf '    route: { topic: "${aggregatetype}" }\n    retry_max: 1h\nservice: { listen: "127.0.0.1:0" }\n' | config
works "$OUTBOX" init
start "$OUTBOX" run; service=$pid
check "service becomes ready" within 10 ready
for i in $(seq 20); do printf '{"aggregatetype":"order","aggregateid":"%d","type":"t","payload":"p"}\n' "$i"; done | "$OUTBOX" add --ndjson >"$out"
"$OUTBOX" add --aggregate-type "" --aggregate-id '<b>key</b>' --type t --payload blocked >"$out"
check "events are published" within 10 lines events.ndjson 20
check "one is blocked" within 10 blocked
check "browser loads the page" eval 'browse 1000 --dump-dom >page.html'
check "it shows the state" shown '<span class="state relaying">relaying</span>'
check "it shows a rate" shown 'events/s'
check "it draws a plot" shown '<polyline points="'
check "it shows the blocked key as text, not as HTML" shown '&lt;b&gt;key&lt;/b&gt;'
check "it shows the reason" shown 'topic is empty'
check "it asks a phone for its width" shown 'name="viewport" content="width=device-width'
check "no script of it failed" eval '! grep -iE "uncaught|refused to" "$err"'
check "it makes a picture" eval 'browse 1000 --screenshot="$dir/page.png" >"$out" && [ "$(stat -c %s page.png)" -gt 5000 ]'
[ -z "${1:-}" ] || cp page.png "$1"
kill -TERM "$service"
check "service ends" ends "$service" 0
plan
