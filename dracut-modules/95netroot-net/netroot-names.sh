#!/bin/sh
# shellcheck disable=SC2034,SC2154  # net_kept is netroot-net.sh's, net_dhcp_ntp net.sh's
# Functions for the name of the machine: from ip=, from DHCP, or from its MAC address. The host name is the short name;
# the long one has the domain too. Sourcing has no side effects, so they can be tested anywhere. Needs rootovl-lib.sh and
# netroot-net.sh.

# net_split_name NAME DOMAIN: sets net_short to the host name in NAME, and net_long to it with the domain of NAME, or
# else DOMAIN, if they make a domain name. Fails if NAME is none that a machine should have, and then sets neither.
net_split_name() {
    net_name=${1%.}
    case $net_name in
        '' | localhost | localhost.* | localhost[46] | localhost[46].* | *[!A-Za-z0-9_.-]*) return 1 ;;
    esac
    if net_is_ipv4 "$net_name"; then return 1; fi
    net_is_label "${net_name%%.*}" || return 1
    net_short=${net_name%%.*} net_domain=${2%.}
    case $net_name in *.*) net_domain=${net_name#*.} ;; esac
    net_long=$net_short
    if net_is_domain "$net_short.$net_domain"; then net_long=$net_short.$net_domain; fi
}

# net_mac_name FILE: prints the name of a machine that nobody named: n-525400123456, from a file like
# /sys/class/net/IF/address.
net_mac_name() {
    [ -e "$1" ] && read -r net_rest < "$1" || return 1
    case $net_rest in
        *[!0-9a-f:]* | ???????????????????????????????????????????????????????????????* | 00:00:00:00:00:00) return 1 ;;
        ??:??:??:??:??:??*) ;;
        *) return 1 ;;
    esac
    net_digits=
    while [ -n "$net_rest" ]; do
        net_digits=$net_digits${net_rest%%:*}
        case $net_rest in
            *:*) net_rest=${net_rest#*:} ;;
            *) net_rest= ;;
        esac
    done
    echo "n-$net_digits"
}

# net_argument_name: prints systemd.hostname= of the kernel command line, which systemd will obey, or else the first host
# name in an ip=.
# shellcheck disable=SC1091,SC2154  # hostname is ip_to_var's
net_argument_name() (
    if getarg systemd.hostname=; then exit 0; fi
    command -v ip_to_var > /dev/null || . /lib/net-lib.sh
    for argument in $(getargs ip=); do
        ip_to_var "$argument"
        if [ -n "$hostname" ]; then
            echo "$hostname"
            exit 0
        fi
    done
    exit 1
)

# net_learn DIRECTORY INTERFACE: keeps what DHCP taught for later: DIRECTORY/INTERFACE with the long name, the domain
# and the NTP servers. Then new_host_name is the short name, and the domain is one of new_domain_search: dracut's script
# would make one host name of the two.
net_learn() {
    mkdir -p "$1" || return 1
    net_first_domain=${new_domain_name-}
    net_first_domain=${net_first_domain%% *}
    if net_split_name "${new_host_name-}" "$net_first_domain"; then
        export new_host_name="$net_short"
        net_first_domain=${net_long#"$net_short"}
        net_first_domain=${net_first_domain#.}
    else
        unset -v new_host_name
        net_long=
    fi
    if [ -n "${new_domain_name-}" ]; then
        # shellcheck disable=SC2086
        net_keep net_is_domain ${new_domain_search-} $new_domain_name
        export new_domain_search="$net_kept"
        unset -v new_domain_name
    fi
    printf '%s\n' "name=$net_long" "domain=$net_first_domain" "ntp=${new_ntp_servers-}" > "$1/$2"
}

# net_learned FILE: sets net_dhcp_name, net_dhcp_domain and net_dhcp_ntp from a file of net_learn.
net_learned() {
    net_dhcp_name='' net_dhcp_domain='' net_dhcp_ntp=''
    [ -e "$1" ] || return 0
    while IFS='=' read -r net_key net_value; do
        case $net_key in
            name) net_dhcp_name=$net_value ;;
            domain) net_dhcp_domain=$net_value ;;
            ntp) net_dhcp_ntp=$net_value ;;
        esac
    done < "$1"
}

