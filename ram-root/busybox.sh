#!/bin/sh
# What busybox's commands lack of those that the functions of netroot-rootovl call, and what dracut's library gives them.
# Sourcing has no side effects but these functions.
# shellcheck disable=SC2317  # those functions call them

# cp: `cp -a --remove-destination` of busybox 1.35 writes through a symlink that it should replace.
cp() {
    case "$1 ${2-} ${3-}" in
        '-a --remove-destination --no-target-directory')
            rm -f -- "$5" && command cp -a -T -- "$4" "$5"
            ;;
        *) command cp "$@" ;;
    esac
}

# busybox_like FORMAT ARGUMENTS...: what stat(1) says of FILE in --reference=FILE; fails where there is no such argument.
busybox_like() {
    case $2 in
        --reference=*) stat -c "$1" -- "${2#*=}" ;;
        *) return 1 ;;
    esac
}

chown() {
    if busybox_like=$(busybox_like %u:%g "$1"); then
        shift
        command chown -h "$busybox_like" "$@"
    else
        command chown "$@"
    fi
}

chmod() {
    if busybox_like=$(busybox_like %a "$1"); then
        shift
        command chmod "$busybox_like" "$@"
    else
        command chmod "$@"
    fi
}

# getargs NAME=: prints each value of the argument on the kernel command line, one on each line. Fails if there is none.
# The words there are divided by blanks. A word in double quotes may have blanks in it (kernel-parameters.txt).
getargs() (
    set -f
    found=1 quoted=
    read -r line < "${busybox_command_line:-/proc/cmdline}"
    # Blanks between double quotes become a byte that no command line has.
    blank=$(printf '\001')
    rest=$line line=
    while :; do
        case $rest in
            *'"'*)
                part=${rest%%'"'*} rest=${rest#*'"'}
                [ -z "$quoted" ] || part=$(printf '%s' "$part" | tr ' ' '\001')
                line=$line$part
                if [ -n "$quoted" ]; then quoted= ; else quoted=yes; fi
                ;;
            *)
                line=$line$rest
                break
                ;;
        esac
    done
    for word in $line; do
        # Behind -- come the arguments of init.
        [ "$word" != -- ] || break
        case $word in
            "$1"*)
                found=0
                word=${word#"$1"}
                while :; do
                    case $word in
                        *"$blank"*) word="${word%%"$blank"*} ${word#*"$blank"}" ;;
                        *) break ;;
                    esac
                done
                printf '%s\n' "$word"
                ;;
        esac
    done
    exit "$found"
)

# getarg NAME=: prints the last value. Fails if there is none.
getarg() (
    values=$(getargs "$1") || exit 1
    printf '%s\n' "${values##*"
"}"
)

# getargbool DEFAULT NAME: whether the argument is set: alone, or to something else than 0, no or off.
getargbool() (
    set -f
    value=$1
    read -r line < "${busybox_command_line:-/proc/cmdline}"
    for word in $line; do
        [ "$word" != -- ] || break
        case $word in
            "$2") value=1 ;;
            "$2"=*) value=${word#*=} ;;
        esac
    done
    case $value in
        0 | no | off) exit 1 ;;
    esac
)

# emergency_shell -n NAME TEXT: a shell on the console; the machine goes on to stop when it ends.
emergency_shell() {
    echo "$3"
    sh -i
}
