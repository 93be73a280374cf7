#!/bin/sh
# dracut hook (mount, before dracut's overlayfs): makes the image that livenet fetched the root itself, so that our
# overlay is put over it. Without rootovl, dracut goes its own way. Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154  # netroot and NEWROOT are dracut's
case $netroot in
    livenet:*)
        if getargbool 0 rootovl; then
            type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
            . /lib/netroot-http.sh
            http_url=${netroot#livenet:}
            http_file=$(readlink /run/initramfs/livedev) || http_file=
            [ -f "$http_file" ] || rootovl_die "$(http_reason "$http_url" /run/netroot/curl.log)"
            http_check_size "$http_file" "$(getarg rd.netroot.image=)" "$http_url"
            if ! rootovl_fstype /run/rootfsbase > /dev/null || ! mount --bind /run/rootfsbase "$NEWROOT"; then
                rootovl_die "the image $http_url cannot be mounted: it is not a complete squashfs image"
            fi
            umount /run/rootfsbase
        fi
        ;;
esac
