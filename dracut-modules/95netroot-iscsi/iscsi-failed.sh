#!/bin/sh
# dracut hook (initqueue/settled): if dracut's iscsiroot has run and there is no session, asks the server once more, and
# waits for it if nobody answers. If somebody answers and there is still no root after 25 s, stops the machine with the
# reason. dracut itself would wait for three minutes. Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's, iscsi_* are parse_iscsi_root's
if [ -e /tmp/netroot-iscsi.began ]; then
    read -r iscsi_began < /tmp/netroot-iscsi.began
    read -r iscsi_up _ < /proc/uptime
    iscsi_age=$((${iscsi_up%.*} - iscsi_began))
    set -- /sys/class/iscsi_session/*
    if [ "$iscsi_age" -ge 25 ] || { [ ! -e "$1" ] && [ ! -e /tmp/netroot-iscsi.asked ]; }; then
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        type parse_iscsi_root > /dev/null 2>&1 || . /lib/net-lib.sh
        . /lib/netroot-iscsi.sh
        iscsi_target "$netroot" || rootovl_die "the root $netroot is not iscsi:SERVER::PORT:LUN:TARGET"
        if [ -e "$1" ]; then
            rm /tmp/netroot-iscsi.began
            rootovl_die "the target $iscsi_target_name of $iscsi_target_ip is attached, but ${root#block:} did not appear"
        fi
        : > /tmp/netroot-iscsi.asked
        if ! iscsi_answers; then
            # wait-settled.sh starts dracut's netroot again.
            rm /tmp/netroot-iscsi.began /tmp/netroot-iscsi.asked
            wait_note server "$iscsi_whom" "$wait_why"
        elif [ "$iscsi_age" -ge 25 ]; then
            rm /tmp/netroot-iscsi.began
            rootovl_die "the target $iscsi_target_name of $iscsi_target_ip, port ${iscsi_target_port:-3260}, cannot be attached;" \
                "the server says: $(echo "$iscsi_said" | while read -r iscsi_line; do printf '%s; ' "$iscsi_line"; done)"
        fi
    fi
fi
