#!/bin/sh
# Functions for a root=nbd:, used by the short way (netroot-direct) and by the hooks on dracut's own way. Sourcing has
# no side effects. Needs rootovl-lib.sh, netroot-wait.sh and dracut-lib.sh.

# nbd_to_var NETROOT: splits nbd:SERVER:EXPORT[:FSTYPE[:FLAGS[:OPTIONS]]] into nbd_server, nbd_export, nbd_type. SERVER
# is a name or an IPv4 address. Fails for any other form (IPv6 in brackets, no export). A number as EXPORT is dracut's
# port.
nbd_to_var() {
    nbd_server='' nbd_export='' nbd_type=''
    case $1 in
        nbd:\[* | nbd::*) return 1 ;;
        nbd:*:*) ;;
        *) return 1 ;;
    esac
    nbd_rest=${1#nbd:}
    nbd_server=${nbd_rest%%:*}
    nbd_rest=${nbd_rest#*:}
    nbd_export=${nbd_rest%%:*}
    case $nbd_rest in
        *:*)
            nbd_rest=${nbd_rest#*:}
            nbd_type=${nbd_rest%%:*}
            ;;
    esac
    : "${nbd_type:=squashfs}"
    [ -n "$nbd_export" ]
}

# nbd_port: sets nbd_number from rd.netroot.nbdport=. dracut's own syntax has no place for a port beside an export's
# name.
nbd_port() {
    nbd_number=$(getarg rd.netroot.nbdport=) || nbd_number=
    case $nbd_number in
        *[!0-9]* | ??????*) rootovl_die "rd.netroot.nbdport=$nbd_number is not a port" ;;
    esac
}

# nbd_attach DEVICE: connects the device within 20 s. The output of nbd-client goes to /run/netroot/nbd.log. It is a
# file, because a client that stays as a process would keep a pipe open.
nbd_attach() {
    case $nbd_export in
        *[!0-9]*) set -- -name "$nbd_export" "$nbd_server" ${nbd_number:+"$nbd_number"} "$1" ;;
        *) set -- "$nbd_server" "$nbd_export" "$1" ;;
    esac
    timeout 20 nbd-client -persist -systemd-mark "$@" > /run/netroot/nbd.log 2>&1
}

# nbd_silent STATUS LOG: whether the nbd-client that ended with STATUS found nobody. It sets wait_why to its own words.
# shellcheck disable=SC2034  # wait_why is netroot-wait.sh's
nbd_silent() {
    nbd_words=$(nbd_last_words "$2")
    case $1:$nbd_words in
        124:*) wait_why="no answer" ;;
        *'Socket failed: '*) wait_why=${nbd_words##*Socket failed: } ;;
        *getaddrinfo*) wait_why=$nbd_words ;;
        *) return 1 ;;
    esac
}

# nbd_answers: whether anybody answers at nbd_server and nbd_number. Asks for the list of exports, which a server may
# refuse, without a device.
nbd_answers() {
    nbd_status=0
    case $nbd_export in
        *[!0-9]*) set -- "$nbd_server" ${nbd_number:+"$nbd_number"} ;;
        *) set -- "$nbd_server" "$nbd_export" ;;
    esac
    timeout 10 nbd-client -l "$@" > /run/netroot/nbd.log 2>&1 || nbd_status=$?
    ! nbd_silent "$nbd_status" /run/netroot/nbd.log
}

# nbd_whom: sets nbd_whom, the server for the console. A number as nbd_export is its port.
nbd_whom() {
    case $nbd_export in
        *[!0-9]*) nbd_whom="the nbd-server $nbd_server, port ${nbd_number:-10809}" ;;
        *) nbd_whom="the nbd-server $nbd_server, port $nbd_export" ;;
    esac
}

# nbd_keep NUMBER: starts a process that connects /dev/nbdNUMBER again when the server was away. It outlives the
# initramfs.
nbd_keep() {
    case $nbd_export in
        *[!0-9]*) set -- "$nbd_server" "${nbd_number:-10809}" "$nbd_export" "$1" ;;
        *) set -- "$nbd_server" "$nbd_export" '' "$1" ;;
    esac
    nbd_why=$(netroot-nbd-keep "$@" 2>&1) \
        || rootovl_say "WARNING: nbd-server must not be restarted under this machine: $nbd_why"
}

# nbd_last_words LOG: prints the last error in nbd-client's messages.
nbd_last_words() (
    nbd_said=
    while read -r nbd_line || [ -n "$nbd_line" ]; do
        case $nbd_line in
            # "Negotiation: .." and the progress before it have no line end.
            *Error:*) nbd_said=${nbd_line##*Error: } ;;
            *E:*) nbd_said=${nbd_line##*E: } ;;
            *getaddrinfo*) nbd_said=$nbd_line ;;
        esac
    done < "$1"
    echo "$nbd_said"
)

# nbd_reason LOG: prints in one line why there is no root, from nbd-client's messages.
nbd_reason() {
    nbd_said=$(nbd_last_words "$1")
    echo "the export $nbd_export of $nbd_server, port ${nbd_number:-10809}, cannot be attached:" \
        "${nbd_said:-no answer within 20 s}; is nbd-server running there, with this export?"
}

# nbd_try: attaches /dev/nbd0, or fails if nobody answers. A server that answers may still be starting, so it is asked
# three times. Then the machine stops with the reason.
nbd_try() {
    for nbd_times in 1 2 3; do
        nbd_status=0
        nbd_attach /dev/nbd0 || nbd_status=$?
        [ "$nbd_status" -ne 0 ] || return 0
        ! nbd_silent "$nbd_status" /run/netroot/nbd.log || return 1
        [ "$nbd_times" -eq 3 ] || sleep 2
    done
    rootovl_die "$(nbd_reason /run/netroot/nbd.log)"
}

# nbd_mount NETROOT NEWROOT: attaches and mounts, or dies with the reason.
nbd_mount() {
    nbd_to_var "$1" || rootovl_die "the root $1 is not nbd:SERVER:EXPORT"
    nbd_port
    modprobe -abq nbd squashfs
    [ -b /dev/nbd0 ] || rootovl_die "there is no /dev/nbd0 (is the module nbd in the initramfs?)"
    nbd_whom
    wait_server "$nbd_whom" nbd_try
    mount -t "$nbd_type" -o ro /dev/nbd0 "$2" \
        || rootovl_die "the export $nbd_export of $nbd_server cannot be mounted: it is not a complete $nbd_type image"
}
