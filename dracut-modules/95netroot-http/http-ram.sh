#!/bin/sh
# dracut hook (netroot), runs before the handler of a network root. Sourced by dracut's netroot.
# shellcheck disable=SC1091,SC2154  # netroot is dracut's
case $netroot in
    livenet:*)
        type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
        . /lib/netroot-wait.sh
        . /lib/netroot-http.sh
        case $netroot in
            livenet:http://* | livenet:https://*)
                # A fetch that has begun is livenet's own affair.
                if [ ! -e /tmp/livenet.downloaded ]; then
                    http_server "${netroot#livenet:}"
                    wait_later "$http_whom" http_answers "${netroot#livenet:}"
                fi
                ;;
        esac
        http_bytes=$(http_image_bytes)
        http_check_ram "$http_bytes"
        # livenet fetches into the initramfs's own filesystem, which has no size limit. ulimit counts blocks of 512
        # bytes. XFSZ is ignored, because the signal would end curl without a message.
        trap '' XFSZ
        ulimit -f "$(($(http_room "$http_bytes" "$(http_available /proc/meminfo)") * 2))"
        # http-failed.sh looks for this file.
        read -r http_up _ < /proc/uptime && echo "${http_up%.*}" > /tmp/netroot-http.began
        ;;
esac
