#!/bin/sh
# Functions that wait for a server, a link or an address that comes late, and say on the console for whom. Used by the
# short way (netroot-direct) and by the hooks on dracut's own way. Sourcing sets a few variables, and does nothing else.
# Needs rootovl-lib.sh and dracut-lib.sh.

# Where the state is kept, and where the time, the interfaces and dracut's notes are read. Tests name other places.
: "${wait_state:=/run/netroot/wait}" "${wait_uptime:=/proc/uptime}" "${wait_net:=/sys/class/net}" "${wait_tmp:=/tmp}"
# dracut's programs.
: "${wait_ifup:=/sbin/ifup}" "${wait_netroot:=/sbin/netroot}"
# Seconds between two lines on the console, and between two questions to a server.
wait_interval=30
wait_pause=2
# Why nobody answers, in the words of the program that asked.
wait_why=''

# wait_clock: sets wait_now, the seconds since the kernel started.
wait_clock() {
    read -r wait_now _ < "$wait_uptime"
    wait_now=${wait_now%.*}
}

# wait_recall KIND: sets wait_since and wait_said: since when KIND is waited for, and when the console last said so.
# Both are empty if KIND is not waited for. KIND is "network" (a link, an address) or "server".
wait_recall() {
    wait_since='' wait_said=''
    [ ! -e "$wait_state/$1" ] || read -r wait_since wait_said < "$wait_state/$1" || :
}

# wait_note KIND WHOM [WHY]: says that WHOM is waited for: at once, and then every 30 s.
wait_note() {
    wait_clock
    wait_recall "$1"
    if [ -z "$wait_since" ]; then
        mkdir -p "$wait_state"
        wait_since=$wait_now
        rootovl_warn "waiting for $2${3:+: $3}"
    elif [ "$((wait_now - wait_said))" -ge "$wait_interval" ]; then
        rootovl_warn "waiting for $2, since $((wait_now - wait_since)) s${3:+: $3}"
    else
        return 0
    fi
    echo "$wait_since $wait_now" > "$wait_state/$1"
}

# wait_limit KIND WHOM [WHY]: dies if rd.netroot.wait= does not allow to wait longer.
wait_limit() {
    wait_most=$(getarg rd.netroot.wait=) || return 0
    case $wait_most in
        '' | *[!0-9]* | ????????*) rootovl_die "rd.netroot.wait=$wait_most is not a number of seconds" ;;
    esac
    wait_clock
    wait_recall "$1"
    if [ "$((wait_now - ${wait_since:-$wait_now}))" -ge "$wait_most" ]; then
        # The reason is the last line on the console: wait_announce ends.
        rm -f "$wait_state/$1"
        rootovl_die "$((wait_now - ${wait_since:-$wait_now})) s without $2${3:+: $3} (rd.netroot.wait=$wait_most)"
    fi
}

# wait_over KIND WHOM: ends the wait, and says so if there was one.
wait_over() {
    wait_recall "$1"
    [ -n "$wait_since" ] || return 0
    wait_clock
    rm -f "$wait_state/$1"
    rootovl_warn "waited $((wait_now - wait_since)) s for $2"
}

# wait_server WHOM COMMAND...: returns when COMMAND succeeds. COMMAND asks the server once, within a limited time. It
# fails only if nobody answers, and then sets wait_why to the reason.
wait_server() {
    wait_whom=$1
    shift
    until "$@"; do
        wait_limit server "$wait_whom" "$wait_why"
        wait_note server "$wait_whom" "$wait_why"
        sleep "$wait_pause"
    done
    wait_over server "$wait_whom"
}

# wait_online: notes for wait_offline and wait_settled that dracut's netroot was started for an interface.
# shellcheck disable=SC2154  # netif is dracut's
wait_online() {
    mkdir -p "$wait_state/online"
    : > "$wait_state/online/$netif"
}

# wait_later WHOM COMMAND...: the same for a hook of dracut's netroot. If nobody answers, it ends netroot, because other
# interfaces may lead to the server and must have their turn. wait-settled.sh starts netroot again.
wait_later() {
    wait_whom=$1
    shift
    wait_online
    wait_too_soon && exit 0
    if "$@"; then
        wait_over server "$wait_whom"
        return 0
    fi
    wait_limit server "$wait_whom" "$wait_why"
    wait_note server "$wait_whom" "$wait_why"
    echo "$wait_now" > "$wait_state/asked"
    exit 0
}

# wait_too_soon: whether the server that is waited for was asked less than 2 s ago.
wait_too_soon() {
    [ -e "$wait_state/server" ] && [ -e "$wait_state/asked" ] && read -r wait_asked < "$wait_state/asked" || return 1
    wait_clock
    [ "$((wait_now - wait_asked))" -lt "$wait_pause" ]
}

# wait_applies: whether the root comes over one of our transports.
# shellcheck disable=SC2154  # netroot is dracut's
wait_applies() {
    case $netroot in
        nfs:* | nfs4:* | nbd:* | livenet:* | iscsi:*) return 0 ;;
    esac
    return 1
}

