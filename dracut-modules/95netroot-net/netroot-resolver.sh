#!/bin/sh
# Functions of dracut's hook net.sh: the name servers and time servers of the running system. ROOT is its root and RUN its
# /run. Sourcing has no side effects, so they can be tested anywhere. Needs rootovl-lib.sh and netroot-net.sh.
# shellcheck disable=SC2154  # net_kept is netroot-net.sh's

# net_has_nameserver FILE: whether it names a server.
net_has_nameserver() (
    [ -s "$1" ] || exit 1
    while read -r word _ || [ -n "$word" ]; do
        [ "$word" != nameserver ] || exit 0
    done < "$1"
    exit 1
)

# net_read_resolver FILE...: sets net_servers and net_domains to the servers and the search list of resolv.conf files.
net_read_resolver() {
    net_servers='' net_domains=''
    for net_file; do
        [ -e "$net_file" ] || continue
        while read -r net_word net_rest || [ -n "$net_word" ]; do
            case $net_word in
                nameserver) net_servers="$net_servers $net_rest" ;;
                search | domain) net_domains="$net_domains $net_rest" ;;
            esac
        done < "$net_file"
    done
    # Words that are patterns for files must stay as they are, to be left out.
    set -f
    # shellcheck disable=SC2086
    net_keep net_is_server $net_servers
    net_servers=$net_kept
    # shellcheck disable=SC2086
    net_keep net_is_domain $net_domains
    net_domains=$net_kept
    set +f
}

