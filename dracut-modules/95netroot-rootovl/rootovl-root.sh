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

# rootovl_container_storage ROOT: prints the directories in which the container runtimes of ROOT keep their images.
rootovl_container_storage() (
    root=$1 found=
    for runtime in podman:containers buildah:containers crio:containers dockerd:docker containerd:containerd; do
        for directory in usr/bin usr/sbin usr/local/bin usr/local/sbin; do
            program=$root/$directory/${runtime%:*}
            [ -e "$program" ] || [ -L "$program" ] || continue
            case " $found " in
                *" /var/lib/${runtime#*:} "*) ;;
                *) found="$found /var/lib/${runtime#*:}" ;;
            esac
        done
    done
    for directory in $found; do echo "$directory"; done
)

# rootovl_prepare_storage ROOT PATH STORE: makes the directory PATH of ROOT if it is missing, and the directory STORE with
# the same mode, owner and content. Prints where PATH is in ROOT, and then "copied" if there was content.
rootovl_prepare_storage() (
    root=$1 path=$2 store=$3
    into=$(rootovl_resolve "$root" "$path") || { echo "$path: too many symlinks" >&2; exit 1; }
    if [ -e "$root$into" ] && [ ! -d "$root$into" ]; then
        echo "$path is not a directory" >&2
        exit 1
    fi
    mkdir -p "$root$into" && mkdir "$store" && cp -a "$root$into/." "$store" || exit 1
    for entry in "$root$into"/* "$root$into"/.[!.]* "$root$into"/..?*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        echo "$into copied"
        exit 0
    done
    echo "$into"
)
