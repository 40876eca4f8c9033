#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# meson install: the program finds its plugins under any prefix, and after the whole tree was moved.
# Expects BUILD, the build directory, and CC.
. "$(dirname "$0")/lib.sh"
unset OUTBOX_PLUGIN_DIR

install_to() { DESTDIR=$dir/first meson install -C "$BUILD" --no-rebuild --quiet; }
program() { find "$dir/$1" -type f -name outbox -perm -u+x | head -n 1; }
library_dir() { dirname "$(find "$dir/$1" -name 'liboutbox.so' | head -n 1)"; }
finds_plugins() { works "$(program "$1")" plugins && has_match '^broker  file ' && stderr_is_empty; }
relays() { # all the way, with the installed program alone
  local outbox; outbox=$(program "$1")
  works "$outbox" init && works "$outbox" add --aggregate-type a --aggregate-id 1 --type t --payload p &&
    works "$outbox" drain && has_match '^relayed 1 event '
}

check "meson install succeeds" install_to
check "installed program finds its plugins" finds_plugins first
config </dev/null
check "installed program relays" relays first
mv first second
check "moved program finds its plugins" finds_plugins second
check "moved program relays" relays second
ln -s "$(program second)" link
check "symbolic link to the program finds them" eval 'works ./link plugins && has_match "^broker  file "'

# ---- a program that embeds it ----
cat >embed.c <<'C'
#include <outbox/outbox.h>
#include <stdio.h>
#include <time.h>
int main(void)
{
    struct outbox_options options = {.struct_size = sizeof options, .config_path = "outbox.yaml"};
    struct outbox_stats stats = {.struct_size = sizeof stats};
    struct outbox *relay;
    struct outbox_error error;
    if (outbox_new(&options, &relay, &error) || outbox_start(relay, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < 1000 && !stats.settled; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        outbox_stats(relay, &stats);
    }
    outbox_stop(relay, 5000, &error);
    outbox_free(relay);
    printf("settled %llu\n", (unsigned long long)stats.settled);
    return 0;
}
C
prefix=$(dirname "$(dirname "$(program second)")")
pc() { PKG_CONFIG_PATH=$(library_dir second)/pkgconfig pkg-config --define-variable=prefix="$prefix" "$@" outbox; }
check "outbox.pc has the plugin directory" eval '[ -d "$(pc --variable=plugindir)" ]'
check "outbox.pc has the ABI version" eval '[ "$(pc --variable=abi_major)" = 1 ]'
check "program builds with outbox.pc" eval '${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror embed.c -o embed $(pc --cflags --libs) >"$out" 2>"$err"'
embedded() { works "$(program second)" add --aggregate-type a --aggregate-id 1 --type t --payload q &&
  LD_LIBRARY_PATH=$(library_dir second) works ./embed && has_line 'settled 1'; }
check "embedded relay publishes" embedded
exported() { nm -D --defined-only "$(library_dir second)/liboutbox.so" | awk '$2 != "A" { print $3 }' | grep -vE '^outbox_'; }
check "library exports outbox_ symbols only" eval '[ -z "$(exported)" ]'

# ---- what an installation outside of the usual directories needs ----
after_install() { env -u DESTDIR -u PKG_CONFIG_PATH -u LD_LIBRARY_PATH "$@" "$source_root/scripts/after-install" "$dir/strange/lib"; }
mkdir -p strange/lib && touch strange/lib/liboutbox.so
check "install names the directory for pkg-config" eval 'works after_install && has_match "export PKG_CONFIG_PATH=$dir/strange/lib/pkgconfig$"'
check "and for the loader" has_match "echo $dir/strange/lib >/etc/ld.so.conf.d/outbox.conf && ldconfig$"
found=(PKG_CONFIG_PATH="/x:$dir/strange/lib/pkgconfig" LD_LIBRARY_PATH="$dir/strange/lib")
check "it prints nothing where both are set" eval 'works after_install "${found[@]}" && [ ! -s "$out" ]'
# As meson does it: what the script prints is thrown away, and the output of its parent is what the user reads.
check "it prints to the output of meson" eval 'works bash -c '"'"'MESON_INSTALL_PREFIX=/x "$0" "$1" >/dev/null; exit'"'"' "$source_root/scripts/after-install" "$dir/strange/lib" && has_match "for the loader"'
check "and nothing for packagers" eval 'works after_install DESTDIR=/x && [ ! -s "$out" ]'

# ---- one version everywhere ----
version=$("$(program second)" --version | sed 's/^outbox //')
header() { sed -n 's/^#define OUTBOX_VERSION_STRING "\(.*\)"/\1/p' "$prefix/include/outbox/version.h"; }
check "version.h has the program's version" eval '[ -n "$version" ] && [ "$(header)" = "$version" ]'
check "outbox.pc has the version" eval '[ "$(pc --modversion)" = "$version" ]'
check "every installed plugin has the version" eval \
  'works "$(program second)" plugins --json && [ "$(grep -o "\"version\": *\"[^\"]*\"" "$out" | sort -u | grep -o "[0-9][0-9.]*")" = "$version" ]'
pages() { (cd "$prefix/share/man" && ls man1/outbox.1 man1/outbox-conformance.1 man5/outbox.yaml.5 man5/outbox-broker-file.5); }
check "manual pages are installed" eval 'pages >"$out" 2>"$err"'
check "and have the version" grep -q "\"outbox $version\"" "$prefix/share/man/man1/outbox.1"
check "the licence is installed" grep -q 'Apache License' "$prefix/share/licenses/outbox/LICENSE"
plan
