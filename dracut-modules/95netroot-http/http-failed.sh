#!/bin/sh
# dracut hook (initqueue/settled): when livenet has given up, the machine stops here with the reason. dracut itself
# would wait for three minutes and then say "Could not boot". Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
if [ -e /tmp/netroot-http.began ] && [ -e /tmp/livenet.downloaded ] && [ ! -e /dev/root ]; then
    type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
    . /lib/netroot-http.sh
    rm /tmp/netroot-http.began
    http_url=${netroot#livenet:}
    # livenet continues with what curl left behind when it gave up.
    if http_failed /run/netroot/curl.log; then
        rootovl_die "$(http_reason "$http_url" /run/netroot/curl.log)"
    fi
    # dmsquash-live-root got the image and failed on it.
    if http_file=$(readlink /run/initramfs/livedev) && [ -f "$http_file" ]; then
        http_check_size "$http_file" "$(getarg rd.netroot.image=)" "$http_url"
        rootovl_die "the image $http_url cannot be mounted: it is not a complete squashfs image"
    fi
    rootovl_die "$(http_reason "$http_url" /run/netroot/curl.log)"
fi
