#!/bin/sh
# Functions of dracut's hook rootovl.sh. Sourcing has no side effects, so they can be tested anywhere.

# Every message on the console begins with "rootovl: ". /dev/kmsg reaches all consoles, and dmesg.
rootovl_say() {
    echo "<29>rootovl: $*" > /dev/kmsg
}

# Prints the reason on the console as the last thing that happens. There is no shell that hides it, unless rd.shell asks
# for one, and no loop that scrolls it away. With panic=SECONDS on the kernel command line it reboots, as after a kernel
# panic.
rootovl_die() {
    echo "<24>rootovl: FATAL: $*" > /dev/kmsg
    echo "<24>rootovl: this machine stops here" > /dev/kmsg
    if getargbool 0 rd.shell; then
        emergency_shell -n rootovl "rootovl: FATAL: $*"
    fi
    read -r rootovl_panic < /proc/sys/kernel/panic
    if [ "${rootovl_panic:-0}" -ne 0 ]; then
        sleep "${rootovl_panic#-}"
        echo b > /proc/sysrq-trigger
    fi
    while :; do sleep 3600; done
}

# rootovl_fstype MOUNTPOINT: prints the type of the last mount there, from /proc/self/mountinfo. Fails if there is none.
rootovl_fstype() (
    found=
    while read -r _ _ _ _ point rest; do
        [ "$point" = "$1" ] || continue
        rest=${rest#*- }
        found=${rest%% *}
    done < /proc/self/mountinfo
    [ -n "$found" ] && echo "$found"
)

# rootovl_kernel_has FILESYSTEM: whether the kernel has it.
rootovl_kernel_has() (
    while read -r first second; do
        [ "${second:-$first}" != "$1" ] || exit 0
    done < /proc/filesystems
    exit 1
)

# rootovl_resolve ROOT PATH: prints PATH with every symlink resolved as a process in a chroot to ROOT would see it. The
# result begins with / and is relative to ROOT. It never leaves ROOT. A part that does not exist is kept as it is.
rootovl_resolve() (
    root=$1 rest=$2 done='' links=0
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        case $rest in
            */*) rest=${rest#*/} ;;
            *) rest='' ;;
        esac
        case $part in
            '' | .) continue ;;
            ..)
                done=${done%/*}
                continue
                ;;
        esac
        if [ -L "$root$done/$part" ]; then
            links=$((links + 1))
            [ "$links" -le 40 ] || exit 1
            target=$(readlink "$root$done/$part") || exit 1
            case $target in /*) done='' ;; esac
            rest=$target/$rest
        else
            done=$done/$part
        fi
    done
    printf '%s\n' "${done:-/}"
)

# rootovl_copy FROM ROOT PATH: copies the contents of the directory FROM, including dotfiles, into PATH of ROOT, with
# mode, owner, times and symlinks. A directory laid over a symlink goes into the symlink's target. A directory that
# exists keeps its own mode and owner. A file replaces a file or a symlink, but never a directory. Reports errors on
# stderr.
rootovl_copy() (
    from=$1 root=$2 path=$3
    into=$(rootovl_resolve "$root" "$path") || { echo "$path: too many symlinks" >&2; exit 1; }
    if [ ! -d "$root$into" ]; then
        if [ -e "$root$into" ]; then
            echo "$path is a directory here and a file in the root" >&2
            exit 1
        fi
        mkdir -p "$root$into" && chown --reference="$from" "$root$into" && chmod --reference="$from" "$root$into" \
            || exit 1
    fi
    into=${into%/}
    for entry in "$from"/* "$from"/.[!.]* "$from"/..?*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        name=${entry##*/}
        [ "$path$name" != /.rootovldel ] || continue
        if [ -d "$entry" ] && [ ! -L "$entry" ]; then
            rootovl_copy "$entry" "$root" "$into/$name" || exit 1
        elif [ -d "$root$into/$name" ] && [ ! -L "$root$into/$name" ]; then
            echo "$into/$name is a file here and a directory in the root" >&2
            exit 1
        else
            cp -a --remove-destination --no-target-directory "$entry" "$root$into/$name" || exit 1
        fi
    done
)

