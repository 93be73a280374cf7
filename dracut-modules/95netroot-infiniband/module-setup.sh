#!/bin/bash
# dracut module netroot-infiniband: a root over InfiniBand. See ../README.md.

# Never included by itself: netroot.conf names it.
check() {
    return 255
}

depends() {
    return 0
}

installkernel() {
    # mlx4_core and mlx5_core are drivers of NICs too, and so are in every initramfs (kernel-network-modules). These are
    # below drivers/infiniband. A kernel without them is not an error.
    hostonly='' instmods ib_core ib_ipoib mlx4_ib mlx5_ib
}

# shellcheck disable=SC2154  # dracut sets moddir
install() {
    inst_rules "$moddir/60-netroot-infiniband.rules"
}
