#!/bin/sh
# dracut hook (pre-udev): mounts a root=nfs:, root=nbd: or root=live:http:// with one static ip= and a plain interface
# at once: drivers by modalias, address, mount. It leaves out udev's coldplug, the search for duplicate addresses and
# rpcbind, which take most of the initramfs's time. In every other case, and with rd.netroot.direct=0, it does nothing,
# and dracut goes its own way.
# Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154

. /lib/rootovl-lib.sh
. /lib/netroot-net.sh
. /lib/netroot-names.sh
. /lib/netroot-wait.sh

# direct_applies: whether the short way can be taken. Sets what ip_to_var sets.
direct_applies() {
    [ -z "$DRACUT_SYSTEMD" ] && getargbool 1 rd.netroot.direct || return 1
    case $netroot in
        nfs:*) direct_library=/lib/netroot-nfs.sh ;;
        nbd:*) direct_library=/lib/netroot-nbd.sh ;;
        # livenet's name for root=live:
        livenet:http://*) direct_library=/lib/netroot-http.sh ;;
        *) return 1 ;;
    esac
    [ -e "$direct_library" ] || return 1
    # shellcheck disable=SC1090
    . "$direct_library"
    case $netroot in
        nfs:*) . /lib/nfs-lib.sh ;;
        nbd:*) nbd_to_var "$netroot" || return 1 ;;
    esac
    for direct_word in vlan= bond= bridge= team= ifname= rd.route= rd.znet= rd.break; do
        if getarg "$direct_word" > /dev/null; then return 1; fi
    done
    direct_ip=$(getargs ip=) || return 1
    case $direct_ip in
        *' '* | *'
'* | *\[*) return 1 ;;
    esac
    . /lib/net-lib.sh
    ip_to_var "$direct_ip"
    case ${autoconf:-none} in
        none | off | static) ;;
        *) return 1 ;;
    esac
    [ -n "$ip" ] && [ -n "$mask" ] && [ -z "$macaddr" ] || return 1
    case $dev in
        ??:??:??:??:??:?? | ??-??-??-??-??-??) ;;
        # Only if udev renames no interface is the name the kernel's own.
        eth*) if getargbool 1 net.ifnames; then return 1; fi ;;
        '') dev=$(getarg BOOTIF=) || return 1 ;;
        *) return 1 ;;
    esac
}

# Loads the driver of every device that has a modalias. The initramfs has drivers of NICs and their buses only.
# This is done twice, because the devices of virtio and Hyper-V appear with the driver of their bus.
direct_load_drivers() {
    for _ in 1 2; do
        set --
        for direct_file in /sys/bus/*/devices/*/modalias; do
            [ -e "${direct_file%/modalias}/driver" ] && continue
            { read -r direct_alias < "$direct_file"; } 2> /dev/null && set -- "$@" "$direct_alias"
        done
        [ $# -eq 0 ] || modprobe -abq "$@" 2> /dev/null
    done
    modprobe -abq af_packet 2> /dev/null
    case $netroot in
        nfs:*) modprobe -abq nfs nfsv3 2> /dev/null ;;
    esac
    unset direct_file direct_alias
}

# Waits at most 15 s for the driver to make the interface, and sets its name.
direct_interface() {
    direct_wait=0
    while [ "$direct_wait" -lt 150 ]; do
        case $dev in
            eth*) netif=$dev ;;
            ??:??:??:??:??:??) netif=$(iface_for_mac "$dev") ;;
            *) netif=$(iface_for_mac "$(fix_bootif "$dev")") ;;
        esac
        [ -n "$netif" ] && [ -e "/sys/class/net/$netif" ] && return 0
        sleep 0.1
        direct_wait=$((direct_wait + 1))
    done
    return 1
}

# Waits for a carrier. iface_has_carrier waits 10 s, which is enough for most links.
direct_carrier() {
    iface_has_carrier "$netif" && return 0
    while wait_no_carrier "$netif"; do
        wait_limit network "a link on $netif (no carrier)"
        wait_note network "a link on $netif (no carrier)"
        sleep 1
    done
    wait_over network "a link on $netif"
}

direct_mount() {
    direct_load_drivers
    if ! direct_interface; then
        rootovl_say "direct: no interface $dev: dracut's own way is tried"
        return 1
    fi
    ip link set lo up
    [ -z "$mtu" ] || ip link set "$netif" mtu "$mtu"
    direct_carrier
    # srv, the second field, is the address of a boot server, as in the kernel's own ip=, and never a peer.
    ip addr add "$ip/$mask" brd + dev "$netif" || return 1
    [ -z "$gw" ] || ip route replace default via "$gw" dev "$netif"
    net_choose_name /run/netroot /sys/class/net /proc/sys/kernel/hostname "$netif"
    for direct_server in $dns1 $dns2 $(getargs nameserver=); do
        echo "nameserver $direct_server"
    done > /etc/resolv.conf

    rootovl_say "direct: $netif has $ip, mounting ${netroot#*:}"
    case $netroot in
        nfs:*) nfs_mount "$netroot" "$NEWROOT" "$netif" ;;
        nbd:*) nbd_mount "$netroot" "$NEWROOT" ;;
        livenet:*) http_mount "${netroot#livenet:}" "$NEWROOT" ;;
    esac
}

if direct_applies && direct_mount; then
    # dracut's later hooks look for these files, which dracut's own way would make.
    : > "/tmp/net.$netif.did-setup"
    : > "/tmp/net.$netif.up"
    # With PXELINUX's BOOTIF= dracut also waits for the card by its address.
    if direct_word=$(getarg BOOTIF=); then
        : > "/tmp/net.$(fix_bootif "$direct_word").did-setup"
    fi
    # For dracut the root of these transports is a device, and it waits for that device.
    case $netroot in
        nbd:*) ln -sf nbd0 /dev/root ;;
        livenet:*) ln -sf null /dev/root ;;
    esac
    rm -f /lib/dracut/hooks/pre-udev/*nfs-start-rpc.sh /var/lib/dracut/hooks/pre-udev/*nfs-start-rpc.sh
    # dracut's init would now start udev, let it look at every device, and wait, although nothing is left to find.
    # shellcheck disable=SC2034  # dracut's init reads it
    systemdutildir=/usr/lib/netroot
    udevadm() { :; }
fi
unset direct_library direct_word direct_ip direct_wait direct_server
