#!/bin/bash
# The part archive of scripts/bench; sourced by it.
# shellcheck disable=SC2154  # scripts/bench sets netroot, base, work, tree

# cpio_and TREE FILE COMPRESSOR...: an initramfs as a pipe of programs makes it.
cpio_and() {
    (cd "$1" && find . -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z | cpio --null -o -H newc --quiet) | "${@:3}" >"$2"
}

# archive_as TREE CODEC[:LEVEL]: what cpio and the codec's program take, with a thread a core where it has threads.
archive_as() {
    local with level=${2#*:}
    case $2 in
        zstd:*) with=(zstd -qc "-T$(nproc)" "-$level") ;;
        xz:*) with=(xz -qc --check=crc32 "-T$(nproc)" "-$level") ;;
        gzip:*) with=(gzip -nc "-$level") ;;
        lz4) with=(lz4 -qlc -1) ;;
        none) with=(cat) ;;
    esac
    measure bash -euc 'cpio_and "$@"' bash "$1" "$work/other.archive" "${with[@]}"
}

bench_archive() {
    local against=programs n a b side codec
    if [ -z "$tree" ]; then
        have bench
        tree=$(generation bench)/root
    fi
    [ -z "$base" ] || against=base
    export -f cpio_and
    : >"$work/pairs"
    for codec in ${BENCH_CODECS:-zstd:3 zstd:9 zstd:19 xz:6 gzip:9 lz4 none}; do
        for n in $(seq "$(pairs_of 2)"); do
            step "archive: $codec, pair $n"
            for side in $(turns "$n"); do
                if [ "$side" = netroot ]; then
                    a=$(measure "$netroot" pack "$tree" "$work/netroot.archive" --format initramfs --compression "$codec")
                elif [ -n "$base" ]; then
                    b=$(measure "$base" pack "$tree" "$work/other.archive" --format initramfs --compression "$codec")
                else
                    b=$(archive_as "$tree" "$codec")
                fi
            done
            pair "$codec" "$n" "$a $(stat -c %s "$work/netroot.archive")" "$b $(stat -c %s "$work/other.archive")"
        done
    done
    printf '\narchive: %s files\n' "$(find "$tree" | wc -l)"
    table pairs netroot "$against" "$work/pairs"
    rm -f "$work"/*.archive
}
