#!/bin/sh
# dracut hook (pre-pivot): the kernel holds the session; the running system's own iscsid takes it over, and wants this
# one's socket. Sourced by dracut's init.
# shellcheck disable=SC2154  # netroot is dracut's
case $netroot in
    iscsi:*)
        if [ -e /run/iscsid.pid ] && read -r iscsi_pid < /run/iscsid.pid; then
            kill "$iscsi_pid"
            rm -f /run/iscsid.pid
        fi
        ;;
esac
