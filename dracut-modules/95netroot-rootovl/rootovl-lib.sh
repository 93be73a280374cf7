#!/bin/sh
# Functions of dracut's hook rootovl.sh. Sourcing has no side effects, so they can be tested anywhere.

# rootovl_tell PRIORITY TEXT: writes one line to all consoles, and dmesg. It begins with "rootovl: ", or with what
# $rootovl_speaker names. The kernel refuses a line of more than 976 bytes, and would take each line of a text for a
# message of its own, with another priority.
rootovl_tell() {
    rootovl_text=$2
    [ "${#rootovl_text}" -le 900 ] || rootovl_text=$(printf '%.900s ...' "$rootovl_text")
    while :; do
        case $rootovl_text in
            *"$rootovl_newline"*) rootovl_text="${rootovl_text%%"$rootovl_newline"*}; ${rootovl_text#*"$rootovl_newline"}" ;;
            *) break ;;
        esac
    done
    printf '<%s>%s: %s\n' "$1" "${rootovl_speaker:-rootovl}" "$rootovl_text" > /dev/kmsg
}
rootovl_newline='
'

rootovl_say() {
    rootovl_tell 29 "$*"
}

# For what must be seen with "quiet" on the kernel command line too.
rootovl_warn() {
    rootovl_tell 27 "$*"
}

# Prints the reason on the console as the last thing that happens. There is no shell that hides it, unless rd.shell asks
# for one, and no loop that scrolls it away. With panic=SECONDS on the kernel command line it reboots, as after a kernel
# panic.
rootovl_die() {
    rootovl_tell 24 "FATAL: $*"
    rootovl_tell 24 "this machine stops here"
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

# rootovl_place ROOT PATH: prints where PATH of the running system is now: in ROOT, or in the /run that it takes over, which
# hides that of ROOT.
rootovl_place() (
    path=$(rootovl_resolve "$1" "$2") || { echo "$2: too many symlinks" >&2; exit 1; }
    case $path in
        /run/*) ;;
        *) path=$1$path ;;
    esac
    printf '%s\n' "$path"
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
