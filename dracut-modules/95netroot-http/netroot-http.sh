#!/bin/sh
# Functions for a root=live:http://, used by the short way (netroot-direct) and by the hooks on dracut's own way.
# Sourcing has no side effects. Needs rootovl-lib.sh and dracut-lib.sh.

# The MiB that a system needs beside its image until it is up, for its processes and the upper.
http_margin=128

# http_size_of_headers: prints the last Content-Length of the HTTP headers on standard input, in bytes, or nothing.
http_size_of_headers() (
    size=
    while read -r name value || [ -n "$name" ]; do
        case $name in
            HTTP/*) size= ;;
            [Cc]ontent-[Ll]ength:)
                value=${value%"$(printf '\r')"}
                case $value in
                    '' | *[!0-9]*) ;;
                    *) size=$value ;;
                esac
                ;;
        esac
    done
    echo "$size"
)

# http_image_bytes URL: prints rd.netroot.image= of the kernel command line, or else the size that the server reports,
# or nothing.
http_image_bytes() {
    if http_argument=$(getarg rd.netroot.image=); then
        case $http_argument in
            '' | *[!0-9]* | ????????????????*) rootovl_die "rd.netroot.image=$http_argument is not a size in bytes" ;;
        esac
        echo "$http_argument"
    else
        curl -q -sIL --connect-timeout 10 --max-time 20 "$1" 2> /dev/null | http_size_of_headers
    fi
}

# http_available FILE: prints MemAvailable in MiB, from a file like /proc/meminfo.
http_available() (
    while read -r name value _; do
        if [ "$name" = MemAvailable: ]; then
            echo "$((value / 1024))"
            break
        fi
    done < "$1"
)

# http_too_small BYTES MIB: prints why an image of so many bytes does not fit into so much free RAM; fails if it fits.
http_too_small() (
    image=$((($1 + 1048575) / 1048576))
    [ "$((image + http_margin))" -gt "$2" ] || exit 1
    echo "too little RAM: the image takes $image MiB, a running system at least $http_margin MiB more," \
        "and $2 MiB are free; give this machine more memory, or boot it by nfs or nbd"
)

# http_check_ram BYTES: dies if the image does not fit.
http_check_ram() {
    [ -n "$1" ] || return 0
    if http_why=$(http_too_small "$1" "$(http_available /proc/meminfo)"); then
        rootovl_die "$http_why"
    fi
}

# http_room BYTES MIB: prints the KiB that a fetch may take: the size of the image, or if nobody knows it, the part of
# the free RAM that the system can spare. An image that is larger than announced therefore ends the fetch and not the
# machine.
http_room() {
    if [ -n "$1" ]; then
        echo "$(($1 / 1024 + 1024))"
    elif [ "$2" -gt "$http_margin" ]; then
        echo "$((($2 - http_margin) * 1024))"
    else
        echo 1024
    fi
}

# http_failed LOG: whether curl has given up.
http_failed() (
    while read -r line || [ -n "$line" ]; do
        case $line in
            *curl:*) exit 0 ;;
        esac
    done 2> /dev/null < "$1"
    exit 1
)

# http_reason URL LOG: prints in one line why the image did not come, from curl's messages.
http_reason() {
    http_said=
    while read -r http_line || [ -n "$http_line" ]; do
        case $http_line in
            *curl:*) http_said=${http_line##*curl: } ;;
        esac
    done < "$2"
    case $http_said in
        # Writing failed: the room above was too small.
        '(23)'*) http_said="$http_said (it is larger than announced, or than the free RAM)" ;;
    esac
    echo "the image $1 cannot be fetched: ${http_said:-no answer}"
}

# http_check_size FILE BYTES URL: dies if the file has another size.
http_check_size() {
    [ -n "$2" ] || return 0
    http_got=$(stat -c %s "$1")
    [ "$http_got" = "$2" ] \
        || rootovl_die "the image $3 has $http_got bytes, and $2 were expected: is it the image of another generation?"
}

# http_mount URL NEWROOT: fetches and mounts, or dies with the reason.
http_mount() {
    modprobe -abq loop squashfs
    http_bytes=$(http_image_bytes "$1")
    http_check_ram "$http_bytes"
    mkdir -p /run/netroot/ram
    http_limit=$(http_room "$http_bytes" "$(http_available /proc/meminfo)")
    mount -t tmpfs -o "mode=0755,size=${http_limit}k" netroot-image /run/netroot/ram \
        || rootovl_die "no tmpfs of $http_limit KiB for the image"
    curl -q --globoff --location --fail --show-error --silent --retry 3 --retry-connrefused --retry-delay 2 \
        --connect-timeout 10 --speed-limit 1024 --speed-time 20 --stderr /run/netroot/curl.log \
        --output /run/netroot/ram/root.squashfs "$1" || rootovl_die "$(http_reason "$1" /run/netroot/curl.log)"
    http_check_size /run/netroot/ram/root.squashfs "$http_bytes" "$1"
    mount -t squashfs -o loop,ro /run/netroot/ram/root.squashfs "$2" \
        || rootovl_die "the image $1 cannot be mounted: it is not a complete squashfs image"
    mount -o remount,ro /run/netroot/ram
}
