#!/bin/bash
# dracut module netroot-http: what dracut's livenet lacks: a look at the RAM before the fetch, an end with the reason
# where the image does not come, our overlay in place of its own, and the short way. See ../README.md.

# Never by itself: netroot-http.conf names it.
check() {
    require_binaries curl || return 1
    return 255
}

depends() {
    echo livenet netroot-rootovl
}

installkernel() {
    # All of it is needed on the machine that boots, whatever the machine that builds has loaded.
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
    # livenet brings bash, which would be /bin/sh: every script of the initramfs would be slower.
    if dracut_module_included dash; then
        ln -sf dash "$initdir/bin/sh"
    fi
}
