#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# symbols.sh NM MODULE...: a module exports outbox_plugin and nothing else, and needs no symbol of the core.
nm=$1
shift
status=0
for module in "$@"; do
    exported=$("$nm" -D --defined-only "$module" | awk '{print $NF}' | tr '\n' ' ')
    if [ "$exported" != "outbox_plugin " ]; then
        echo "$module exports: $exported(expected outbox_plugin alone)"
        status=1
    fi
    needed=$("$nm" -D --undefined-only "$module" | awk '{print $NF}' | grep -E '^(obx|outbox)_' | tr '\n' ' ')
    if [ -n "$needed" ]; then
        echo "$module needs symbols of the core: $needed"
        status=1
    fi
done
exit $status
