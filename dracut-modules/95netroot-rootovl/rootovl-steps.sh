#!/bin/sh
# The steps of dracut's hook rootovl.sh, and of /init of a root in RAM (ram-root/init in the source). Sourcing has no side
# effects. Needs rootovl-lib.sh, rootovl-root.sh, getarg, getargs and getargbool of dracut, and $NEWROOT, where the
# read-only root is mounted.
# shellcheck disable=SC2015,SC2154

# rootovl_check_size ARGUMENT=SIZE: dies if the kernel would not take it as the size of a tmpfs.
rootovl_check_size() {
    case ${1#*=} in
        *[!0-9kKmMgG%]* | [!0-9]* | '') rootovl_die "$1 is not a size (50%, 512m, 2g)" ;;
    esac
}

# The lower is at /run/netroot/image, the tmpfs of the upper at /run/netroot/tmpfs, and the merged root at $NEWROOT.
rootovl_merge() {
    rootovl_type=$(rootovl_fstype "$NEWROOT") || rootovl_die "no root filesystem is mounted at $NEWROOT"
    [ "$rootovl_type" != overlay ] || rootovl_die "$NEWROOT is an overlay already (another overlay module in the initramfs?)"
    rootovl_lower=$rootovl_type

    rootovl_kernel_has overlay \
        || rootovl_die "the kernel has no overlay filesystem (is the module overlay in the initramfs?)"

    rootovl_size=$(getarg rootovlsize=)
    rootovl_check_size "rootovlsize=${rootovl_size:=50%}"

    mkdir -p /run/netroot/image /run/netroot/tmpfs
    mount --bind "$NEWROOT" /run/netroot/image || rootovl_die "the root cannot be mounted at /run/netroot/image"
    mount -o remount,bind,ro /run/netroot/image || rootovl_die "the lower cannot be made read-only"
    umount "$NEWROOT" || rootovl_die "the root cannot be unmounted from $NEWROOT"

    mount -t tmpfs -o "mode=0755,size=$rootovl_size" rootovl /run/netroot/tmpfs \
        || rootovl_die "no tmpfs of size=$rootovl_size for the upper"
    mkdir /run/netroot/tmpfs/upper /run/netroot/tmpfs/work || rootovl_die "the upper's tmpfs cannot be written"
    rootovl_mount_overlay /run/netroot/image /run/netroot/tmpfs/upper /run/netroot/tmpfs/work "$NEWROOT" \
        || rootovl_die "the overlay cannot be mounted at $NEWROOT"
}

# Checks the overlay, so that a root which is read-only or not merged is never started.
rootovl_verify() {
    rootovl_type=$(rootovl_fstype "$NEWROOT") || rootovl_type=nothing
    [ "$rootovl_type" = overlay ] || rootovl_die "$NEWROOT holds $rootovl_type and not an overlay"
    echo written 2> /dev/null > "$NEWROOT/.rootovl-write-test" \
        || rootovl_die "the overlay at $NEWROOT cannot be written"
    [ -s /run/netroot/tmpfs/upper/.rootovl-write-test ] \
        || rootovl_die "a write to the overlay does not arrive in its upper"
    rm "$NEWROOT/.rootovl-write-test"
    [ ! -e /run/netroot/image/.rootovl-write-test ] || rootovl_die "a write to the overlay arrived in its lower"
}

# NFS loses file capabilities. The build has listed them, so that they can be given to the upper's copies of these files.
# This comes before anything is laid over the root: a file that takes the place of one of them gets nothing.
rootovl_restore_capabilities() {
    rootovl_list=/run/netroot/image/usr/lib/netroot/file-capabilities
    case $rootovl_lower in nfs*) ;; *) return 0 ;; esac
    [ -s "$rootovl_list" ] || return 0
    if ! command -v setcap > /dev/null; then
        rootovl_say "WARNING: $(rootovl_lines "$rootovl_list") file(s) lost their capabilities by NFS: the initramfs has no setcap"
    elif rootovl_why=$(rootovl_capabilities "$rootovl_list" "$NEWROOT"); then
        rootovl_say "$(rootovl_lines "$rootovl_list") file(s) have their capabilities again"
    else
        rootovl_say "WARNING: file capabilities are lost by NFS: $rootovl_why"
    fi
}

# rd.netroot.machineid=stable: a machine ID that is the same at each boot of this machine, and of no other. One that came
# by the side-load stays.
rootovl_identify() {
    rootovl_kind=$(getarg rd.netroot.machineid=) || return 0
    [ "$rootovl_kind" = stable ] || rootovl_die "rd.netroot.machineid=$rootovl_kind is not 'stable'"
    rootovl_file=$(rootovl_place "$NEWROOT" /etc/machine-id 2>&1) \
        || rootovl_die "/etc/machine-id cannot be written: $rootovl_file"
    if [ -s "$rootovl_file" ]; then
        read -r rootovl_id < "$rootovl_file"
        if [ "$rootovl_id" != uninitialized ]; then
            rootovl_say "the machine ID is the one that the root has"
            return 0
        fi
    fi
    if rootovl_seed=$(rootovl_machine_seed /sys/class/dmi/id/product_uuid "$(rootovl_boot_mac "$(getarg BOOTIF=)")") \
        && rootovl_id=$(rootovl_machine_id "$rootovl_seed"); then
        mkdir -p "${rootovl_file%/*}" && echo "$rootovl_id" > "$rootovl_file" \
            || rootovl_die "/etc/machine-id cannot be written"
        rootovl_say "the machine ID comes from the ${rootovl_seed%% *} of this machine"
    else
        rootovl_say "WARNING: no machine ID: this machine has neither a UUID of its own nor a MAC address"
    fi
}

