#!/bin/bash
# dracut module netroot-rootovl: a read-only root under a tmpfs overlay. See ../README.md.
# Works with dracut 059 (Debian 12) and 106 (Debian 13), with and without systemd in the initramfs.

# Never included by itself: netroot.conf names it.
check() {
    return 255
}

depends() {
    echo base
}

installkernel() {
    # The machine that boots needs it, whatever the machine that builds has loaded.
    hostonly='' instmods overlay
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    inst_multiple cat chmod chown cp ip mkdir modprobe mount mv readlink rm rmdir sha256sum sleep tr umount
    # Only a root with file capabilities needs it; the build says so if it is missing then.
    inst_multiple -o setcap
    inst_simple "$moddir/rootovl-lib.sh" "/lib/rootovl-lib.sh"
    inst_simple "$moddir/rootovl-root.sh" "/lib/rootovl-root.sh"
    inst_simple "$moddir/rootovl-steps.sh" "/lib/rootovl-steps.sh"
    inst_hook cmdline 01 "$moddir/start.sh"
    inst_hook pre-pivot 05 "$moddir/rootovl.sh"
    inst_hook cleanup 99 "$moddir/end.sh"
}
