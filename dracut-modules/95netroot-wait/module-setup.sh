#!/bin/bash
# dracut module netroot-wait: waits for servers, links and addresses that come late. See ../README.md.

# Never included by itself: the other modules of ours depend on it.
check() {
    return 255
}

depends() {
    echo netroot-rootovl
}

# shellcheck disable=SC2154  # dracut sets moddir and initdir
install() {
    inst_multiple mkdir rm sleep timeout
    inst_simple "$moddir/netroot-wait.sh" "/lib/netroot-wait.sh"
    inst_hook pre-trigger 10 "$moddir/wait-start.sh"
    inst_hook initqueue/settled 15 "$moddir/wait-settled.sh"
    if dracut_module_included network-legacy; then
        # One try of an interface must not hold up the others for a minute.
        echo 'timeout 20;' >> "$initdir/etc/dhclient.conf"
    fi
    if dracut_module_included network-manager; then
        inst_multiple sed
        inst_hook cmdline 99 "$moddir/nm-wait.sh"
        # systemd must not wait for an interface that never comes while another one has an address.
        mkdir -p "$initdir/etc/systemd/system/nm-wait-online-initrd.service.d"
        printf '%s\n' '[Service]' ExecStart= 'ExecStart=-/usr/bin/nm-online -s -q -t 20' \
            > "$initdir/etc/systemd/system/nm-wait-online-initrd.service.d/netroot.conf"
        # The device of an nbd root appears when its server answers.
        mkdir -p "$initdir/etc/systemd/system/dev-root.device.d"
        printf '%s\n' '[Unit]' JobTimeoutSec=infinity JobRunningTimeoutSec=infinity \
            > "$initdir/etc/systemd/system/dev-root.device.d/netroot.conf"
    fi
}
