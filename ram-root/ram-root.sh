#!/bin/sh
# Functions of /init of a root in RAM. Sourcing has no side effects, so they can be tested anywhere. Needs rootovl-lib.sh.
# See README.md.
# shellcheck disable=SC2015

# ram_setting NAME: prints a setting of the build, of the lines NAME=VALUE in /netroot/settings. Fails if there is none.
ram_setting() (
    while IFS='=' read -r name value || [ -n "$name" ]; do
        if [ "$name" = "$1" ]; then
            printf '%s\n' "$value"
            exit 0
        fi
    done < "${ram_settings:-/netroot/settings}"
    exit 1
)

# ram_memory FILE: prints this machine's RAM in MiB, of a file like /proc/iomem: the ranges named System RAM that lie in no
# other, rounded up, since the firmware keeps some hundred KiB of each machine.
ram_memory() (
    bytes=0
    while IFS= read -r line; do
        case $line in
            ' '*) ;;
            *' : System RAM')
                range=${line%% *}
                bytes=$((bytes + 0x${range#*-} - 0x${range%-*} + 1))
                ;;
        esac
    done < "$1"
    echo "$(((bytes + 1048575) / 1048576))"
)

# ram_is_bounded: whether rootfs is a tmpfs, whose bound is half of the RAM. With rootfstype=ramfs on the kernel command line
# nothing bounds it, and it tells no size.
ram_is_bounded() {
    [ "$(stat -f -c %b /)" != 0 ]
}

# ram_too_little NEEDED MIB: dies.
ram_too_little() {
    if [ "$2" -lt "$1" ]; then
        rootovl_die "too little RAM: needs $1 MiB, has $2"
    fi
    rootovl_die "too little RAM: needs more than $1 MiB with what was appended to the archive, has $2"
}

# ram_firmware: how many of the needed MiB are for the firmware, which UEFI takes out of what the kernel calls System RAM.
ram_firmware=16

# ram_check_whole NEEDED MIB: dies unless the kernel has unpacked all of the archive. The kernel itself boots on with what
# it has (init/initramfs.c): it says one line where it could not write, and none where the archive ends too early.
ram_check_whole() {
    # A message behind the archive's end would be about what was appended to it.
    # A kernel with CONFIG_BLK_DEV_RAM takes what it cannot unpack for an image of a root, and says so in other words.
    ram_said=$(dmesg | sed -n -e 's/.*Initramfs unpacking failed: *//p' \
        -e 's/.*rootfs image is not initramfs (\(.*\)); looks.*/\1/p' | tail -n 1)
    case $ram_said in
        *'write error'*) ram_too_little "$1" "$2" ;;
    esac
    [ "$2" -ge "$(($1 - ram_firmware))" ] || ram_too_little "$1" "$2"
    if ! ram_damage=$(ram_damage /); then
        rootovl_die "the archive is damaged or cut: $ram_damage${ram_said:+; the kernel said: $ram_said}"
    fi
    [ -z "$ram_said" ] || rootovl_die "what was appended to the archive is damaged or cut; the kernel said: $ram_said"
}

# ram_damage ROOTFS: fails if a part of the archive is missing, and says which.
ram_damage() (
    layout=$(ram_setting layout)
    # The image: its length first, which costs nothing.
    if [ "$layout" = squashfs ]; then
        image=$1/netroot/root.squashfs
        [ -f "$image" ] || { echo "the root is missing"; exit 1; }
        bytes=$(stat -c %s "$image")
        wanted=$(ram_setting image_bytes)
        [ "$bytes" = "$wanted" ] || { echo "the root has $bytes of $wanted bytes"; exit 1; }
    fi
    # The last file of the archive.
    if [ ! -f "$1/netroot/whole" ] || ! read -r found < "$1/netroot/whole" || [ "$found" != "$(ram_setting archive)" ]; then
        echo "its end is missing"
        exit 1
    fi
    if [ "$layout" = squashfs ]; then
        sum=$(sha256sum "$image") || exit 1
        [ "${sum%% *}" = "$(ram_setting image_sha256)" ] || { echo "the root's checksum is not the one that the build wrote"; exit 1; }
    fi
)

# ram_insert LIST: inserts the kernel modules that are named in the file LIST, one on each line, in its order.
ram_insert() {
    while read -r ram_module; do
        ram_why=$(insmod "$ram_module" 2>&1) || rootovl_die "the kernel refuses ${ram_module##*/}: $ram_why"
    done < "$1"
}

# ram_foreign ROOTFS OWNER INTO: moves what others have appended to the archive from ROOTFS into the directory INTO, which is
# in the same mount; what is below /netroot stays. Those entries of the archive itself that are outside of /netroot are
# directories and symlinks that belong to OWNER, whom nobody else has.
ram_foreign() (
    find "$1" -xdev -type l -user "$2" -exec rm -f -- {} + || exit 1
    # A directory that is not empty leads to something that is foreign. Nothing else tells which, so errors are not shown.
    find "$1" -xdev -mindepth 1 -depth -type d -user "$2" -exec rmdir -- {} + 2> /dev/null
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        case ${entry##*/} in
            # Filesystems of the running system are mounted over these. The kernel's own archive has /dev/console, and
            # the kernel itself writes initrd.image.
            netroot | init | initrd.image | dev | proc | sys | run) ;;
            *) mv -- "$entry" "$3" || exit 1 ;;
        esac
    done
)

