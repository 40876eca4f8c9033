# SPDX-License-Identifier: Apache-2.0
# bash completion of outbox(1). Verbs and options come from the program's own --help, so they are those that it has.

_outbox_verbs() { outbox --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'; }
_outbox_options() { outbox "$1" --help 2>/dev/null | grep -oE -- '(^|[ ,([])--?[a-z][a-z-]*' | grep -oE -- '--?[a-z-]+' | sort -u; }
_outbox_plugins() { outbox plugins 2>/dev/null | awk '$1 ~ /^(store|broker|transform)$/ { print $2 }' | sort -u; }
_outbox_relays() { sed -n '/^relays:/,/^[a-z]/s/^  \([A-Za-z0-9_-]*\):.*/\1/p' "${1:-outbox.yaml}" 2>/dev/null; } # FILE

_outbox_config() { # the file after -c, else the defaults of the program
  local i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in -c | --config) echo "${COMP_WORDS[i + 1]}"; return ;; esac
  done
  for i in "${OUTBOX_CONFIG:-}" outbox.yaml /etc/outbox/outbox.yaml; do
    [ ! -r "$i" ] || { echo "$i"; return; }
  done
}

_outbox_words() { # VERB WORD: what may stand here
  case $1:$2 in
  *:-*) _outbox_options "$1" ;;
  dead:*) echo list show replay drop ;;
  plugins:*) _outbox_plugins ;;
  pause:* | resume:* | retry:* | skip:*) _outbox_relays "$(_outbox_config)" ;;
  esac
}

_outbox() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $before in
  -c | --config) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
  --relay) mapfile -t COMPREPLY < <(compgen -W "$(_outbox_relays "$(_outbox_config)")" -- "$word"); return ;;
  esac
  if [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_outbox_verbs) --help --version" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(_outbox_words "${COMP_WORDS[1]}" "$word")" -- "$word")
  fi
}
complete -F _outbox outbox
