#!/bin/bash
# dracut module netroot-net: what the client learns from the network, and its boot interface. See ../README.md.
# Works with dracut 059 (Debian 12) and 106 (Debian 13), with and without systemd in the initramfs.

# Never included by itself: netroot.conf names it.
check() {
    return 255
}

depends() {
    echo netroot-rootovl
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    inst_multiple cp ip mkdir rm
    inst_simple "$moddir/netroot-managers.sh" "/lib/netroot-managers.sh"
    inst_simple "$moddir/netroot-resolver.sh" "/lib/netroot-resolver.sh"
    inst_hook pre-pivot 06 "$moddir/net.sh"
}
