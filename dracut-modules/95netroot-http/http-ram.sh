#!/bin/sh
# dracut hook (netroot), before the handler of a network root; sourced by dracut's netroot.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
case $netroot in
    livenet:*)
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-http.sh
        http_bytes=$(http_image_bytes "${netroot#livenet:}")
        http_check_ram "$http_bytes"
        # livenet fetches into the initramfs's own filesystem, which knows no bound. In blocks of 512 bytes; a signal
        # would end curl without a word.
        trap '' XFSZ
        ulimit -f "$(($(http_room "$http_bytes" "$(http_available /proc/meminfo)") * 2))"
        # http-failed.sh counts from here.
        read -r http_up _ < /proc/uptime && echo "${http_up%.*}" > /tmp/netroot-http.began
        ;;
esac
