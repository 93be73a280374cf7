#!/bin/sh
# dracut hook (initqueue/settled): if dracut's nbdroot has run and there is still no root, connects once more to learn
# the reason, and stops the machine with it. dracut itself would wait for three minutes and then say "Could not boot".
# Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
if [ -e /tmp/netroot-nbd.began ]; then
    read -r nbd_began < /tmp/netroot-nbd.began
    read -r nbd_up _ < /proc/uptime
    if [ "$((${nbd_up%.*} - nbd_began))" -ge 20 ]; then
        rm /tmp/netroot-nbd.began
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-nbd.sh
        if nbd-client -check /dev/nbd0 > /dev/null; then
            rootovl_die "the export behind /dev/nbd0 has no filesystem that the initramfs knows"
        fi
        nbd_to_var "$netroot" || rootovl_die "the root $netroot is not nbd:SERVER:EXPORT"
        nbd_port
        nbd_whom
        if ! nbd_answers; then
            # It went away in between. wait-settled.sh starts dracut's netroot again.
            wait_note server "$nbd_whom" "$wait_why"
        elif ! nbd_attach /dev/nbd0; then
            rootovl_die "$(nbd_reason /run/netroot/nbd.log)"
        fi
    fi
fi
