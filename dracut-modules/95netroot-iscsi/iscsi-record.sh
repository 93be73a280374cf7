#!/bin/sh
# dracut hook (netroot), runs before the handler of a network root. Sourced by dracut's netroot.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's, iscsi_* are parse_iscsi_root's
case $netroot in
    iscsi:*)
        mkdir -p /run/netroot
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-wait.sh
        . /lib/netroot-iscsi.sh
        # The image has no initiator's name, since all machines would have the same. netroot-identity.service takes this one
        # over, so that the iscsid of the running system asks by the name of the session.
        if [ ! -s /etc/iscsi/initiatorname.iscsi ]; then
            mkdir -p /etc/iscsi
            [ -s /run/initiatorname.iscsi ] || echo "InitiatorName=$(iscsi-iname)" > /run/initiatorname.iscsi
            ln -fs /run/initiatorname.iscsi /etc/iscsi/initiatorname.iscsi
        fi
        wait_online
        # The first to ask is dracut's iscsiroot itself, because iscsiadm needs the iscsid that it starts. If nobody
        # answers, iscsi-failed.sh begins to wait.
        if [ -e "$wait_state/server" ] && iscsi_target "$netroot"; then
            wait_later "$iscsi_whom" iscsi_answers
        fi
        # dracut's iscsiroot logs in to the target at the address that we name, but it has a record only for the address
        # that the target gave. Behind NAT or a forwarded port this is another address, and the result is "No records
        # found".
        if parse_iscsi_root "$netroot" && [ -n "$iscsi_target_ip" ] && [ -n "$iscsi_target_name" ]; then
            iscsiadm -m node -o new -T "$iscsi_target_name" -p "$iscsi_target_ip:${iscsi_target_port:-3260},1" \
                > /run/netroot/iscsi.log 2>&1
        fi
        # iscsi-failed.sh counts the seconds from here. For NetworkManager's interfaces dracut runs this hook many times.
        [ -e /tmp/netroot-iscsi.began ] || { read -r iscsi_up _ < /proc/uptime && echo "${iscsi_up%.*}" > /tmp/netroot-iscsi.began; }
        ;;
esac
