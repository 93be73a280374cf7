#!/bin/sh
# dracut hook (initqueue/online, the first), for an interface that has its address. It runs before the root is mounted.
# See ../README.md. Sourced by dracut's init, or by its initqueue, with the interface as argument.
# shellcheck disable=SC1091,SC2154  # net_expiry is net_read_state's

type getargs > /dev/null 2>&1 || . /lib/dracut-lib.sh
type rootovl_say > /dev/null 2>&1 || . /lib/rootovl-lib.sh

# net_from_networkmanager INTERFACE: dracut has written what the DHCP server told NetworkManager with bash's printf %q,
# into a file that another shell sources next. Writes that file anew, with what is plain, and records the lease.
net_from_networkmanager() {
    read -r net_index < "/sys/class/net/$1/ifindex" && [ -e "/run/NetworkManager/devices/$net_index" ] || return 0
    net_read_state "/run/NetworkManager/devices/$net_index"
    net_check_options
    net_write_options "/tmp/dhclient.$1.dhcpopts"
    # dracut 106 comes here twice a second for as long as a server is waited for. The lease began when it was new.
    net_is_new "/run/netroot/seen/$1" "$net_leased/$net_expiry/${new_ip_address-}/$net_refused" || return 0
    [ -z "$net_refused" ] || rootovl_say "DHCP on $1: not plain, and so ignored:$net_refused"
    [ -n "$net_leased" ] || return 0
    net_write_record /run/netroot/lease /sys/class/net "$1" \
        || rootovl_say "DHCP on $1: the lease cannot be recorded for its renewal"
    net_learn /run/netroot/dhcp "$1"
}

# In a subshell, which keeps what the server said out of dracut's variables.
(
    LC_ALL=C
    . /lib/netroot-net.sh
    . /lib/netroot-dhcp.sh
    . /lib/netroot-lease.sh
    . /lib/netroot-names.sh
    if net_is_interface "$1" && [ "$1" != lo ]; then
        net_from_networkmanager "$1"
        net_choose_name /run/netroot /sys/class/net /proc/sys/kernel/hostname "$1"
    fi
)
