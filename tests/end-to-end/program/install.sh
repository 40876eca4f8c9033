#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# meson install: the program finds its plugins under any prefix, and after the whole tree was moved.
# Expects BUILD, the build directory, and CC.
. "$(dirname "$0")/lib.sh"
unset OUTBOX_PLUGIN_DIR

install_to() { DESTDIR=$dir/first meson install -C "$BUILD" --no-rebuild --quiet; }
program() { find "$dir/$1" -type f -name outbox -perm -u+x | head -n 1; }
library_dir() { dirname "$(find "$dir/$1" -name 'liboutbox.so' | head -n 1)"; }
finds_plugins() { works "$(program "$1")" plugins && matched '^broker  file ' && silent; }
relays() { # all the way, with the installed program alone
  local outbox; outbox=$(program "$1")
  works "$outbox" init && works "$outbox" add --aggregate-type a --aggregate-id 1 --type t --payload p &&
    works "$outbox" drain && matched '^relayed 1 events '
}

check "meson install into a directory" install_to
check "the program finds its plugins there" finds_plugins first
config </dev/null
check "and relays" relays first
mv first second
check "moved, it finds them still" finds_plugins second
check "and relays" relays second
ln -s "$(program second)" link
check "also through a symbolic link" eval 'works ./link plugins && matched "^broker  file "'

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
check "outbox.pc says where plugins are" eval '[ -d "$(pc --variable=plugindir)" ]'
check "outbox.pc says which ABI" eval '[ "$(pc --variable=abi_major)" = 1 ]'
check "a program builds with it" eval '${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror embed.c -o embed $(pc --cflags --libs) >"$out" 2>"$err"'
embedded() { works "$(program second)" add --aggregate-type a --aggregate-id 1 --type t --payload q &&
  LD_LIBRARY_PATH=$(library_dir second) works ./embed && said 'settled 1'; }
check "and relays inside" embedded
exported() { nm -D --defined-only "$(library_dir second)/liboutbox.so" | awk '$2 != "A" { print $3 }' | grep -vE '^outbox_'; }
check "the library exports nothing else" eval '[ -z "$(exported)" ]'

# ---- one version everywhere ----
version=$("$(program second)" --version | sed 's/^outbox //')
header() { sed -n 's/^#define OUTBOX_VERSION_STRING "\(.*\)"/\1/p' "$prefix/include/outbox/version.h"; }
check "version.h has the program's version" eval '[ -n "$version" ] && [ "$(header)" = "$version" ]'
check "outbox.pc has it" eval '[ "$(pc --modversion)" = "$version" ]'
check "every plugin that comes with it has it" eval \
  'works "$(program second)" plugins --json && [ "$(grep -o "\"version\": *\"[^\"]*\"" "$out" | sort -u | grep -o "[0-9][0-9.]*")" = "$version" ]'
check "the licence is installed" grep -q 'Apache License' "$prefix/share/licenses/outbox/LICENSE"
plan
