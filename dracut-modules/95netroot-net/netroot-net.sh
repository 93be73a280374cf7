#!/bin/sh
# Functions that decide whether a value from the network is plain, and what it means. A DHCP server is hostile: what it
# says is never evaluated by a shell, and never in a path or a file before a function here has looked at it. Sourcing has
# no side effects, so they can be tested anywhere. There are no subshells, which cost time in a boot.

# net_is_number WORD MAXIMUM: whether WORD is a decimal number from 1 to MAXIMUM, without a leading zero.
net_is_number() {
    case $1 in
        '' | 0* | *[!0-9]* | ???????????*) return 1 ;;
    esac
    [ "$1" -le "$2" ]
}

# net_is_ipv4 WORD: whether it is a dotted IPv4 address.
net_is_ipv4() {
    case $1 in
        *[!0-9.]* | *.*.*.*.*) return 1 ;;
        *.*.*.*) ;;
        *) return 1 ;;
    esac
    net_rest=$1.
    while [ -n "$net_rest" ]; do
        case ${net_rest%%.*} in
            [0-9] | [1-9][0-9] | 1[0-9][0-9] | 2[0-4][0-9] | 25[0-5]) net_rest=${net_rest#*.} ;;
            *) return 1 ;;
        esac
    done
}

# net_is_host WORD: whether it is an IPv4 address that one host can have.
net_is_host() {
    net_is_ipv4 "$1" || return 1
    case ${1%%.*} in
        0 | 127 | 22[4-9] | 2[3-5][0-9]) return 1 ;;
    esac
}

# net_is_ipv6 WORD: whether it is plain and looks like an IPv6 address. The kernel decides the rest.
net_is_ipv6() {
    case $1 in
        *[!0-9A-Fa-f:.]* | *:::* | ??????????????????????????????????????????????*) return 1 ;;
        *:*:*) ;;
        *) return 1 ;;
    esac
}

# net_is_server WORD: whether it is the address of a server, IPv4 or IPv6.
net_is_server() {
    net_is_host "$1" || net_is_ipv6 "$1"
}

# net_is_mask WORD: whether it is a dotted netmask from /1 to /32.
net_is_mask() {
    net_is_ipv4 "$1" || return 1
    net_rest=$1. net_ended=
    while [ -n "$net_rest" ]; do
        case $net_ended${net_rest%%.*} in
            255 | ended0) ;;
            254 | 252 | 248 | 240 | 224 | 192 | 128 | 0) net_ended=ended ;;
            *) return 1 ;;
        esac
        net_rest=${net_rest#*.}
    done
    [ "$1" != 0.0.0.0 ]
}

# net_is_label WORD: whether it can be a host name: 1 to 63 letters, digits, - and _, and no - at either end.
net_is_label() {
    case $1 in
        '' | -* | *- | *[!A-Za-z0-9_-]* | ????????????????????????????????????????????????????????????????*) return 1 ;;
    esac
}

# net_is_domain WORD: whether it is a domain name of at most 253 bytes, without a dot at its end.
net_is_domain() {
    [ "${#1}" -le 253 ] && [ -n "$1" ] || return 1
    net_rest=$1.
    while [ -n "$net_rest" ]; do
        net_is_label "${net_rest%%.*}" || return 1
        net_rest=${net_rest#*.}
    done
}

# net_is_path WORD: whether it is a plain path, or a root as the kernel command line has it (nfs:10.0.0.1:/srv/root:ro).
net_is_path() {
    case /$1/ in
        // | */../* | *:../* | *[!A-Za-z0-9_./:,=@+%[\]-]*) return 1 ;;
    esac
    [ "${#1}" -le 255 ]
}

# net_is_interface WORD: whether it can be part of the name of a file.
net_is_interface() {
    case $1 in
        '' | . | .. | *[!A-Za-z0-9_.:-]* | ????????????????*) return 1 ;;
    esac
}

# net_keep TEST WORD...: sets net_kept to the words that pass TEST, each once, 16 at most. A domain loses its last dot.
net_keep() {
    net_test=$1 net_kept='' net_count=0
    shift
    for net_word; do
        net_word=${net_word%.}
        "$net_test" "$net_word" || continue
        case " $net_kept " in *" $net_word "*) continue ;; esac
        net_kept="${net_kept:+$net_kept }$net_word"
        net_count=$((net_count + 1))
        [ "$net_count" -lt 16 ] || break
    done
}
