#!/bin/bash
# dracut module netroot-nbd: adds to dracut's nbd module a port beside the export's name, an end with the reason if the
# server or the export is missing, the short way, and a connection that is made again. See ../README.md.

# Never included by itself: netroot-nbd.conf names it.
check() {
    require_binaries nbd-client perl || return 1
    return 255
}

depends() {
    echo nbd netroot-rootovl netroot-wait
}

installkernel() {
    # The machine that boots needs all of them, whatever the machine that builds has loaded.
    hostonly='' instmods nbd squashfs
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    inst_multiple mount nbd-client perl sleep timeout
    inst_simple "$(perl -Mstrict -e 'print $INC{"strict.pm"}')"
    inst_simple "$moddir/netroot-nbd-keep" "/usr/bin/netroot-nbd-keep"
    inst_simple "$moddir/netroot-nbd.sh" "/lib/netroot-nbd.sh"
    inst_hook netroot 10 "$moddir/nbd-port.sh"
    inst_hook initqueue/settled 20 "$moddir/nbd-failed.sh"
    inst_hook pre-mount 10 "$moddir/nbd-keep.sh"
}
