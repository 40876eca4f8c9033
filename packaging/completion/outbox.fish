# SPDX-License-Identifier: Apache-2.0
# fish completion of outbox(1). Verbs and options come from the program's own --help, so they are those that it has.

function __outbox_verbs
    outbox --help 2>/dev/null | string match -rg '^  ([a-z][a-z-]*)  +(.*)$' | paste - -
end

function __outbox_options
    set -l verb (commandline -opc)[2]
    outbox $verb --help 2>/dev/null | string match -rg -- '(--[a-z][a-z-]*)' | sort -u
end

complete -c outbox -f
complete -c outbox -n 'test (count (commandline -opc)) -eq 1' -a '(__outbox_verbs)'
complete -c outbox -n 'test (count (commandline -opc)) -gt 1' -a '(__outbox_options)'
complete -c outbox -n 'contains -- dead (commandline -opc)' -a 'list show replay drop'
complete -c outbox -s c -l config -r -F
