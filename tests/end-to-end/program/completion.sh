#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The completions of packaging/completion: completion.sh OUTBOX SOURCE (TAP). zsh and fish are run where they are installed.
set -uo pipefail
program=$(realpath "$1") source=$2 tests=0 failed=0
dir=$(mktemp -d /tmp/outbox-completion.XXXXXX)
trap 'rm -rf "$dir"' EXIT
ln -s "$program" "$dir/outbox"
export PATH=$dir:$PATH
printf 'relays:\n  orders:\n    store: {plugin: memory}\n  invoices:\n    store: {plugin: memory}\nservice: {}\n' >"$dir/outbox.yaml"

ok() { # STATUS NAME
  tests=$((tests + 1))
  [ "$1" = 0 ] && echo "ok $tests - $2" || { echo "not ok $tests - $2"; failed=1; }
}
. "$source/outbox.bash"
complete_words() { # WORD...: what bash would offer for the last of them
  COMP_WORDS=(outbox "$@") COMP_CWORD=$# COMPREPLY=()
  _outbox
  printf '%s\n' "${COMPREPLY[@]}"
}
offers() { # EXPECTED WORD...
  local expected=$1 found; shift
  found=$(complete_words "$@" | sed '/^$/d' | sort | paste -sd ' ')
  [ "$found" = "$expected" ] || { echo "# offered: $found"; return 1; }
}
offers "run" ru;                              ok $? "a verb"
offers "" nonsense --;                        ok $? "an unknown verb has no options"
offers "--relay" run --r;                     ok $? "an option of a verb"
offers "--json" plugins --j;                  ok $? "an option of a verb without a configuration"
offers "drop list replay show" dead "";       ok $? "the actions of dead"
offers "memory" plugins mem;                  ok $? "a plugin"
offers "invoices orders" run -c "$dir/outbox.yaml" --relay ""; ok $? "the relays of the configuration that -c names"
(cd "$dir" && offers "invoices orders" pause "");  ok $? "the relays that pause takes"
complete_words "" | sort >"$dir/offered"
outbox --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p' | cat - <(printf '%s\n' --help --version) | sort >"$dir/verbs"
cmp -s "$dir/offered" "$dir/verbs";           ok $? "all verbs of --help"
! command -v zsh >/dev/null || { zsh -n "$source/_outbox"; ok $? "zsh reads its file"; }
! command -v fish >/dev/null || { fish --no-execute "$source/outbox.fish"; ok $? "fish reads its file"; }
echo "1..$tests"
exit $failed
