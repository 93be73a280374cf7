#!/bin/bash
# dracut module netroot-nfs: adds to dracut's nfs module a server that may come late, an end with the reason, and the
# short way. See ../README.md.

# Never included by itself: netroot-nfs.conf names it.
check() {
    return 255
}

depends() {
    echo nfs netroot-wait
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    # Of the package rpcbind, which dracut's nfs needs anyway, and of the C library. Without them the first question is the
    # mount itself.
    inst_multiple -o getent rpcinfo
    inst_simple "$moddir/netroot-nfs.sh" "/lib/netroot-nfs.sh"
    inst_hook netroot 10 "$moddir/nfs-wait.sh"
    inst_hook initqueue/settled 20 "$moddir/nfs-failed.sh"
}
