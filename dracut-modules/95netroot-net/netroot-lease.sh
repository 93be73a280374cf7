#!/bin/sh
# Functions for the record of a lease, /run/netroot/lease/INTERFACE, from which the running system renews it: lines
# KEY=VALUE, described in ../README.md. Sourcing has no side effects, so they can be tested anywhere. Needs netroot-net.sh
# and netroot-dhcp.sh.

# net_sent_identifier CONFIGURATION TYPE MAC: sets net_client to the client identifier that dhclient sent, as hexadecimal.
# dracut's configuration has it made of the hardware type and the MAC address (RFC 2132).
net_sent_identifier() {
    net_client=
    [ -e "$1" ] || return 0
    while read -r net_line; do
        case $net_line in
            'send dhcp-client-identifier = hardware;'*)
                # A longer address than Ethernet's is cut in a way that depends on the dhclient.
                [ "$2" != 1 ] || net_hexadecimal "01:$3"
                ;;
        esac
    done < "$1"
}

# net_is_mac WORD: whether it is an address as /sys/class/net/INTERFACE/address has it, Ethernet's or a longer one.
net_is_mac() {
    case $1 in
        *[!0-9a-f:]* | *::* | :* | *:) return 1 ;;
        ??:??:??:??:??:??*) ;;
        *) return 1 ;;
    esac
}

# net_write_record DIRECTORY SYS INTERFACE: writes the record from the options and net_client. SYS is /sys/class/net.
# Without an address and a time there is nothing to renew, and an old record goes.
net_write_record() {
    rm -f "$1/$3"
    [ -n "${new_ip_address-}" ] && [ -n "${new_dhcp_lease_time-}" ] || return 0
    read -r net_index < "$2/$3/ifindex" && read -r net_mac < "$2/$3/address" && read -r net_up _ < /proc/uptime || return 1
    net_is_number "$net_index" 2147483647 && net_is_mac "$net_mac" || return 1
    net_renewal=${new_dhcp_renewal_time-} net_rebinding=${new_dhcp_rebinding_time-}
    # Times that are not in their order are the client's to choose (RFC 2131, 4.4.5).
    if [ "${net_renewal:-1}" -ge "${net_rebinding:-$new_dhcp_lease_time}" ] \
        || [ "${net_rebinding:-1}" -gt "$new_dhcp_lease_time" ]; then
        net_renewal='' net_rebinding=''
    fi
    mkdir -p "$1" || return 1
    net_mask=$(umask)
    umask 077
    printf '%s\n' "index=$net_index" "mac=$net_mac" "address=$new_ip_address" \
        ${new_dhcp_server_identifier:+"server=$new_dhcp_server_identifier"} "lease=$new_dhcp_lease_time" \
        ${net_renewal:+"renewal=$net_renewal"} ${net_rebinding:+"rebinding=$net_rebinding"} "obtained=$net_up" \
        ${net_client:+"client=$net_client"} > "$1/.$3" && mv "$1/.$3" "$1/$3"
    net_status=$?
    umask "$net_mask"
    return "$net_status"
}

# net_recorded FILE ADDRESS: prints the seconds of the lease if the record is of this address.
net_recorded() {
    [ -e "$1" ] || return 1
    net_found=''
    while IFS='=' read -r net_key net_value; do
        case $net_key in
            address) net_found=$net_value ;;
            lease) net_seconds=$net_value ;;
        esac
    done < "$1"
    [ "$net_found" = "$2" ] && echo "$net_seconds"
}

# net_was_lent FILE ADDRESS: whether FILE, dhclient's options as dracut keeps them, has the address, IPv4 or IPv6.
net_was_lent() {
    [ -e "$1" ] || return 1
    while IFS= read -r net_line; do
        case $net_line in
            "new_ip_address=$2" | "new_ip_address='$2'" | "new_ip6_address=$2" | "new_ip6_address='$2'") return 0 ;;
        esac
    done < "$1"
    return 1
}
