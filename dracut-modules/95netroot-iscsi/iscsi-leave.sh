#!/bin/sh
# dracut hook (pre-pivot): stops the iscsid of the initramfs. The kernel holds the session. The iscsid of the running
# system takes it over and needs the socket of this one. Sourced by dracut's init.
# shellcheck disable=SC2154  # netroot is dracut's
case $netroot in
    iscsi:*)
        if [ -e /run/iscsid.pid ] && read -r iscsi_pid < /run/iscsid.pid; then
            kill "$iscsi_pid"
            rm -f /run/iscsid.pid
        fi
        ;;
esac
