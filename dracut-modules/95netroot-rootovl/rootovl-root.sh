#!/bin/sh
# Functions of dracut's hook rootovl.sh: what the merged root gets besides the image and the files that are laid over it.
# Sourcing has no side effects, so they can be tested anywhere. Needs rootovl-lib.sh.

# rootovl_mount_overlay LOWER UPPER WORK POINT: mounts the overlay. redirect_dir=on lets a directory of the image be
# renamed; without it rename(2) fails with EXDEV. The other options are fixed, whatever the kernel's defaults are: no
# metacopy and no index, which would tie the upper to this lower, and inode numbers that do not change by a copy-up.
rootovl_mount_overlay() {
    rootovl_layers=lowerdir=$1,upperdir=$2,workdir=$3
    if mount -t overlay -o "$rootovl_layers,redirect_dir=on,metacopy=off,index=off,xino=auto" rootovl "$4"; then
        return 0
    fi
    rootovl_say "WARNING: the kernel refuses redirect_dir=on for the overlay: directories of the image cannot be renamed"
    mount -t overlay -o "$rootovl_layers" rootovl "$4"
}
