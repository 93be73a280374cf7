#!/bin/sh
# dracut hook (pre-pivot, after rootovl.sh): hands what the network taught the initramfs to the running system, and keeps
# its boot interface. See ../README.md. Sourced by dracut's init, or by its dracut-pre-pivot.service.
# shellcheck disable=SC1091,SC2154

type getargbool > /dev/null 2>&1 || . /lib/dracut-lib.sh
type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
. /lib/netroot-net.sh
. /lib/netroot-dhcp.sh
. /lib/netroot-lease.sh
. /lib/netroot-names.sh
. /lib/netroot-managers.sh
. /lib/netroot-resolver.sh

# net_first_interface: prints the first interface that has an address, or else the first one that is not lo.
net_first_interface() (
    ip -o addr show scope global | {
        read -r _ device _ || device=
        if [ -z "$device" ]; then
            for device in /sys/class/net/*; do
                device=${device##*/}
                [ "$device" = lo ] || break
            done
        fi
        echo "${device%%@*}"
    }
)

# net_address INTERFACE: prints its first address, an IPv4 one if it has one.
net_address() (
    ip -o addr show dev "$1" scope global | {
        found=
        while read -r _ _ family address _; do
            case $family in
                inet)
                    found=${address%/*}
                    break
                    ;;
            esac
            : "${found:=${address%/*}}"
        done
        echo "$found"
    }
)

# The name that ip= or DHCP gave wins over the image's /etc/hostname, which systemd would prefer. That wins over a name
# from the MAC address.
net_hostname() {
    [ -e /run/netroot/name ] \
        || net_choose_name /run/netroot /sys/class/net /proc/sys/kernel/hostname "$(net_first_interface)"
    [ -e /run/netroot/name ] || return 0
    read -r net_short net_long net_dev net_kind < /run/netroot/name
    if [ "$1" = overlay ] && ! net_set_hostname "$NEWROOT" "$net_kind"; then
        rootovl_say "WARNING: /etc/hostname of the root cannot be written"
    fi
    rootovl_say "the host name is $net_short"
    [ "$1" = overlay ] || return 0
    if ! net_path=$(rootovl_place "$NEWROOT" /etc/hosts) \
        || ! net_hosts "$net_path" /run/netroot/hosts "$(net_address "$net_dev")" "$net_short" "$net_long"; then
        rootovl_say "WARNING: /etc/hosts of the root cannot be written"
    fi
}

# net_resolver overlay|direct: the name servers and domains of nameserver=, ip= and DHCP. dracut's file has those of the
# interface that came last.
net_resolver() {
    net_read_resolver /etc/resolv.conf /tmp/net.*.resolv.conf
    [ -n "$net_servers" ] || return 0
    if [ -z "$net_domains" ] && [ -e /run/netroot/name ]; then
        read -r net_short net_long _ < /run/netroot/name
        net_domains=${net_long#"$net_short"}
        net_domains=${net_domains#.}
    fi
    if ! net_set_resolver "$NEWROOT" /run "$1"; then
        rootovl_say "WARNING: the name servers cannot be written for the running system"
    elif [ -n "$net_told" ]; then
        rootovl_say "name servers: $net_servers (for $net_told)"
    else
        rootovl_say "name servers: the root keeps its own"
    fi
}

# The time servers of DHCP, of all interfaces.
net_time() {
    net_all=
    for net_file in /run/netroot/dhcp/*; do
        net_learned "$net_file"
        net_all="$net_all $net_dhcp_ntp"
    done
    # shellcheck disable=SC2086
    net_keep net_is_server $net_all
    [ -n "$net_kept" ] || return 0
    net_all=$net_kept
    if ! net_set_time "$NEWROOT" /run "$net_all"; then
        rootovl_say "WARNING: the time servers cannot be written for the running system"
    elif [ -n "$net_told" ]; then
        rootovl_say "time servers: $net_all (for$net_told)"
    fi
}

# net_keep_address DEVICE ADDRESS FLAGS: the address of ip -o addr stays for good, whatever becomes of its lease.
net_keep_address() {
    net_dynamic=
    case $3 in
        *' dynamic '*)
            net_dynamic=yes
            if ! ip addr change "$2" dev "$1" valid_lft forever preferred_lft forever; then
                rootovl_say "WARNING: $2 of $1 cannot be kept and will expire"
                return
            fi
            ;;
    esac
    if net_lease=$(net_recorded "/run/netroot/lease/$1" "${2%/*}"); then
        rootovl_say "$2 of $1 comes from DHCP and stays for good; its lease of $net_lease s is recorded for renewal"
    elif [ -n "$net_dynamic" ] || net_was_lent "/tmp/dhclient.$1.dhcpopts" "${2%/*}"; then
        rootovl_say "$2 of $1 comes from the network and stays for good; nobody renews it"
    fi
}

# net_interface overlay|direct: the interface that carries the root keeps its address, and no network manager may touch
# it. With overlay it also writes into the root, because such writes are gone at the next boot.
net_interface() {
    ip -o addr show scope global | while read -r _ net_dev _ net_addr net_rest; do
        net_dev=${net_dev%%@*}
        net_keep_address "$net_dev" "$net_addr" "$net_rest"
        case $net_addr in
            *:*)
                for net_router in $(net_keep_router "$net_dev"); do
                    rootovl_say "$net_router stays the IPv6 router of $net_dev for good"
                done
                ;;
        esac

        # With the interfaces below it, which carry it.
        for net_below in $(net_devices /sys/class/net "$net_dev"); do
            # Once for each, however many addresses it has.
            [ ! -e "/run/NetworkManager/conf.d/90-netroot-$net_below.conf" ] || continue
            net_mac=$(net_hardware_address /sys/class/net "$net_below") \
                || rootovl_die "the interface $net_below has no address in /sys"
            net_why=$(net_leave_alone /run "$net_below" "$net_mac" 2>&1) \
                || rootovl_die "$net_below cannot be kept from network managers: $net_why"
            if [ "$1" = overlay ]; then
                net_why=$(net_leave_alone_root "$NEWROOT" "$net_below" "$net_mac" 2>&1) \
                    || rootovl_die "$net_below cannot be kept from network managers: $net_why"
            fi
            rootovl_say "$net_below is left alone by network managers"
        done
    done
}

if getargbool 0 rootovl; then
    net_mode=overlay
else
    net_mode=direct
fi
net_hostname "$net_mode"
net_resolver "$net_mode"
net_time
net_interface "$net_mode"
read -r net_up _ < /proc/uptime && echo "$net_up" > /run/netroot/uptime-pivot
