#!/bin/sh
# dracut hook (pre-mount), on both ways: starts the process that keeps the connection alive. Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
case $netroot in
    nbd:*)
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-nbd.sh
        if nbd_to_var "$netroot"; then
            nbd_port
            nbd_keep 0
        else
            rootovl_say "WARNING: nbd-server must not be restarted under this machine: $netroot is not SERVER:EXPORT by IPv4"
        fi
        ;;
esac
