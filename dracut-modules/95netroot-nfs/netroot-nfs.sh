#!/bin/sh
# Functions for a root=nfs:, used by the short way (netroot-direct) and by the hooks on dracut's own way. Sourcing has
# no side effects. Needs rootovl-lib.sh, netroot-wait.sh, and dracut's nfs-lib.sh.

# nfs_target NETROOT INTERFACE: sets nfs_server, nfs_port and nfs_whom. nfs_port is empty if no option names it.
# shellcheck disable=SC2034,SC2154  # server is dracut's; nfs_whom is for the caller
nfs_target() {
    nfs_port=$(nfs_option port "$1" "$2")
    nfs_server=$(nfs_to_var "$1" "$2" > /dev/null && echo "$server")
    nfs_whom="the NFS server $nfs_server, port ${nfs_port:-2049}"
}

# nfs_option NAME NETROOT INTERFACE: prints the number that the mount option has, or nothing.
nfs_option() (
    wanted=$1
    options=''
    nfs_to_var "$2" "$3" > /dev/null
    IFS=,
    for option in $options; do
        case $option in
            "$wanted"=*[!0-9]* | "$wanted"=) ;;
            "$wanted"=*) echo "${option#*=}" ;;
        esac
    done
)

# nfs_answers: whether anybody answers at nfs_server and nfs_port, with whatever it may be. Otherwise it sets wait_why.
# It asks with the NULL procedure of NFS (RFC 1813), and a server whose port nobody named also by rpcbind. rpcinfo takes
# addresses only. Without it, and without getent for a server with a name, the mount itself is the first to ask.
nfs_answers() {
    command -v rpcinfo > /dev/null || return 0
    case $nfs_server in
        *:*) nfs_address=${nfs_server#\[} nfs_address=${nfs_address%\]} ;;
        *[!0-9.]*)
            command -v getent > /dev/null || return 0
            if ! nfs_address=$(nfs_resolve "$nfs_server"); then
                wait_why="nobody knows the address of $nfs_server"
                return 1
            fi
            ;;
        *) nfs_address=$nfs_server ;;
    esac
    case $nfs_address in
        *:*) set -- "$nfs_address" tcp6 ;;
        *) set -- "$nfs_address" tcp ;;
    esac
    nfs_asked rpcinfo -a "$1.$((${nfs_port:-2049} / 256)).$((${nfs_port:-2049} % 256))" -T "$2" 100003 3 && return 0
    [ -z "$nfs_port" ] || return 1
    nfs_refused=$wait_why
    nfs_asked rpcinfo -T "$2" "$1" 100003 3 && return 0
    wait_why=$nfs_refused
    return 1
}

# nfs_resolve NAME: prints the first address of the name.
nfs_resolve() (
    said=$(timeout 10 getent ahosts "$1") || exit 1
    echo "${said%%[!0-9A-Fa-f.:]*}"
)

# nfs_asked COMMAND...: whether rpcinfo got an answer within 5 s. "This version is not available" is one.
nfs_asked() {
    nfs_status=0
    nfs_said=$(timeout 5 "$@" 2>&1) || nfs_status=$?
    [ "$nfs_status" -ne 124 ] || nfs_said='timed out'
    [ "$nfs_status" -eq 0 ] || ! nfs_silent "$nfs_said"
}

# nfs_silent WORDS: whether rpcinfo or mount.nfs found nobody. It sets wait_why to the words without what stands before
# them.
# shellcheck disable=SC2034  # wait_why is netroot-wait.sh's
nfs_silent() {
    case $1 in
        *'onnection refused'* | *'imed out'* | *imeout* | *'o route to host'* | *unreachable* | *'ystem error'* | \
            *'onnection reset'* | *'ort mapper'* | *'not registered'* | *'nable to receive'* | *'nable to send'* | \
            *'nknown host'* | *'ailed to resolve'* | *'name resolution'*) ;;
        *) return 1 ;;
    esac
    wait_why=${1##*RPC: }
    wait_why=${wait_why##*mount.nfs: }
    wait_why=${wait_why##*Remote system error - }
}

# nfs_try NETROOT NEWROOT INTERFACE: mounts, or fails if nobody answers. Any other failure is an end with the reason.
nfs_try() {
    nfs_status=0
    # mount.nfs tries again by itself for two minutes, but it says nothing meanwhile.
    nfs_said=$(mount_nfs "$(nfs_once "$1")" "$2" "$3" 2>&1) || nfs_status=$?
    [ -z "$nfs_said" ] || echo "$nfs_said" >&2
    [ "$nfs_status" -ne 0 ] || return 0
    ! nfs_silent "$nfs_said" || return 1
    rootovl_die "the NFS root ${1#nfs*:} cannot be mounted"
}

# nfs_once NETROOT: prints it with the mount option retry=0.
nfs_once() {
    case $1 in
        *:/*:?*) echo "$1,retry=0" ;;
        *:/*:) echo "${1}retry=0" ;;
        *) echo "$1:retry=0" ;;
    esac
}

# nfs_ask_and_try: the same, but asks first. mount.nfs can take long to find out that nobody answers.
nfs_ask_and_try() {
    nfs_answers && nfs_try "$@"
}

# nfs_mount NETROOT NEWROOT INTERFACE: waits and mounts, or dies with the reason.
nfs_mount() {
    # Most servers are there. The question would take a third of a second.
    nfs_try "$@" && return 0
    nfs_target "$1" "$3"
    wait_server "$nfs_whom" nfs_ask_and_try "$@"
}
