#!/bin/bash
# dracut module netroot-iscsi: what dracut's iscsi module lacks: a target whose portal has another address than the one
# that we reach it by, and an end with the reason. See ../README.md.

# Never by itself: netroot-iscsi.conf names it.
check() {
    require_binaries iscsiadm iscsid || return 1
    return 255
}

depends() {
    echo iscsi netroot-rootovl
}

installkernel() {
    # All of it is needed on the machine that boots, whatever the machine that builds has loaded.
    hostonly='' instmods iscsi_tcp sd_mod crc32c crc32c_generic squashfs
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    inst_multiple cat iscsiadm
    inst_hook netroot 10 "$moddir/iscsi-record.sh"
    inst_hook initqueue/settled 20 "$moddir/iscsi-failed.sh"
    inst_hook pre-pivot 01 "$moddir/iscsi-leave.sh"
}
