#!/bin/sh
# Functions for the options of a DHCP server, as dhclient gives them to its script: in variables new_NAME. Sourcing has
# no side effects, so they can be tested anywhere. Needs netroot-net.sh.

# The options that anybody uses. net_check_options checks each of them.
net_options="ip_address subnet_mask broadcast_address routers domain_name domain_name_servers domain_search host_name \
ntp_servers root_path next_server interface_mtu classless_static_routes ms_classless_static_routes dhcp_lease_time \
dhcp_renewal_time dhcp_rebinding_time dhcp_server_identifier ip6_address ip6_prefixlen dhcp6_name_servers \
dhcp6_domain_search"

# net_unknown_variables: reads the output of set, and prints the names of variables of dhclient that are not options
# above. A value with several lines can add names to the list. It cannot take one away.
net_unknown_variables() {
    while read -r net_line || [ -n "$net_line" ]; do
        net_line=${net_line%%=*}
        case $net_line in
            *[!A-Za-z0-9_]*) continue ;;
            old_* | cur_* | alias_* | requested_*) ;;
            new_*) case " $net_options " in *" ${net_line#new_} "*) continue ;; esac ;;
            *) continue ;;
        esac
        echo "$net_line"
    done
}

# net_forget_unknown: unsets them. dracut writes every new_ variable into a file that it sources.
net_forget_unknown() {
    # The names are plain.
    # shellcheck disable=SC2046
    unset -v net_nothing $(set | net_unknown_variables)
}

# net_option NAME: sets net_value to the option.
net_option() {
    eval "net_value=\${new_$1-}"
}

# net_refuse NAME: forgets the option and remembers its name in net_refused.
net_refuse() {
    unset -v "new_$1"
    net_refused="$net_refused $1"
}

# net_check_one TEST NAME...: refuses these options where TEST fails.
net_check_one() {
    net_check=$1
    shift
    for net_name; do
        net_option "$net_name"
        [ -z "$net_value" ] || "$net_check" "$net_value" || net_refuse "$net_name"
    done
}

# net_check_list TEST NAME...: keeps the words of these options that pass TEST.
net_check_list() {
    net_check=$1
    shift
    for net_name; do
        net_option "$net_name"
        [ -n "$net_value" ] || continue
        # If one word is not plain, none is what the server meant.
        # shellcheck disable=SC2086
        case $net_value in
            *[!A-Za-z0-9_.:\ -]*) net_kept='' ;;
            *) net_keep "$net_check" $net_value ;;
        esac
        if [ -n "$net_kept" ]; then eval "new_$net_name=\$net_kept"; else net_refuse "$net_name"; fi
    done
}

# Tests for options that netroot-net.sh has none for.
net_is_seconds() { net_is_number "$1" 4294967295; }
net_is_mtu() { net_is_number "$1" 65535; }
net_is_prefix() { net_is_number "$1" 128; }
net_is_bytes() { case $1 in *[!0-9.\ ]*) return 1 ;; esac; }
net_is_long_name() { case $1 in *[!A-Za-z0-9_.-]*) return 1 ;; esac; }

# net_check_options: leaves only options that are known and plain. net_refused has the names of the others that we know.
net_check_options() {
    net_refused=
    net_check_one net_is_host ip_address dhcp_server_identifier next_server
    net_check_one net_is_mask subnet_mask
    net_check_one net_is_ipv4 broadcast_address
    net_check_one net_is_seconds dhcp_lease_time dhcp_renewal_time dhcp_rebinding_time
    net_check_one net_is_mtu interface_mtu
    net_check_one net_is_bytes classless_static_routes ms_classless_static_routes
    net_check_one net_is_path root_path
    net_check_one net_is_long_name host_name
    net_check_one net_is_ipv6 ip6_address
    net_check_one net_is_prefix ip6_prefixlen
    net_check_list net_is_host routers
    net_check_list net_is_server domain_name_servers ntp_servers dhcp6_name_servers
    net_check_list net_is_domain domain_name domain_search dhcp6_domain_search

    # Without a netmask the class of the address has one, as systemd-networkd has it.
    if [ -n "${new_ip_address-}" ] && [ -z "${new_subnet_mask-}" ]; then
        case ${new_ip_address%%.*} in
            ? | ?? | 1[01]? | 12[0-7]) export new_subnet_mask=255.0.0.0 ;;
            1[2-8]? | 19[01]) export new_subnet_mask=255.255.0.0 ;;
            *) export new_subnet_mask=255.255.255.0 ;;
        esac
    fi
}

