#!/bin/bash
# The part pack of scripts/bench; sourced by it.
# shellcheck disable=SC2154  # scripts/bench sets netroot, base, work, tree, more

# mksquashfs_as TREE CODEC[:LEVEL] BLOCK_SIZE: what mksquashfs with its defaults takes.
mksquashfs_as() {
    local options=(-comp "${2%%:*}" -b "$3" -noappend -quiet -no-progress)
    case $2 in
        gzip:* | zstd:*) options+=(-Xcompression-level "${2#*:}") ;;
    esac
    measure mksquashfs "$1" "$work/other.squashfs" "${options[@]}"
}

# packed WHAT N A B: a line for the table, with the sizes of the two images.
packed() {
    if [ -n "$base" ] && ! cmp -s "$work/netroot.squashfs" "$work/other.squashfs"; then
        echo "- $1: the images of netroot and base differ" >>"$work/notes"
    fi
    pair "$1" "$2" "$3 $(stat -c %s "$work/netroot.squashfs")" "$4 $(stat -c %s "$work/other.squashfs")"
}

# cold TREE CODEC BLOCK_SIZE PAIR [WORDS]: one pair of packing all anew.
cold() {
    local a b side options=(--no-cache --compression "$2" --block-size "$3")
    step "pack: $2, $3, pair $4"
    for side in $(turns "$4"); do
        if [ "$side" = netroot ]; then
            a=$(measure "$netroot" pack "$1" "$work/netroot.squashfs" "${options[@]}")
        elif [ -n "$base" ]; then
            b=$(measure "$base" pack "$1" "$work/other.squashfs" "${options[@]}")
        else
            b=$(mksquashfs_as "$1" "$2" "$3")
        fi
    done
    packed "${5:-}$2, $3" "$4" "$a" "$b"
}

# repack_by PROGRAM NAME: packs $tree with a copy of the cache of blocks that the program filled.
repack_by() {
    local found same="is NOT identical"
    rm -rf "$work/blocks"
    cp -a "$work/blocks-$2" "$work/blocks"
    measure "$1" pack "$tree" "$work/$2.squashfs" --cache "$work/blocks"
    found=$(awk '/from the cache/ { print $3 " of " $1 }' "$work/last.log")
    if cmp -s "$work/$2.squashfs" "$work/cold.squashfs"; then same="is identical"; fi
    echo "- repack $what by ${2/other/base}: $found blocks from the cache; the image $same to netroot's cold one" \
        >>"$work/notes"
}

# repack WHAT TREE: pairs of packing a tree with the cache of another state of it.
repack() {
    local n a b side what=$1 tree=$2
    "$netroot" pack "$tree" "$work/cold.squashfs" --no-cache >&2
    for n in $(seq "$(pairs_of 2)"); do
        step "pack: repack $what, pair $n"
        for side in $(turns "$n"); do
            if [ "$side" = netroot ]; then
                a=$(repack_by "$netroot" netroot)
            elif [ -n "$base" ]; then
                b=$(repack_by "$base" other)
            else
                b=$(mksquashfs_as "$tree" zstd:9 1M)
            fi
        done
        packed "repack $what" "$n" "$a" "$b"
    done
}

bench_pack() {
    local against=mksquashfs n
    if [ -z "$tree" ] || [ -z "$more" ]; then
        have bench
        have more
        tree=$(generation bench)/root more=$(generation more)/root
    fi
    [ -z "$base" ] || against=base
    : >"$work/pairs"
    : >"$work/notes"
    for n in $(seq "$(pairs_of 2)"); do
        cold "$tree" zstd:9 1M "$n"
        cold "$tree" zstd:9 128K "$n"
    done
    # The slow codecs and lz4 pack a part of the tree, once.
    for n in "gzip:9 128K" "xz 1M" "lz4 128K"; do cold "$tree/usr/share" "${n% *}" "${n#* }" 1 "usr/share, "; done
    step "pack: filling the cache"
    rm -rf "$work"/blocks* "$work/place"
    cp -a "$tree" "$work/place"
    # The cache does not trust files that changed in the last seconds.
    sleep 3
    "$netroot" pack "$work/place" "$work/netroot.squashfs" --cache "$work/blocks-netroot" >&2
    [ -z "$base" ] || "$base" pack "$work/place" "$work/other.squashfs" --cache "$work/blocks-other" >&2
    # The other tree has one more package (htop); zstd:9, 1 MiB. A new tree has new inodes, so all of it is read.
    repack copy "$more"
    # This changes only the files that differ.
    rsync -aHAX --delete "$more/" "$work/place/" >&2
    sleep 3
    repack "in place" "$work/place"
    printf '\npack: %s files, usr/share %s\n' "$(find "$tree" | wc -l)" "$(find "$tree/usr/share" | wc -l)"
    table pairs netroot "$against" "$work/pairs"
    echo
    sort -u "$work/notes"
    rm -rf "$work"/*.squashfs "$work"/blocks* "$work/place"
}
