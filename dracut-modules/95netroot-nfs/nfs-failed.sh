#!/bin/sh
# dracut hook (initqueue/settled): if dracut's nfsroot has run and there is still no root, the machine stops here, or
# waits for the server that went away in between. dracut itself would wait for three minutes and then say "Could not
# boot". Sourced by dracut's init.
# shellcheck disable=SC1091,SC2154  # netroot and NEWROOT are dracut's
if [ -e /tmp/netroot-nfs.began ] && ! rootovl_fstype "$NEWROOT" > /dev/null; then
    read -r nfs_began < /tmp/netroot-nfs.began
    wait_clock
    # The server may accept the address of another interface.
    if [ -z "$(wait_interfaces)" ] || [ "$((wait_now - nfs_began))" -ge 60 ]; then
        rm /tmp/netroot-nfs.began
        type nfs_to_var > /dev/null 2>&1 || . /lib/nfs-lib.sh
        . /lib/netroot-nfs.sh
        for nfs_file in "$wait_state"/online/*; do nfs_target "$netroot" "${nfs_file##*/}"; done
        if nfs_answers; then
            rootovl_die "the NFS root ${netroot#nfs*:} cannot be mounted"
        fi
        wait_note server "$nfs_whom" "$wait_why"
    fi
fi