# net_choose_name RUN SYS KERNEL INTERFACE: chooses the name as soon as an interface has its address, and tells the kernel:
# servers of NFS 4 tell clients by it. RUN/name then has the short name, the long one, the interface, and given or mac. A
# name from the MAC address gives way to another. What the kernel has already does not count: a systemd in the initramfs
# has set it to localhost, or to its distribution's name. RUN is /run/netroot, SYS /sys/class/net, KERNEL
# /proc/sys/kernel/hostname.
net_choose_name() {
    net_kind=
    [ ! -e "$1/name" ] || read -r _ _ _ net_kind < "$1/name"
    [ "$net_kind" != given ] || return 0
    net_learned "$1/dhcp/$4"
    if net_split_name "$(net_argument_name)" "$net_dhcp_domain" || net_split_name "$net_dhcp_name" "$net_dhcp_domain" \
        || net_split_name "$(getarg hostname=)" "$net_dhcp_domain"; then
        net_kind=given
    elif [ -z "$net_kind" ] && net_split_name "$(net_mac_name "$2/$4/address")" "$net_dhcp_domain"; then
        net_kind=mac
    else
        return 0
    fi
    echo "$net_short" > "$3" && echo "$net_short $net_long $4 $net_kind" > "$1/name"
}

# net_set_hostname ROOT KIND: writes net_short into /etc/hostname of ROOT. If KIND is mac and the root has a name of its
# own, that stays, and net_short and net_long become it.
net_set_hostname() {
    net_path=$(rootovl_resolve "$1" /etc/hostname) || net_path=/etc/hostname
    net_own='' net_domain=${net_long#"$net_short"}
    net_domain=${net_domain#.}
    [ ! -f "$1$net_path" ] || read -r net_own < "$1$net_path" || :
    if [ "$2" = mac ] && net_split_name "$net_own" "$net_domain"; then return 0; fi
    rm -f "$1/etc/hostname" && echo "$net_short" > "$1/etc/hostname"
}

# net_hosts FILE COPY ADDRESS SHORT LONG: gives the machine's name its address in FILE, a hosts(5), by way of COPY. Lines
# that name it as 127.0.1.1 go, and a line that gives it another address stays as it is. Without ADDRESS the name is
# 127.0.1.1.
net_hosts() {
    net_file=$1 net_copy=$2 net_address=${3:-127.0.1.1} net_short=$4 net_long=$5 net_found=
    if [ ! -e "$net_file" ]; then
        printf '%s\n' '127.0.0.1 localhost' '::1 localhost ip6-localhost ip6-loopback' > "$net_file" || return 1
    fi
    while IFS= read -r net_line || [ -n "$net_line" ]; do
        # A line is words. Nothing in it is a pattern for a shell.
        net_words=${net_line%%#*}
        case " $net_words " in
            *[\ \	]"$net_short"[\ \	]* | *[\ \	]"$net_long"[\ \	]*)
                read -r net_first _ <<END
$net_words
END
                case $net_first in
                    127.0.1.1)
                        [ "$net_address" = 127.0.1.1 ] || continue
                        net_found=yes
                        ;;
                    127.* | ::1) ;;
                    *) net_found=yes ;;
                esac
                ;;
        esac
        printf '%s\n' "$net_line"
    done < "$net_file" > "$net_copy" || return 1
    [ "$net_long" != "$net_short" ] || net_long=
    [ -n "$net_found" ] || echo "$net_address ${net_long:+$net_long }$net_short" >> "$net_copy" || return 1
    cat "$net_copy" > "$net_file" && rm "$net_copy"
}
