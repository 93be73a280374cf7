#!/bin/bash
# dracut module netroot-direct: the short way to a network root with a static address, without udev. See ../README.md.

# Never included by itself: netroot.conf names it.
check() {
    return 255
}

depends() {
    echo base network netroot-net netroot-wait
}

# shellcheck disable=SC2154  # dracut sets moddir and initdir
install() {
    inst_multiple cat ip ln modprobe rm sleep true
    inst_hook pre-udev 10 "$moddir/direct.sh"
    # dracut's nfs module runs chown _rpc:root, and complains on the console where the group has no name.
    grep -qs '^root:' "$initdir/etc/group" || echo 'root:x:0:' >> "$initdir/etc/group"
    # dracut's init starts this instead of udevd if the root is mounted before udev would be needed.
    mkdir -p "$initdir/usr/lib/netroot"
    ln -s ../../bin/true "$initdir/usr/lib/netroot/systemd-udevd"
}
