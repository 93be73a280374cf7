#!/bin/sh
# dracut hook (pre-pivot): makes the read-only root the lower of an overlay whose upper is a tmpfs. See ../README.md.
# Sourced by dracut's init, or by its dracut-pre-pivot.service.
# shellcheck disable=SC1091,SC2154

type getargbool > /dev/null 2>&1 || . /lib/dracut-lib.sh
. /lib/rootovl-lib.sh
. /lib/rootovl-root.sh
. /lib/rootovl-steps.sh

mkdir -p /run/netroot
read -r rootovl_up _ < /proc/uptime && echo "$rootovl_up" > /run/netroot/uptime-root
if getargbool 0 rootovl; then
    # dracut 106's module overlayfs lays an overlay of its own over a live root, and so over ours, right after this
    # hook.
    rm -f "$hookdir"/pre-pivot/*mount-overlayfs.sh
    modprobe -q overlay
    rootovl_merge
    rootovl_verify
    rootovl_restore_capabilities
    rootovl_configure
    rootovl_side_load
    rootovl_set_password
    rootovl_identify
    rootovl_containers
    rootovl_find_init
    rootovl_show_layers
    rootovl_say "/ is an overlay: lower at /live/image, upper a tmpfs of size=$rootovl_size at /live/cow"
else
    [ ! -d /netroot/overlay ] \
        || rootovl_say "WARNING: the side-load is not laid over the root: no rootovl on the kernel command line"
    rootovl_without_overlay
fi
