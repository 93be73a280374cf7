#!/bin/sh
# Functions for a root=nbd:, used by the short way (netroot-direct) and by the hooks on dracut's own way. Sourcing has
# no side effects. Needs rootovl-lib.sh and dracut-lib.sh.

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

# nbd_reason LOG: prints in one line why there is no root, from nbd-client's messages.
nbd_reason() {
    nbd_said=
    while read -r nbd_line || [ -n "$nbd_line" ]; do
        case $nbd_line in
            # "Negotiation: .." and the progress before it have no line end.
            *Error:*) nbd_said=${nbd_line##*Error: } ;;
            *E:*) nbd_said=${nbd_line##*E: } ;;
        esac
    done < "$1"
    echo "the export $nbd_export of $nbd_server, port ${nbd_number:-10809}, cannot be attached:" \
        "${nbd_said:-no answer within 20 s}; is nbd-server running there, with this export?"
}

# nbd_mount NETROOT NEWROOT: attaches and mounts, or dies with the reason.
nbd_mount() {
    nbd_to_var "$1" || rootovl_die "the root $1 is not nbd:SERVER:EXPORT"
    nbd_port
    modprobe -abq nbd squashfs
    [ -b /dev/nbd0 ] || rootovl_die "there is no /dev/nbd0 (is the module nbd in the initramfs?)"
    nbd_try=1
    # The server may still be starting.
    until nbd_attach /dev/nbd0; do
        [ "$nbd_try" -lt 3 ] || rootovl_die "$(nbd_reason /run/netroot/nbd.log)"
        nbd_try=$((nbd_try + 1))
        sleep 2
    done
    mount -t "$nbd_type" -o ro /dev/nbd0 "$2" \
        || rootovl_die "the export $nbd_export of $nbd_server cannot be mounted: it is not a complete $nbd_type image"
}
