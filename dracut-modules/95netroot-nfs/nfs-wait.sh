#!/bin/sh
# dracut hook (netroot), runs before the handler of a network root. Sourced by dracut's netroot.
# shellcheck disable=SC1091,SC2154  # netroot and netif are dracut's
case $netroot in
    nfs:* | nfs4:*)
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        type nfs_to_var > /dev/null 2>&1 || . /lib/nfs-lib.sh
        . /lib/netroot-wait.sh
        . /lib/netroot-nfs.sh
        nfs_target "$netroot" "$netif"
        wait_later "$nfs_whom" nfs_answers
        # nfs-failed.sh counts the seconds from here.
        [ -e /tmp/netroot-nfs.began ] || { wait_clock && echo "$wait_now" > /tmp/netroot-nfs.began; }
        ;;
esac
