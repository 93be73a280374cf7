#!/bin/sh
# dracut hook (initqueue/settled): tries again what did not answer. dracut itself tries once, and gives up after three
# minutes. Sourced by dracut's init, so that it can reset the main loop's count.
# shellcheck disable=SC1091
type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
type wait_settled > /dev/null 2>&1 || . /lib/netroot-wait.sh
type fix_bootif > /dev/null 2>&1 || . /lib/net-lib.sh
! wait_applies || wait_settled