# net_routes INTERFACE BYTE...: prints the classless static routes (RFC 3442) as lines for ip -batch. Ends at the first
# route that is cut or makes no sense.
net_routes() {
    net_device=$1
    shift
    while [ $# -ge 5 ]; do
        net_width=$1
        shift
        case $net_width in
            0) net_destination=default net_octets=0 ;;
            *) net_is_number "$net_width" 32 || return 0 ;;
        esac
        if [ "$net_width" -ne 0 ]; then
            net_octets=$(((net_width + 7) / 8))
            [ $# -ge $((net_octets + 4)) ] || return 0
            net_destination=
            net_left=$net_octets
            while [ "$net_left" -gt 0 ]; do
                net_byte=$1
                shift
                net_left=$((net_left - 1))
                case $net_byte in '' | ????* | 0?* | *[!0-9]*) return 0 ;; esac
                # The bits beyond the width count for nothing.
                if [ "$net_left" -eq 0 ] && [ $((net_width % 8)) -ne 0 ]; then
                    net_byte=$((net_byte & (255 << (8 - net_width % 8)) & 255))
                fi
                net_destination=$net_destination${net_destination:+.}$net_byte
            done
            while [ "$net_octets" -lt 4 ]; do
                net_destination=$net_destination.0
                net_octets=$((net_octets + 1))
            done
            net_is_ipv4 "$net_destination" || return 0
            net_destination=$net_destination/$net_width
        fi
        net_router=$1.$2.$3.$4
        shift 4
        net_is_ipv4 "$net_router" || return 0
        case $net_destination in
            # Loopback; it is not the server's.
            127.*) continue ;;
            # dracut too leaves out the router of a multicast group: some switches cannot handle it.
            22[4-9].* | 2[3-5][0-9].*) net_router=0.0.0.0 ;;
        esac
        if [ "$net_router" = 0.0.0.0 ]; then
            echo "route replace $net_destination dev $net_device"
        elif net_is_host "$net_router"; then
            echo "route replace $net_destination via $net_router dev $net_device onlink"
        fi
    done
}

# net_first_router: reads lines of net_routes, and prints the router of the default route, or else the first one.
net_first_router() {
    net_first=
    while read -r _ _ net_destination net_via net_router _; do
        [ "$net_via" = via ] || continue
        if [ "$net_destination" = default ]; then
            net_first=$net_router
            break
        fi
        : "${net_first:=$net_router}"
    done
    echo "$net_first"
}

# net_write_routes TMP INTERFACE: writes the routes to TMP/net.INTERFACE.gw, which dracut sources once the address is
# there, and forgets the options, which dracut's script would read in its own way: as a list of words (its shift is fatal
# under dash), and without the flag onlink, so that a router outside of the subnet is refused.
net_write_routes() {
    rm -f "$1/net.$2.gw" "$1/net.$2.routes"
    # IFS splits at spaces and dots: the values have no other character.
    net_saved=$IFS IFS=' .'
    # shellcheck disable=SC2086
    set -- "$1" "$2" ${new_classless_static_routes:-${new_ms_classless_static_routes-}}
    IFS=$net_saved
    net_tmp=$1 net_device=$2
    shift 2
    net_routes "$net_device" "$@" > "$net_tmp/net.$net_device.routes"
    # RFC 3442: with classless static routes the option routers is ignored.
    if [ ! -s "$net_tmp/net.$net_device.routes" ] && [ -n "${new_routers-}" ]; then
        echo "route replace default via ${new_routers%% *} dev $net_device onlink" > "$net_tmp/net.$net_device.routes"
    fi
    unset -v new_classless_static_routes new_ms_classless_static_routes new_routers
    if [ ! -s "$net_tmp/net.$net_device.routes" ]; then
        rm -f "$net_tmp/net.$net_device.routes"
        return 0
    fi
    # dracut waits for an answer of new_routers, or else of the server, even if that is behind a router.
    printf '%s\n' "ip -force -batch $net_tmp/net.$net_device.routes" \
        "new_routers=$(net_first_router < "$net_tmp/net.$net_device.routes")" > "$net_tmp/net.$net_device.gw"
}

# net_read_state FILE: sets the options from the file that NetworkManager keeps about an interface
# (/run/NetworkManager/devices/INDEX), net_leased to yes if it has a lease, net_expiry to the second of the wall clock when
# that ends, and net_client to the identifier that it sent, as hexadecimal.
# shellcheck disable=SC2034  # net-online.sh asks for net_leased
net_read_state() {
    net_leased='' net_client='' net_expiry=''
    for net_name in $net_options; do unset -v "new_$net_name"; done
    while IFS= read -r net_line || [ -n "$net_line" ]; do
        net_key=${net_line%%=*}
        case $net_key in
            '[dhcp4]') net_leased=yes ;;
            root-path) net_key=root_path ;;
            next-server) net_key=next_server ;;
        esac
        net_key=${net_key#dhcp4.}
        case $net_key in
            dhcp_client_identifier) net_hexadecimal "${net_line#*=}" ;;
            expiry) ! net_is_number "${net_line#*=}" 9999999999 || net_expiry=${net_line#*=} ;;
        esac
        case $net_key in *[!a-z0-9_]*) continue ;; esac
        case " $net_options " in *" $net_key "*) eval "new_$net_key=\${net_line#*=}" ;; esac
    done < "$1"
}

# net_is_new FILE TEXT: whether FILE does not have this text yet. Then it has.
net_is_new() {
    net_line=
    [ ! -e "$1" ] || read -r net_line < "$1" || :
    [ "$net_line" != "$2" ] && mkdir -p "${1%/*}" && echo "$2" > "$1"
}

# net_hexadecimal BYTES: sets net_client to bytes that are written as 01:52:54, or to nothing.
net_hexadecimal() {
    net_client=
    net_rest=$1:
    while [ -n "$net_rest" ]; do
        case ${net_rest%%:*} in
            [0-9A-Fa-f][0-9A-Fa-f]) net_client=$net_client${net_rest%%:*} ;;
            *)
                net_client=
                return 1
                ;;
        esac
        net_rest=${net_rest#*:}
    done
}

# net_write_options FILE: writes the options as dracut's netroot sources them. They have been checked: none has a quote.
net_write_options() {
    for net_name in $net_options; do
        net_option "$net_name"
        [ -z "$net_value" ] || printf "%s='%s'\n" "new_$net_name" "$net_value"
    done > "$1"
}