# ram_lay_foreign: lays over the root what others have appended to the archive under plain names, such as etc/motd.
ram_lay_foreign() {
    mkdir /netroot/rootfs && mount --bind / /netroot/rootfs && mkdir /netroot/rootfs/netroot/foreign \
        || rootovl_die "there is no room in rootfs"
    ram_why=$(ram_foreign /netroot/rootfs "$(ram_setting owner)" /netroot/rootfs/netroot/foreign 2>&1) \
        || rootovl_die "what was appended to the archive: $ram_why"
    umount /netroot/rootfs || rootovl_die "/netroot/rootfs cannot be unmounted"
    if rmdir /netroot/foreign 2> /dev/null; then return 0; fi
    ram_why=$(rootovl_lay /netroot/foreign "$NEWROOT" 2>&1) || rootovl_die "what was appended to the archive: $ram_why"
    rootovl_say "what was appended to the archive under plain names is laid over the root"
}

# ram_move_mounts FROM ROOT: moves the filesystems of the running system from FROM, which is '' for rootfs, into ROOT.
ram_move_mounts() {
    # A root without one of the directories gets it in the upper. A symlink leads where it leads in the running system.
    for ram_point in run sys proc dev; do
        ram_at=$(rootovl_resolve "$2" "/$ram_point") && mkdir -p "$2$ram_at" \
            || rootovl_die "the root has no /$ram_point, and it cannot be made"
    done
    # What rootovl_die needs is the last: /proc and /dev.
    for ram_point in run sys proc dev; do
        ram_at=$(rootovl_resolve "$2" "/$ram_point") && mount --move "$1/$ram_point" "$2$ram_at" \
            || rootovl_die "/$ram_point cannot be moved into the root"
    done
}

# ram_restore_capabilities LIST: a cpio archive holds no file capabilities. The build has listed them in the file LIST, and
# the root's own setcap gives them to the files again.
ram_restore_capabilities() {
    [ -s "$1" ] || return 0
    ram_count=$(rootovl_lines "$1")
    if ! PATH=$ram_path command -v setcap > /dev/null; then
        rootovl_say "WARNING: $ram_count file(s) lost their capabilities by the archive: the root has no setcap"
    elif ram_why=$(PATH=$ram_path; rootovl_capabilities "$1" / 2>&1); then
        rootovl_say "$ram_count file(s) have their capabilities again"
    else
        rootovl_say "WARNING: file capabilities are lost by the archive: $ram_why"
    fi
}
# Where programs of the root are.
ram_path=/usr/sbin:/usr/bin:/sbin:/bin

# ram_usual_init ROOT: prints the path of the root's init where the kernel command line names none.
ram_usual_init() (
    for path in /sbin/init /usr/lib/systemd/systemd; do
        found=$(rootovl_resolve "$1" "$path") && [ -x "$1$found" ] || continue
        echo "$path"
        exit 0
    done
    echo /sbin/init
)

# ram_uptime NAME: keeps for the boot check how many seconds after the kernel's start this was.
ram_uptime() {
    read -r ram_up _ < /proc/uptime && echo "$ram_up" > "/run/netroot/uptime-$1"
}
