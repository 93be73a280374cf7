#!/bin/sh
# dracut hook (initqueue/settled): livenet has given up: an end with the reason. dracut itself would wait for three minutes
# and then say "Could not boot". Sourced by dracut's init.
if [ -e /tmp/netroot-http.began ] && [ -e /tmp/livenet.downloaded ] && [ ! -e /dev/root ]; then
    type rootovl_die > /dev/null 2>&1 || . /lib/rootovl-lib.sh
    . /lib/netroot-http.sh
    rm /tmp/netroot-http.began
    # shellcheck disable=SC2154  # netroot is dracut's
    rootovl_die "$(http_reason "${netroot#livenet:}")"
fi
