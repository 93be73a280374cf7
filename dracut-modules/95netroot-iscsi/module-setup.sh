#!/bin/bash
# dracut module netroot-iscsi: adds to dracut's iscsi module support for a target whose portal has another address than
# the one by which we reach it, and an end with the reason. See ../README.md.

# Never included by itself: netroot-iscsi.conf names it.
check() {
    require_binaries iscsiadm iscsid || return 1
    return 255
}

depends() {
    echo iscsi netroot-rootovl netroot-wait
}

installkernel() {
    # The machine that boots needs all of them, whatever the machine that builds has loaded.
    hostonly='' instmods iscsi_tcp sd_mod crc32c crc32c_generic squashfs
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    inst_multiple cat iscsiadm ln
    inst_simple "$moddir/netroot-iscsi.sh" "/lib/netroot-iscsi.sh"
    inst_hook netroot 10 "$moddir/iscsi-record.sh"
    inst_hook initqueue/settled 20 "$moddir/iscsi-failed.sh"
    inst_hook pre-pivot 01 "$moddir/iscsi-leave.sh"
}