# wait_offline: whether no interface has an address yet. network-legacy leaves did-setup, NetworkManager only calls
# netroot, and so wait_later.
wait_offline() {
    for wait_file in "$wait_tmp"/net.*.did-setup "$wait_state"/online/*; do
        [ ! -e "$wait_file" ] || return 1
    done
}

# wait_interfaces: prints the interfaces that dracut should set up and has not: those that ip= or BOOTIF= name, or all.
wait_interfaces() (
    named=''
    [ ! -e "$wait_tmp/net.ifaces" ] || read -r named < "$wait_tmp/net.ifaces" || :
    for path in "$wait_net"/*; do
        name=${path##*/}
        if [ "$name" = lo ] || [ -e "$path/master" ] || [ -e "$wait_tmp/net.$name.did-setup" ]; then continue; fi
        { read -r mac < "$path/address"; } 2> /dev/null || continue
        [ ! -e "$wait_tmp/net.$mac.did-setup" ] || continue
        wanted=${named:-$name}
        for word in $wanted; do
            case $word in
                ??[:-]??[:-]*) word=$(fix_bootif "$word") ;;
            esac
            if [ "$word" = "$name" ] || [ "$word" = "$mac" ]; then
                echo "$name"
                break
            fi
        done
    done
)

# wait_no_carrier INTERFACE: whether it is up without a carrier. Nobody knows that of an interface that is down.
wait_no_carrier() {
    { read -r wait_carrier < "$wait_net/$1/carrier"; } 2> /dev/null && [ "$wait_carrier" = 0 ]
}

# wait_for_what: prints what the network is waiting for.
wait_for_what() (
    what='an address' servers='' links='' named=''
    case " $(getargs ip=) " in
        *dhcp* | *[\ :]on[\ :]* | *[\ :]any[\ :]* | '  ') what='a DHCP server' ;;
        *either6*) what='a router or a DHCP server' ;;
        *auto6*) what='a router' ;;
    esac
    for name in $(wait_interfaces); do
        if wait_no_carrier "$name"; then
            links="$links${links:+, }$name"
        else
            servers="$servers${servers:+, }$name"
        fi
    done
    [ ! -e "$wait_tmp/net.ifaces" ] || read -r named < "$wait_tmp/net.ifaces" || :
    if [ -n "$servers" ]; then
        echo "$what on $servers${links:+, or a link on $links (no carrier)}"
    elif [ -n "$links" ]; then
        echo "a link on $links (no carrier)"
    else
        echo "a network interface${named:+ ($named)}"
    fi
)

# wait_announce: says what the network is waiting for, until an interface has an address. It runs in the background,
# because dracut waits for dhclient, and systemd for NetworkManager, without a word. The first line comes after 20 s: so
# long a network may take.
wait_announce() {
    wait_clock
    mkdir -p "$wait_state"
    echo "$wait_now $((wait_now - 10))" > "$wait_state/network"
    while sleep 5 && wait_offline && [ -e "$wait_state/network" ]; do
        wait_note network "$(wait_for_what)"
    done
    rm -f "$wait_state/network"
}

# wait_jobs: whether dracut's main loop has still to set up an interface, or to use the address that one has got.
# shellcheck disable=SC2154  # hookdir is dracut's
wait_jobs() {
    for wait_file in "$hookdir"/initqueue/ifup-*.sh "$hookdir"/initqueue/setup_net_*.sh; do
        [ ! -e "$wait_file" ] || return 0
    done
    return 1
}

# wait_next INTERFACE: prints the interface whose turn it is after this one, among those that have no address. One without
# a carrier has no turn: ifup would wait 10 s for it.
wait_next() (
    first='' passed=''
    for name in $(wait_interfaces); do
        ! wait_no_carrier "$name" || continue
        if [ -n "$passed" ]; then
            echo "$name"
            exit
        fi
        : "${first:=$name}"
        [ "$name" != "$1" ] || passed=1
    done
    echo "$first"
)

# wait_interface_again SECONDS: runs dracut's ifup for the interface whose turn it is, if the last time was so long ago.
# It takes up to 40 s. NetworkManager tries again by itself.
wait_interface_again() {
    wait_clock
    [ -x "$wait_ifup" ] && [ "$((wait_now - ${wait_retried:-0}))" -ge "$1" ] || return 0
    wait_turn=$(wait_next "${wait_turn:-}")
    [ -z "$wait_turn" ] || "$wait_ifup" "$wait_turn"
    wait_clock
    wait_retried=$wait_now
}

# wait_settled: one round of dracut's main loop in which udev has nothing to do. As long as something is waited for,
# dracut's own limit (rd.retry) does not count.
# shellcheck disable=SC2034  # main_loop is dracut's
wait_settled() {
    if wait_jobs; then
        return 0
    elif wait_offline; then
        main_loop=0
        ! getarg rd.netroot.wait= > /dev/null || wait_limit network "$(wait_for_what)"
        # dracut 059 starts netroot for NetworkManager's interfaces only once.
        rm -f "$wait_tmp/nm.done"
        wait_interface_again 5
    elif [ -e "$wait_state/server" ]; then
        main_loop=0
        wait_clock
        : "${wait_retried:=$wait_now}"
        # Another interface may lead to the server. Meanwhile nobody asks the server, so this is done rarely.
        wait_interface_again 120
        wait_too_soon || for wait_file in "$wait_state"/online/*; do
            [ ! -e "$wait_file" ] || "$wait_netroot" "${wait_file##*/}"
        done
    fi
}
