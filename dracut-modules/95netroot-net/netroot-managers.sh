#!/bin/sh
# Functions of dracut's hook net.sh: keep the network managers of the running system away from the boot interface.
# Sourcing has no side effects, so they can be tested anywhere. Needs rootovl-lib.sh.

# net_devices SYSFS DEVICE: prints the interface and all below it, one a line: the bond that carries a VLAN, the cards
# of the bond. SYSFS is /sys/class/net.
net_devices() (
    echo "$2"
    for lower in "$1/$2"/lower_*; do
        [ -e "$lower" ] || continue
        net_devices "$1" "${lower##*/lower_}"
    done
)

# net_hardware_address SYSFS DEVICE: prints the card's own address. A card of a bond may show the bond's.
net_hardware_address() (
    file=$1/$2/bonding_slave/perm_hwaddr
    [ -e "$file" ] || file=$1/$2/address
    read -r mac < "$file" && echo "$mac"
)

# net_keep_router DEVICE: the IPv6 default routes of router advertisements end when no advertisement follows, and the kernel
# takes none once systemd-networkd has the device. Adds such a route again, for good and behind all others. Prints the
# router. Of several the kernel takes the first: routes of one metric are one.
net_keep_router() (
    ip -6 -o route show default dev "$1" | while read -r _ via router rest; do
        case "$via $rest " in
            'via '*' expires '*) ;;
            *) continue ;;
        esac
        ! ip -6 route add default via "$router" dev "$1" metric 4096 2> /dev/null || echo "$router"
    done
)

# net_leave_alone RUN DEVICE MAC: keeps network managers away from this interface of the running system. RUN is its
# /run. The files match the MAC address, because udev may give another name. Their names sort before a site's.
net_leave_alone() (
    run=$1 device=$2 mac=$3
    mkdir -p "$run/systemd/network" "$run/NetworkManager/conf.d" "$run/network" \
        "$run/systemd/system/networking.service.d" "$run/systemd/system/ifup@$device.service.d" || exit 1

    # systemd.network(5). Unmanaged=yes is not used: systemd-networkd-wait-online of systemd 252 waits 120 s for such a
    # link. KeepMaster=yes: a card stays in its bond or bridge. The address matches all of them, for a bond gives its own
    # to its cards and its VLANs.
    printf '%s\n' '[Match]' "MACAddress=$mac" '[Network]' KeepConfiguration=yes KeepMaster=yes DHCP=no \
        IPv6AcceptRA=no \
        > "$run/systemd/network/00-00-netroot-$device.network" || exit 1

    # NetworkManager.conf(5). A site's own list in /etc replaces the list here. It does not replace the section, but the
    # section does not prevent connecting the device by hand.
    printf '%s\n' '[keyfile]' "unmanaged-devices+=mac:$mac" "[device-netroot-$device]" "match-device=mac:$mac" \
        managed=0 > "$run/NetworkManager/conf.d/90-netroot-$device.conf" || exit 1
    # Remove the profiles of a NetworkManager in the initramfs. The running system's NetworkManager would wait 60 s for
    # their device (nm-settings(5), connection.wait-device-timeout).
    rm -rf "$run/NetworkManager/system-connections" || exit 1

    # For ifupdown an interface in both files is up already. It must not take it down at shutdown, before NFS ends.
    echo "$device=$device" >> "$run/network/ifstate" || exit 1
    echo "$device" > "$run/network/ifstate.$device" || exit 1
    excluded=--exclude=lo
    while IFS='=' read -r up _; do excluded="$excluded --exclude=$up"; done < "$run/network/ifstate"
    printf '%s\n' '[Service]' ExecStop= "ExecStop=-/sbin/ifdown -a --read-environment $excluded" \
        > "$run/systemd/system/networking.service.d/90-netroot.conf" || exit 1
    printf '%s\n' '[Service]' ExecStop= > "$run/systemd/system/ifup@$device.service.d/90-netroot.conf"
)

# net_leave_alone_root ROOT DEVICE MAC: the same for managers that read the root itself, if the root has their
# directories.
net_leave_alone_root() (
    # The name sorts after the site's own list, to which this file adds.
    directory=$(rootovl_resolve "$1" /etc/NetworkManager) || exit 1
    if [ -d "$1$directory" ]; then
        directory=$(rootovl_resolve "$1" "$directory/conf.d") && mkdir -p "$1$directory" || exit 1
        rm -f "$1$directory/zz-netroot-$2.conf" || exit 1
        printf '%s\n' '[keyfile]' "unmanaged-devices+=mac:$3" > "$1$directory/zz-netroot-$2.conf" || exit 1
    fi

    # initscripts, and NetworkManager's ifcfg-rh. ONBOOT=no: the interface is up already.
    directory=$(rootovl_resolve "$1" /etc/sysconfig/network-scripts) || exit 1
    [ -d "$1$directory" ] || exit 0
    rm -f "$1$directory/ifcfg-$2" || exit 1
    printf '%s\n' "DEVICE=$2" "HWADDR=$3" NM_CONTROLLED=no ONBOOT=no BOOTPROTO=none > "$1$directory/ifcfg-$2"
)