# net_has_setting ROOT KEY PATH...: whether a file of systemd's kind in the root, or one *.conf in a directory PATH, sets
# KEY to something.
net_has_setting() (
    root=$1 key=$2
    shift 2
    for path; do
        path=$(rootovl_resolve "$root" "$path") || continue
        for file in "$root$path" "$root$path"/*.conf; do
            [ -f "$file" ] || continue
            while read -r line || [ -n "$line" ]; do
                case $line in
                    "$key="?* | "$key ="*) exit 0 ;;
                esac
            done < "$file"
        done
    done
    exit 1
)

# net_has_program ROOT NAME...: whether the root has one of these files.
net_has_program() (
    root=$1
    shift
    for name; do
        path=$(rootovl_resolve "$root" "$name") && [ -e "$root$path" ] && exit 0
    done
    exit 1
)

# net_write_lines FILE LINE...: replaces the file, whatever is there, and makes its directory.
net_write_lines() {
    net_file=$1
    shift
    mkdir -p "${net_file%/*}" && rm -f "$net_file" && printf '%s\n' "$@" > "$net_file"
}

# net_write_resolver FILE: writes a resolv.conf.
net_write_resolver() {
    net_target=$1
    # shellcheck disable=SC2086
    set -- $net_servers
    for net_word; do
        shift
        set -- "$@" "nameserver $net_word"
    done
    [ -z "$net_domains" ] || set -- "$@" "search $net_domains"
    net_write_lines "$net_target" "$@"
}

# net_commas LIST: prints the words with commas between them.
net_commas() {
    # shellcheck disable=SC2086
    set -- $1
    net_line=
    for net_word; do net_line=$net_line${net_line:+,}$net_word; done
    echo "$net_line"
}

# net_set_resolver ROOT RUN overlay|direct: hands net_servers and net_domains to what keeps /etc/resolv.conf of the root.
# An image that has its own servers keeps them. Sets net_told to who was told, or to nothing. With direct it writes into
# RUN only.
net_set_resolver() {
    net_told=
    net_path=$(rootovl_resolve "$1" /etc/resolv.conf) || return 1
    case $net_path in
        /run/systemd/resolve/* | */systemd/resolv.conf)
            # resolved.conf(5). Lists of several files add up.
            if net_has_setting "$1" DNS /etc/systemd/resolved.conf /etc/systemd/resolved.conf.d \
                /usr/local/lib/systemd/resolved.conf.d /usr/lib/systemd/resolved.conf.d; then
                return 0
            fi
            net_write_lines "$2/systemd/resolved.conf.d/netroot.conf" '[Resolve]' "DNS=$net_servers" \
                ${net_domains:+"Domains=$net_domains"} || return 1
            net_told=systemd-resolved
            return 0
            ;;
        /run/*)
            net_told=$net_path
            net_write_resolver "$2${net_path#/run}" || return 1
            ;;
        *)
            [ "$3" = overlay ] && [ ! -d "$1$net_path" ] || return 0
            if net_has_nameserver "$1$net_path"; then return 0; fi
            net_told=$net_path
            net_write_resolver "$1$net_path" || return 1
            ;;
    esac

    # NetworkManager makes the file anew when it connects another interface, with nothing but this in it
    # (NetworkManager.conf(5); a site's own in /etc wins).
    if net_has_program "$1" /usr/sbin/NetworkManager /usr/bin/NetworkManager; then
        net_write_lines "$2/NetworkManager/conf.d/90-netroot-dns.conf" '[global-dns]' \
            ${net_domains:+"searches=$(net_commas "$net_domains")"} '[global-dns-domain-*]' "servers=$(net_commas "$net_servers")" || return 1
        net_told="$net_told, NetworkManager"
    fi
    # Debian's resolvconf, which reads its directory when it starts, and openresolv, when somebody adds a server.
    if net_has_program "$1" /etc/resolvconf/update.d; then
        net_write_resolver "$2/resolvconf/interface/netroot" || return 1
        net_told="$net_told, resolvconf"
    elif net_has_program "$1" /etc/resolvconf.conf; then
        net_write_resolver "$2/resolvconf/interfaces/netroot" || return 1
        net_told="$net_told, resolvconf"
    fi
}

# net_has_own_time FILE: whether a chrony.conf or ntp.conf names a server that is none of the pools which distributions
# name there.
net_has_own_time() (
    while read -r word name _ || [ -n "$word" ]; do
        case $word in
            server | pool | peer)
                case $name in
                    *.pool.ntp.org | pool.ntp.org) ;;
                    *) exit 0 ;;
                esac
                ;;
        esac
    done < "$1"
    exit 1
)

# net_reads_sources FILE: whether a chrony.conf reads /run/chrony-dhcp.
net_reads_sources() (
    while read -r word name _ || [ -n "$word" ]; do
        case $word:${name%/} in sourcedir:/run/chrony-dhcp | sourcedir:/var/run/chrony-dhcp) exit 0 ;; esac
    done < "$1"
    exit 1
)

# net_set_time ROOT RUN SERVERS: hands time servers to the time daemons that the root has. An image that has its own
# servers keeps them. Sets net_told. It writes into RUN only.
net_set_time() {
    net_told=
    if net_has_program "$1" /usr/lib/systemd/systemd-timesyncd /lib/systemd/systemd-timesyncd \
        && ! net_has_setting "$1" NTP /etc/systemd/timesyncd.conf /etc/systemd/timesyncd.conf.d \
            /usr/local/lib/systemd/timesyncd.conf.d /usr/lib/systemd/timesyncd.conf.d; then
        net_write_lines "$2/systemd/timesyncd.conf.d/netroot.conf" '[Time]' "NTP=$3" || return 1
        net_told="$net_told systemd-timesyncd"
    fi

    # chrony of Debian and of Fedora reads this directory, in addition to the servers of its own configuration. Arch's does
    # not, and nobody must be told that it does.
    net_run=$2 net_root=$1
    # shellcheck disable=SC2086
    set -- $3
    for net_word; do
        shift
        set -- "$@" "server $net_word iburst"
    done
    for net_path in /etc/chrony/chrony.conf /etc/chrony.conf; do
        net_path=$(rootovl_resolve "$net_root" "$net_path") || continue
        if [ ! -f "$net_root$net_path" ] || net_has_own_time "$net_root$net_path"; then continue; fi
        net_reads_sources "$net_root$net_path" || continue
        net_write_lines "$net_run/chrony-dhcp/netroot.sources" "$@" || return 1
        net_told="$net_told chrony"
    done

    # Debian's ntpsec starts with this file if it is there: its own without servers, as its hook for dhclient makes it.
    net_path=$(rootovl_resolve "$net_root" /etc/ntpsec/ntp.conf) && [ -f "$net_root$net_path" ] || return 0
    if net_has_own_time "$net_root$net_path"; then return 0; fi
    net_write_lines "$net_run/ntpsec/ntp.conf.dhcp" "$@" || return 1
    while IFS= read -r net_line || [ -n "$net_line" ]; do
        read -r net_word _ <<END
$net_line
END
        case $net_word in
            server | peer | pool | tos) ;;
            *) printf '%s\n' "$net_line" ;;
        esac
    done < "$net_root$net_path" >> "$net_run/ntpsec/ntp.conf.dhcp" || return 1
    net_told="$net_told ntpsec"
}