# Container runtimes cannot use an overlay as the upper of theirs. Their storage gets a tmpfs, one for all of them, before
# any unit of theirs runs: podman keeps in mind what it found at its first try.
rootovl_containers() {
    rootovl_room=$(getarg rd.netroot.containers=)
    [ "${rootovl_room:=50%}" != none ] || return 0
    rootovl_check_size "rd.netroot.containers=$rootovl_room"
    rootovl_stores=$(rootovl_container_storage "$NEWROOT")
    [ -n "$rootovl_stores" ] || return 0
    mkdir -p /run/netroot/containers
    mount -t tmpfs -o "mode=0755,size=$rootovl_room" containers /run/netroot/containers \
        || rootovl_die "no tmpfs of size=$rootovl_room for the storage of containers"
    for rootovl_store in $rootovl_stores; do
        rootovl_own=/run/netroot/containers/${rootovl_store##*/}
        rootovl_into=$(rootovl_prepare_storage "$NEWROOT" "$rootovl_store" "$rootovl_own" 2>&1) \
            || rootovl_die "the storage of containers in $rootovl_store, in a tmpfs of size=$rootovl_room: $rootovl_into"
        case $rootovl_into in
            *' copied')
                rootovl_into=${rootovl_into% copied}
                rootovl_say "what the image has in $rootovl_store is copied into RAM"
                ;;
        esac
        mount --bind "$rootovl_own" "$NEWROOT$rootovl_into" \
            || rootovl_die "the storage of containers cannot be mounted at $rootovl_store"
        rootovl_say "$rootovl_store is a tmpfs, for the images of containers; size=$rootovl_room"
    done
    umount /run/netroot/containers && rmdir /run/netroot/containers \
        || rootovl_die "the tmpfs for the storage of containers cannot be moved into the root"
}

# What only an overlay can have, said of a root that is mounted read-write.
rootovl_without_overlay() {
    if rootovl_type=$(rootovl_fstype "$NEWROOT") && [ -s "$NEWROOT/usr/lib/netroot/file-capabilities" ]; then
        case $rootovl_type in
            nfs*)
                rootovl_say "WARNING: $(rootovl_lines "$NEWROOT/usr/lib/netroot/file-capabilities") file(s) lost their" \
                    "capabilities by NFS (/usr/lib/netroot/file-capabilities), and a read-write root cannot have them again"
                ;;
        esac
    fi
    if getarg rd.netroot.machineid= > /dev/null; then
        rootovl_say "WARNING: rd.netroot.machineid= needs an overlay: no rootovl on the kernel command line"
    fi
}

# rootovlcfg=a,b: lays /etc/rootovl/a, then /etc/rootovl/b of the image over the root.
rootovl_configure() {
    for rootovl_name in $(getargs rootovlcfg= | tr , ' '); do
        case $rootovl_name in
            */* | . | ..) rootovl_die "rootovlcfg=$rootovl_name is not a name below /etc/rootovl" ;;
        esac
        rootovl_from=$(rootovl_resolve /run/netroot/image "/etc/rootovl/$rootovl_name") \
            || rootovl_die "rootovlcfg=$rootovl_name: too many symlinks"
        [ -d "/run/netroot/image$rootovl_from" ] \
            || rootovl_die "rootovlcfg=$rootovl_name: the image has no directory /etc/rootovl/$rootovl_name"
        rootovl_why=$(rootovl_lay "/run/netroot/image$rootovl_from" "$NEWROOT" 2>&1) \
            || rootovl_die "rootovlcfg=$rootovl_name: $rootovl_why"
        rootovl_say "/etc/rootovl/$rootovl_name is laid over the root"
    done
}

# Lays the files of archives that were appended to the initramfs over the root.
rootovl_side_load() {
    [ -d /netroot/overlay ] || return 0
    rootovl_why=$(rootovl_lay /netroot/overlay "$NEWROOT" 2>&1) || rootovl_die "side-load: $rootovl_why"
    rootovl_say "the side-load is laid over the root"
}

# Gives root the password of a side-load.
rootovl_set_password() {
    [ -f /netroot/root-password ] || return 0
    rootovl_why=$(rootovl_password /netroot/root-password "$NEWROOT" 2>&1) \
        || rootovl_die "side-load: root's password: $rootovl_why"
    rm -f /netroot/root-password
    rootovl_say "root has the password of the side-load"
}

# Looks for init as dracut will. Without init dracut itself would end in a shell.
rootovl_find_init() {
    rootovl_init=$(getarg init=) || rootovl_init=
    : "${rootovl_init:=${rootovl_usual_init:-/sbin/init}}"
    rootovl_path=$(rootovl_resolve "$NEWROOT" "$rootovl_init") && [ -x "$NEWROOT$rootovl_path" ] \
        || rootovl_die "no init: $rootovl_init is not an executable file in the root"
}

# Both layers stay visible in the running system.
rootovl_show_layers() {
    # A /live that is a symlink leads out of the root here, and then to a directory that goes with the initramfs.
    rootovl_live=$(rootovl_place "$NEWROOT" /live) \
        && mkdir -p "$rootovl_live/image" "$rootovl_live/cow" \
        && mount --bind /run/netroot/image "$rootovl_live/image" \
        && mount -o remount,bind,ro "$rootovl_live/image" \
        && mount --bind /run/netroot/tmpfs/upper "$rootovl_live/cow" \
        && umount /run/netroot/image \
        && umount /run/netroot/tmpfs \
        || rootovl_die "the layers cannot be mounted at /live/image and /live/cow"
    rmdir /run/netroot/image /run/netroot/tmpfs
}
