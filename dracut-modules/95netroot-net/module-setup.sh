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

# shellcheck disable=SC2154  # dracut sets moddir and initdir
install() {
    local file
    inst_multiple cat cp ip mkdir mv rm
    for file in dhcp lease managers names net resolver; do
        inst_simple "$moddir/netroot-$file.sh" "/lib/netroot-$file.sh"
    done
    inst_hook initqueue/online 05 "$moddir/net-online.sh"
    inst_hook pre-pivot 06 "$moddir/net.sh"
    # network-legacy comes before this module. Without it NetworkManager is the DHCP client.
    if [ -e "$initdir/sbin/dhclient-script" ]; then
        mv "$initdir/sbin/dhclient-script" "$initdir/sbin/dhclient-script-dracut"
        inst_script "$moddir/dhclient-script.sh" "/sbin/dhclient-script"
        # dhclient goes on without a word, and without an address, if it cannot run it.
        chmod 755 "$initdir/sbin/dhclient-script"
        cat "$moddir/dhclient.conf" >> "$initdir/etc/dhclient.conf"
    fi
}
