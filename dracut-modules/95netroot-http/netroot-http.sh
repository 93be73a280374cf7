#!/bin/sh
# Functions for a root=live:http://, used by the short way (netroot-direct) and by the hooks on dracut's own way.
# Sourcing sets a few variables. Needs rootovl-lib.sh, netroot-wait.sh and dracut-lib.sh.

# Where curl leaves its messages and the headers of an answer. Tests name other places.
: "${http_log:=/run/netroot/curl.log}" "${http_headers:=/run/netroot/http.headers}"

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

# http_server URL: sets http_whom, the server for the console.
http_server() {
    http_rest=${1#*://}
    http_rest=${http_rest%%/*}
    case $http_rest in
        *\]) http_whom="the HTTP server $http_rest, port 80" ;;
        *:*) http_whom="the HTTP server ${http_rest%:*}, port ${http_rest##*:}" ;;
        *) http_whom="the HTTP server $http_rest, port 80" ;;
    esac
}

# http_silent STATUS CODE LOG: whether the curl that ended with STATUS found nobody, or only a proxy whose server is not
# there. CODE is that of HTTP, 000 without an answer. It sets wait_why.
# shellcheck disable=SC2034  # wait_why is netroot-wait.sh's
http_silent() {
    case $1:$2 in
        # Name, connection, time, TLS, an end before the answer (curl(1), "Exit codes").
        5:000 | 6:000 | 7:000 | 28:000 | 35:000 | 52:000 | 55:000 | 56:000) wait_why=$(http_last_words "$3") ;;
        *:502 | *:503 | *:504) wait_why="HTTP status $2" ;;
        *) return 1 ;;
    esac
}

# http_answers URL: whether a server answers. It asks for the headers of the image, which http_image_bytes reads.
http_answers() {
    http_status=0
    http_code=$(curl -q --globoff -sSIL --connect-timeout 10 --max-time 20 --stderr "$http_log" \
        --output "$http_headers" --write-out '%{http_code}' "$1") || http_status=$?
    ! http_silent "$http_status" "$http_code" "$http_log" || return 1
    case $http_code in
        2??) ;;
        # The size is that of a message, or the server refuses to tell it. The fetch brings the reason.
        *) : > "$http_headers" ;;
    esac
}

# http_image_bytes: prints rd.netroot.image= of the kernel command line, or else the size that the server reported to
# http_answers, or nothing.
http_image_bytes() {
    if http_argument=$(getarg rd.netroot.image=); then
        case $http_argument in
            '' | *[!0-9]* | ????????????????*) rootovl_die "rd.netroot.image=$http_argument is not a size in bytes" ;;
        esac
        echo "$http_argument"
    else
        http_size_of_headers < "$http_headers"
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

# http_last_words LOG: prints the last of curl's messages.
http_last_words() {
    http_said=
    while read -r http_line || [ -n "$http_line" ]; do
        case $http_line in
            *curl:*) http_said=${http_line##*curl: } ;;
        esac
    done 2> /dev/null < "$1"
    echo "$http_said"
}

# http_reason URL LOG: prints in one line why the image did not come, from curl's messages.
http_reason() {
    http_said=$(http_last_words "$2")
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

# http_fetch URL FILE: fetches the image, or fails if nobody answers. A transfer that stands still is begun again three
# times. Any other failure is an end with the reason.
http_fetch() {
    for http_times in 1 2 3 4; do
        http_status=0
        http_code=$(curl -q --globoff --location --fail --show-error --silent --connect-timeout 10 \
            --speed-limit 1024 --speed-time 20 --stderr "$http_log" --output "$2" \
            --write-out '%{http_code}' "$1") || http_status=$?
        [ "$http_status" -ne 0 ] || return 0
        ! http_silent "$http_status" "$http_code" "$http_log" || return 1
        # 28: curl's time is over, here that of --speed-time.
        [ "$http_status" -eq 28 ] || break
        [ "$http_times" -eq 4 ] || sleep 2
    done
    rootovl_die "$(http_reason "$1" "$http_log")"
}

# http_mount URL NEWROOT: fetches and mounts, or dies with the reason.
http_mount() {
    modprobe -abq loop squashfs
    http_server "$1"
    # A boot entry of ours names the size, and the fetch itself is the first question.
    getarg rd.netroot.image= > /dev/null || wait_server "$http_whom" http_answers "$1"
    http_bytes=$(http_image_bytes)
    http_check_ram "$http_bytes"
    mkdir -p /run/netroot/ram
    http_limit=$(http_room "$http_bytes" "$(http_available /proc/meminfo)")
    mount -t tmpfs -o "mode=0755,size=${http_limit}k" netroot-image /run/netroot/ram \
        || rootovl_die "no tmpfs of $http_limit KiB for the image"
    wait_server "$http_whom" http_fetch "$1" /run/netroot/ram/root.squashfs
    http_check_size /run/netroot/ram/root.squashfs "$http_bytes" "$1"
    mount -t squashfs -o loop,ro /run/netroot/ram/root.squashfs "$2" \
        || rootovl_die "the image $1 cannot be mounted: it is not a complete squashfs image"
    mount -o remount,ro /run/netroot/ram
}
