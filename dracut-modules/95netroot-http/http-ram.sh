#!/bin/sh
# dracut hook (netroot), before the handler of a network root; sourced by dracut's netroot.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
case $netroot in
    livenet:*)
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-http.sh
        http_bytes=$(http_image_bytes "${netroot#livenet:}")
        http_check_ram "$http_bytes"
        # http-failed.sh counts from here.
        read -r http_up _ < /proc/uptime && echo "${http_up%.*}" > /tmp/netroot-http.began
        ;;
esac
