#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# template.sh BUILD: follows docs/PLUGINS.md as a third party, with installed files only
#
# Installs outbox from a build directory into a temporary root, builds plugins/template against its headers through
# pkg-config, checks that `outbox plugins` lists both plugins, runs the conformance suite on them, and relays events
# from files to files. Prints "ok" lines; the first failure ends it with status 1.
set -eu
unset OUTBOX_PLUGIN_DIR OUTBOX_CONFIG

build=$(cd "${1:?usage: template.sh BUILD}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

fail()
{
    echo "not ok: $*" >&2
    exit 1
}

quietly()
{
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$*"; }
}

quietly meson install -C "$build" --no-rebuild --destdir "$root"
pc=$(find "$root" -name outbox.pc)
[ -n "$pc" ] || fail "no outbox.pc was installed"
prefix=$root$(sed -n 's/^prefix=//p' "$pc")
outbox=$prefix/bin/outbox
echo "ok: installed"

PKG_CONFIG_LIBDIR=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
cp -r "$source/plugins/template" "$work/template"
quietly meson setup "$work/template/build" "$work/template" -Dwerror=true
quietly meson compile -C "$work/template/build"
case $(pkg-config --variable=plugindir outbox) in # some versions of pkg-config put the root in front
"$root"*) quietly meson install -C "$work/template/build" ;;
*) quietly meson install -C "$work/template/build" --destdir "$root" ;;
esac
echo "ok: built against the installed headers alone"

"$outbox" plugins >"$work/plugins" || fail "outbox plugins"
grep -q spool "$work/plugins" || fail "outbox plugins does not list the store"
grep -q maildir "$work/plugins" || fail "outbox plugins does not list the broker"
"$outbox" plugins spool | grep -q path || fail "outbox plugins spool does not list its options"
echo "ok: outbox plugins lists them"

plugins=$(dirname "$(find "$root" -name outbox-store-spool.so)")
for kind in store async broker; do
    (cd "$work/template" && quietly "$prefix/bin/outbox-conformance" -c "conformance-$kind.yaml" --plugin-dir "$plugins")
    echo "ok: conformance of the $kind: $(tail -n 1 "$work/log")"
done
case $(tail -n 1 "$work/log") in # but for the order over several publishes, which it does not promise
"13 passed, 0 failed, 6 skipped"*) ;;
*) fail "not all checks of the broker ran" ;;
esac

export TEMPLATE_DIR=$work/mail
mkdir -p "$TEMPLATE_DIR/maildir"
config=$work/template/outbox.yaml
quietly "$outbox" init -c "$config"
for n in 1 2 3; do
    quietly "$outbox" add -c "$config" --type Created --aggregate-type order --aggregate-id $n --payload "payload $n"
done
quietly "$outbox" check -c "$config"
quietly "$outbox" status -c "$config"
quietly "$outbox" drain -c "$config"
[ "$(cat "$TEMPLATE_DIR"/maildir/order.* | sed 's/payload/\n&/g' | grep -c '^payload [123]$')" = 3 ] ||
    fail "the events did not arrive"
[ -z "$(ls "$TEMPLATE_DIR/spool")" ] || fail "settled events are still there"
echo "ok: relayed from files to files"
