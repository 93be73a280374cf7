#!/bin/sh
# dracut hook (netroot), runs before the handler of a network root. Sourced by dracut's netroot.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
case $netroot in
    nbd:*)
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-wait.sh
        . /lib/netroot-nbd.sh
        if nbd_to_var "$netroot"; then
            nbd_port
            nbd_whom
            mkdir -p /run/netroot
            [ -e /tmp/netroot-nbd.began ] || wait_later "$nbd_whom" nbd_answers
            # dracut's nbdroot puts the name behind -name without quotes, so a port behind the name reaches nbd-client
            # too.
            if [ -n "$nbd_number" ]; then
                netroot="nbd:$nbd_server:$nbd_export $nbd_number${netroot#nbd:"$nbd_server":"$nbd_export"}"
            fi
        fi
        # nbd-failed.sh counts the seconds from here. For NetworkManager's interfaces dracut runs this hook many times.
        [ -e /tmp/netroot-nbd.began ] || { read -r nbd_up _ < /proc/uptime && echo "${nbd_up%.*}" > /tmp/netroot-nbd.began; }
        ;;
esac
