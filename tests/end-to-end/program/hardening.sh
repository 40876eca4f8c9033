#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hardening.sh: what is installed was built with the hardening that meson.build asks for. One line for each binary.
set -u
. "$(dirname "$0")/lib.sh"
command -v readelf >/dev/null || { echo "1..0 # SKIP there is no readelf"; exit 0; }
tree=$(mktemp -d); trap 'rm -rf "$tree"' EXIT
DESTDIR=$tree meson install -C "$BUILD" --no-rebuild --quiet >"$tree/log" 2>&1 || { cat "$tree/log"; echo "Bail out! meson install"; exit 1; }

# Every ELF file, whatever its name; object files and archives are for other links.
binaries() { find "$tree" -type f ! -name '*.o' ! -name '*.a' -exec sh -c 'head -c 4 "$1" | grep -q "^.ELF"' _ {} \; -print | sort; }

# Each prints why not, or nothing.
relro()   { readelf -lW "$1" | grep -q GNU_RELRO || echo "no RELRO"; }
now()     { readelf -dW "$1" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' || echo "not bound at the start"; }
stack()   { readelf -lW "$1" | grep GNU_STACK | grep -q ' RW ' || echo "executable stack"; }
pie()     { readelf -hW "$1" | grep -qE 'Type: +DYN' || echo "no position independent code"; }
no_path() { ! readelf -dW "$1" | grep -qE 'RPATH|RUNPATH' || echo "has a search path"; }
canary()  { readelf -sW "$1" | grep -q __stack_chk_fail || echo "no stack protector"; }
# The note about it is only there where the C library's start files have it, too; so look at the functions themselves:
# those that are called through a pointer. A small plugin has few: its init, its fini, its work. Those of the start files
# do not count.
start_files='<(_start|_init|_fini|frame_dummy|__do_global_dtors_aux|(de)?register_tm_clones|[^>]*@plt)>'
protected() { objdump -d --no-show-raw-insn "$1" | grep -B 1 -w endbr64 | grep '>:$' | grep -vcE "$start_files"; }
ibt()     { [ "$(uname -m)" != x86_64 ] || [ "$(protected "$1")" -gt 2 ] || echo "no control-flow protection"; }
# A binary that calls one of these calls the fortified one: some calls are left where the size is not known.
fortify() {
  local plain fortified
  plain=$(readelf -sW "$1" | grep -cE ' UND (memcpy|snprintf|vsnprintf|read|recv|strcpy|strcat|sprintf)(@|$)')
  fortified=$(readelf -sW "$1" | grep -cE ' UND __[a-z]+_chk(@|$)')
  [ "$fortified" -gt 1 ] || [ "$plain" -eq 0 ] || echo "no fortified functions ($plain plain)"
}

count=0
plan=$(binaries | wc -l)
echo "1..$((plan + 1))"
while read -r binary; do
  count=$((count + 1))
  why=$(for check in relro now stack pie no_path canary ibt fortify; do $check "$binary"; done | paste -sd, -)
  name=${binary#"$tree"}
  [ -z "$why" ] && echo "ok $count - $name" || echo "not ok $count - $name: $why"
done < <(binaries)
[ "$plan" -gt 5 ] && echo "ok $((plan + 1)) - $plan binaries" || echo "not ok $((plan + 1)) - only $plan binaries"
