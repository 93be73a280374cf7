#!/bin/bash
# dracut module netroot-http: adds to dracut's livenet a check of the RAM before the fetch, an end with the reason if
# the image does not come, our overlay in place of its own, and the short way. See ../README.md.

# Never included by itself: netroot-http.conf names it.
check() {
    require_binaries curl || return 1
    return 255
}

depends() {
    echo livenet netroot-rootovl netroot-wait
}

installkernel() {
    # The machine that boots needs all of them, whatever the machine that builds has loaded.
    hostonly='' instmods loop squashfs
}

# shellcheck disable=SC2154  # dracut sets moddir and initdir
install() {
    inst_multiple curl mkdir mount sed stat umount
    inst_simple "$moddir/netroot-http.sh" "/lib/netroot-http.sh"
    inst_hook cmdline 05 "$moddir/http-start.sh"
    inst_hook netroot 10 "$moddir/http-ram.sh"
    inst_hook initqueue/settled 20 "$moddir/http-failed.sh"
    inst_hook mount 00 "$moddir/http-mount.sh"
    # livenet brings device-mapper, for live images that are not ours. Without the module (netroot-http.conf omits it) its
    # hooks and udev rules would only complain.
    rm -f "$initdir"/lib/dracut/hooks/*/*-dm-*.sh "$initdir"/var/lib/dracut/hooks/*/*-dm-*.sh \
        "$initdir"/{usr/,}{lib,etc}/udev/rules.d/{10-dm,11-dm,13-dm-disk,55-dm,59-persistent-storage-dm}.rules \
        "$initdir"/{usr/,}{lib,etc}/udev/rules.d/{60-persistent-storage-dm,64-device-mapper,95-dm-notify}.rules
    # livenet brings bash. As /bin/sh it would make every script of the initramfs slower.
    if dracut_module_included dash; then
        ln -sf dash "$initdir/bin/sh"
    fi
}
