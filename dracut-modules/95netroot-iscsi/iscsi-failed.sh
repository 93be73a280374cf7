#!/bin/sh
# dracut hook (initqueue/settled): if dracut's iscsiroot has run and there is still no root, asks the server once more
# to learn the reason, and stops the machine with it. dracut itself would wait for three minutes. Sourced by dracut's
# init.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's, iscsi_* are parse_iscsi_root's
if [ -e /tmp/netroot-iscsi.began ]; then
    read -r iscsi_began < /tmp/netroot-iscsi.began
    read -r iscsi_up _ < /proc/uptime
    if [ "$((${iscsi_up%.*} - iscsi_began))" -ge 25 ]; then
        rm /tmp/netroot-iscsi.began
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        type parse_iscsi_root > /dev/null 2>&1 || . /lib/net-lib.sh
        parse_iscsi_root "$netroot" || rootovl_die "the root $netroot is not iscsi:SERVER::PORT:LUN:TARGET"
        set -- /sys/class/iscsi_session/*
        if [ -e "$1" ]; then
            rootovl_die "the target $iscsi_target_name of $iscsi_target_ip is attached, but ${root#block:} did not appear"
        fi
        . /lib/netroot-iscsi.sh
        iscsi_target "$netroot"
        if iscsi_answers; then
            rootovl_die "the target $iscsi_target_name of $iscsi_target_ip, port ${iscsi_target_port:-3260}, cannot be attached;" \
                "the server says: $(echo "$iscsi_said" | while read -r iscsi_line; do printf '%s; ' "$iscsi_line"; done)"
        fi
        # It went away in between. wait-settled.sh starts dracut's netroot again.
        wait_note server "$iscsi_whom" "$wait_why"
    fi
fi
