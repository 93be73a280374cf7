#!/bin/sh
# Installed as /sbin/dhclient-script, before dracut's own, which is beside it as dhclient-script-dracut. dhclient runs
# it with what the DHCP server said in variables. It forgets what is not known and plain, records the lease, the name
# and the routes, and continues as dracut's script. That is a new shell: dracut's writes the output of set into a file
# that it sources, and variables of this shell have held what the server said. See ../README.md.
# shellcheck disable=SC1091,SC2154

PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
. /lib/rootovl-lib.sh
. /lib/netroot-net.sh
. /lib/netroot-dhcp.sh
. /lib/netroot-lease.sh
. /lib/netroot-names.sh

net_forget_unknown
net_check_options
[ -z "$net_refused" ] || rootovl_say "DHCP on $interface: not plain, and so ignored:$net_refused"
case $reason in
    BOUND | RENEW | REBIND | REBOOT)
        net_is_interface "$interface" || exit 1
        if [ -z "$new_ip_address" ]; then
            rootovl_say "DHCP on $interface: the server offers an address that no host can have"
            exit 1
        fi
        { read -r net_type < "/sys/class/net/$interface/type" && read -r net_mac < "/sys/class/net/$interface/address"; } \
            || net_type='' net_mac=''
        net_sent_identifier /etc/dhclient.conf "$net_type" "$net_mac"
        net_write_record /run/netroot/lease /sys/class/net "$interface" \
            || rootovl_say "DHCP on $interface: the lease cannot be recorded for its renewal"
        net_learn /run/netroot/dhcp "$interface"
        # The kernel must not take the address away when the lease ends: the root may be behind it.
        unset -v new_dhcp_lease_time
        net_write_routes /tmp "$interface"
        # dracut's script does not know this one.
        [ "$reason" != REBOOT ] || reason=BOUND
        ;;
esac
exec /sbin/dhclient-script-dracut