# rootovl_delete LIST ROOT: deletes the paths in the file LIST, one on each line, relative to ROOT. Symlinks on the way
# are resolved within ROOT. A symlink at the end is itself deleted. A path that does not exist is ignored.
rootovl_delete() (
    root=$2
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            '' | '#'*) continue ;;
        esac
        case /$line/ in
            */../*)
                echo ".rootovldel: $line: '..' is not allowed" >&2
                exit 1
                ;;
        esac
        while :; do
            case $line in
                /*) line=${line#/} ;;
                */) line=${line%/} ;;
                *) break ;;
            esac
        done
        last=${line##*/}
        case $last in
            '' | .)
                echo ".rootovldel: '$line' would delete the root" >&2
                exit 1
                ;;
        esac
        case $line in
            */*) parent=$(rootovl_resolve "$root" "${line%/*}") || exit 1 ;;
            *) parent=/ ;;
        esac
        rm -rf -- "${root:?}${parent%/}/$last" || exit 1
    done < "$1"
)

# rootovl_lay FROM ROOT: deletes what FROM/.rootovldel names, then copies FROM over ROOT.
rootovl_lay() {
    if [ -f "$1/.rootovldel" ]; then
        rootovl_delete "$1/.rootovldel" "$2" || return 1
    fi
    rootovl_copy "$1" "$2" /
}

# rootovl_has_nameserver FILE: whether it names a server.
rootovl_has_nameserver() (
    [ -s "$1" ] || exit 1
    while read -r word _ || [ -n "$word" ]; do
        [ "$word" != nameserver ] || exit 0
    done < "$1"
    exit 1
)

# rootovl_leave_alone RUN DEVICE MAC: keeps network managers away from this interface of the running system. RUN is its
# /run. The files match the MAC address, because udev may give another name. Their names sort before a site's.
rootovl_leave_alone() (
    run=$1 device=$2 mac=$3
    mkdir -p "$run/systemd/network" "$run/NetworkManager/conf.d" "$run/network" \
        "$run/systemd/system/networking.service.d" "$run/systemd/system/ifup@$device.service.d" || exit 1

    # systemd.network(5). Unmanaged=yes is not used: systemd-networkd-wait-online of systemd 252 waits 120 s for such a
    # link.
    printf '%s\n' '[Match]' "MACAddress=$mac" '[Network]' KeepConfiguration=yes DHCP=no IPv6AcceptRA=no \
        > "$run/systemd/network/00-00-netroot-$device.network" || exit 1

    # NetworkManager.conf(5). A site's own list in /etc replaces the list here. It does not replace the section, but the
    # section does not prevent connecting the device by hand.
    printf '%s\n' '[keyfile]' "unmanaged-devices+=mac:$mac" "[device-netroot-$device]" "match-device=mac:$mac" \
        managed=0 > "$run/NetworkManager/conf.d/90-netroot-$device.conf" || exit 1
    # Remove the profiles of a NetworkManager in the initramfs. The running system's NetworkManager would wait 60 s for
    # their device (nm-settings(5), connection.wait-device-timeout).
    rm -rf "$run/NetworkManager/system-connections" || exit 1

    # For ifupdown an interface in both files is up already. It must not take it down at shutdown, before NFS ends.
    echo "$device=$device" >> "$run/network/ifstate" || exit 1
    echo "$device" > "$run/network/ifstate.$device" || exit 1
    excluded=--exclude=lo
    while IFS='=' read -r up _; do excluded="$excluded --exclude=$up"; done < "$run/network/ifstate"
    printf '%s\n' '[Service]' ExecStop= "ExecStop=-/sbin/ifdown -a --read-environment $excluded" \
        > "$run/systemd/system/networking.service.d/90-netroot.conf" || exit 1
    printf '%s\n' '[Service]' ExecStop= > "$run/systemd/system/ifup@$device.service.d/90-netroot.conf"
)

# rootovl_leave_alone_root ROOT DEVICE MAC: the same for managers that read the root itself, if the root has their
# directories.
rootovl_leave_alone_root() (
    # The name sorts after the site's own list, to which this file adds.
    directory=$(rootovl_resolve "$1" /etc/NetworkManager) || exit 1
    if [ -d "$1$directory" ]; then
        directory=$(rootovl_resolve "$1" "$directory/conf.d") && mkdir -p "$1$directory" || exit 1
        rm -f "$1$directory/zz-netroot-$2.conf" || exit 1
        printf '%s\n' '[keyfile]' "unmanaged-devices+=mac:$3" > "$1$directory/zz-netroot-$2.conf" || exit 1
    fi

    # initscripts, and NetworkManager's ifcfg-rh. ONBOOT=no: the interface is up already.
    directory=$(rootovl_resolve "$1" /etc/sysconfig/network-scripts) || exit 1
    [ -d "$1$directory" ] || exit 0
    rm -f "$1$directory/ifcfg-$2" || exit 1
    printf '%s\n' "DEVICE=$2" "HWADDR=$3" NM_CONTROLLED=no ONBOOT=no BOOTPROTO=none > "$1$directory/ifcfg-$2"
)
