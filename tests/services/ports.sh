# Sourced by the scripts that start servers for tests.
#   reserve_ports                       sets $port, the first of eight ports (of 20000 to 31999) at which nothing listens
#   start_server SERVICE DIR [ARG ...]  `SERVICE start DIR $port ARG ...` on such ports; sets $address, what that prints.
#                                       What it cannot do is in DIR/start.err
# Reserved ports stay so, also while a server is down, until the last process that the shell has begun since has ended: the
# lock of a file belongs to an open descriptor, and they inherit it. So a server finds its ports free when it starts again.
# shellcheck shell=bash
reserve_ports() {
  local held lock; held=/tmp/outbox-ports.$(id -u)
  mkdir -p "$held"
  while port=$((20000 + RANDOM % 1500 * 8)); do
    exec {lock}>"$held/$port"
    flock -n "$lock" && ! listens "$port" && return
    exec {lock}>&-
  done
}
listens() { # PORT: a process does, at one of the eight
  local ports; printf -v ports '%04X|' $(seq "$1" $(($1 + 7)))
  grep -qE "^ *[0-9]+: [0-9A-F]+:(${ports%|}) [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
start_server() {
  mkdir -p "$2"
  for _ in 1 2 3; do # another program may listen there since
    reserve_ports
    address=$("$1" start "$2" "$port" "${@:3}" 2>"$2/start.err") && return
    "$1" kill "$2" >/dev/null 2>&1 || :
  done
  return 1
}
