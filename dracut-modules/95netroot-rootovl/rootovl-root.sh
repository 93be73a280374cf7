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

# rootovl_capabilities LIST ROOT: gives files of ROOT the capabilities that LIST has for them. A line of it is
# CAPABILITIES PATH, as the build wrote it; the path begins with the first " /". Prints a line for each file that does not
# get them, and fails if there is one.
rootovl_capabilities() (
    root=$2 bad=0
    while IFS= read -r line || [ -n "$line" ]; do
        [ -n "$line" ] || continue
        capabilities=${line%% /*} path=/${line#* /}
        # cap_from_text(3). A word that begins with - would be an option of setcap.
        case $capabilities in
            '' | [!a-z0-9=]* | *[!a-z0-9_,=\ ]*)
                echo "no capabilities in '$line'"
                bad=1
                continue
                ;;
        esac
        # setcap follows symlinks, and the list has none.
        if [ "$(rootovl_resolve "$root" "$path")" != "$path" ] || [ ! -f "$root$path" ]; then
            echo "$path is not a file"
            bad=1
        else
            setcap "$capabilities" "$root$path" 2>&1 || bad=1
        fi
    done < "$1"
    exit "$bad"
)

# rootovl_lines FILE: prints how many lines are in FILE.
rootovl_lines() (
    count=0
    while read -r _; do count=$((count + 1)); done < "$1"
    echo "$count"
)

# rootovl_machine_seed FILE MAC: prints what tells this machine from all others: the UUID in FILE, which is
# /sys/class/dmi/id/product_uuid, or the MAC address if there is no UUID, or one that vendors leave in many machines.
rootovl_machine_seed() (
    uuid=
    [ ! -r "$1" ] || read -r uuid < "$1" || :
    # Older kernels print it in capitals.
    uuid=$(printf '%s' "$uuid" | tr ABCDEF abcdef)
    case $uuid in
        *[!0-9a-f-]*) uuid= ;;
        ????????-????-????-????-????????????) ;;
        *) uuid= ;;
    esac
    case $uuid in
        # What is in the firmware of many boards, and the same with its first three fields in the other byte order; and
        # the counting UUIDs.
        03000200-0400-0500-0006-000700080009 | 00020003-0004-0005-0006-000700080009) uuid= ;;
        12345678-1234-* | 01234567-89ab-* | 78563412-3412-* | 67452301-ab89-*) uuid= ;;
    esac
    # All digits are the same: 0 and f, above all.
    if [ -z "$(printf '%s' "$uuid" | tr -d -- "-${uuid%"${uuid#?}"}")" ]; then uuid= ; fi
    if [ -n "$uuid" ]; then
        echo "uuid $uuid"
        exit 0
    fi
    mac=$(printf '%s' "$2" | tr ABCDEF abcdef)
    case $mac in
        '' | *[!0-9a-f:]* | 00:00:00:00:00:00) exit 1 ;;
    esac
    echo "mac $mac"
)

# rootovl_machine_id SEED: prints a machine ID (machine-id(5)): the first 128 bits of SHA-256 of a word and the seed. The
# UUID itself is not used, because machine IDs are secret and UUIDs are not.
rootovl_machine_id() (
    sum=$(printf 'netroot-machine-id %s' "$1" | sha256sum) || exit 1
    id=$(printf '%.32s' "$sum")
    case $id in
        '' | *[!0-9a-f]*) exit 1 ;;
    esac
    echo "$id"
)

# rootovl_boot_mac BOOTIF: prints the MAC address of the interface that the machine booted from: the loader's BOOTIF=,
# whose first field may be the hardware type (PXELINUX and iPXE write it with hyphens, GRUB with colons), or that of the
# first interface with an address.
rootovl_boot_mac() (
    mac=$(printf '%s' "$1" | tr - :)
    case $mac in
        ??:??:??:??:??:??:??) mac=${mac#??:} ;;
    esac
    case $mac in
        ??:??:??:??:??:??)
            echo "$mac"
            exit 0
            ;;
    esac
    ip -o addr show scope global | {
        read -r _ device _ || exit 1
        cat "/sys/class/net/${device%%@*}/address"
    }
)

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

# rootovl_password FILE ROOT: gives root the password in FILE, which is one line with its hash (crypt(5)), in /etc/shadow of
# ROOT. The file keeps its mode and owner, and its other lines. /etc/shadow- would keep the password that was there before,
# and is removed. Prints nothing but the reason where it fails.
rootovl_password() (
    hash=
    IFS= read -r hash < "$1" || [ -n "$hash" ] || { echo "there is no password in it"; exit 1; }
    # The characters of crypt(5), and the mark of a locked account.
    case $hash in
        '' | *[!A-Za-z0-9./\$=,_*!-]*) echo "it is not a hash of a password"; exit 1 ;;
    esac
    shadow=$(rootovl_resolve "$2" /etc/shadow) || { echo "/etc/shadow: too many symlinks"; exit 1; }
    [ -f "$2$shadow" ] || { echo "the root has no /etc/shadow"; exit 1; }
    # A copy has the mode and owner of the file.
    new=$2$shadow.netroot-new
    rm -f "$new"
    cp -p "$2$shadow" "$new" || exit 1
    found=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            root:*)
                found=yes
                # Behind the hash comes the day of the last change. The day 0 would ask for a change at once.
                rest=${line#root:*:}
                case $rest in
                    0:*) rest=${rest#0} ;;
                esac
                line=root:$hash:$rest
                ;;
        esac
        printf '%s\n' "$line"
    done < "$2$shadow" > "$new" || exit 1
    if [ -z "$found" ]; then
        rm -f "$new"
        echo "/etc/shadow of the root has no line for root"
        exit 1
    fi
    mv -f "$new" "$2$shadow" || exit 1
    backup=$(rootovl_resolve "$2" /etc/shadow-) || exit 1
    rm -f "$2$backup"
)
