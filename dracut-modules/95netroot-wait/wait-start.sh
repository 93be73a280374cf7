#!/bin/sh
# dracut hook (pre-trigger), on dracut's own way: starts the process that says what the network is waiting for. Sourced
# by dracut's init.
# shellcheck disable=SC1091
type rootovl_say > /dev/null 2>&1 || . /lib/rootovl-lib.sh
type wait_note > /dev/null 2>&1 || . /lib/netroot-wait.sh
if wait_applies && wait_offline; then
    type fix_bootif > /dev/null 2>&1 || . /lib/net-lib.sh
    wait_announce &
fi
