#!/bin/bash
# The parts of scripts/bench that boot machines; sourced by it.
# shellcheck disable=SC2154  # scripts/bench sets netroot, new, work, ganesha

# check N WAY LABEL OPTION...: makes the boot check of round N by that way, unless another part has made it, and sets
# $report to its file. A check that fails still gives a row, and a line in the notes; the exit status of the script
# says so at the end.
check() {
    local n=$1 way=$2 label=$3 log
    report=$work/boots/$n-$label-${way// /-}.json
    log=${report%.json}.log
    [ ! -e "$report" ] || return 0
    step "boot: round $n, $label, $way"
    "$netroot" test "$label" --hosts "$new/hosts.conf" --generation "$(basename "$(generation "$label")")" --json \
        "${@:4}" >"$report" 2>"$log" || {
        failures=$((failures + 1))
        tail -n 5 "$log" >&2
        echo "- round $n, $label, $way: FAILED, $(table failed "$report"); see $log" | tee -a "$work/notes" >&2
    }
}

# check_way N LABEL TRANSPORT FORM FIRMWARE LOADER
check_way() { check "$1" "$3 $4 $5 $6" "$2" --transport "$3" --form "$4" --firmware "$5" --loader "$6"; }

notes() {
    [ ! -s "$work/notes" ] || { echo && cat "$work/notes"; }
}

bench_boot() {
    local root n netroot_report ganesha_report
    have bench
    have plain
    root=$(generation bench)/root
    start_ganesha "$root"
    : >"$work/notes"
    printf '\nboot, seconds from power-on to kernel, root, multi-user, ssh; ratios of the seconds to ssh\n\n'
    echo "| pair | netroot | the same root by ganesha | dracut defaults, nothing masked | ratio | ratio |"
    echo "| --- | --- | --- | --- | --- | --- |"
    for n in $(seq "$(pairs_of 2)"); do
        check_way "$n" bench nfs tree bios ipxe
        netroot_report=$report
        check "$n" ganesha bench --nfs-port 22049 --mount-port 22050 --nfs-path "$root" --form tree
        ganesha_report=$report
        check_way "$n" plain nfs tree bios ipxe
        table boots "$n" "$netroot_report" "$ganesha_report" "$report"
    done
    notes
    stop "$ganesha"
}

rows_header() {
    : >"$work/notes"
    printf '\n%s, seconds from power-on\n\n' "$1"
    echo "| way | loader | kernel s | root s | ssh s | server CPU s | boot files MiB | root MiB | client RAM MiB |"
    echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
}

bench_blocks() {
    local n way label size image
    have bench
    have blocks128k
    rows_header "block size of the image, zstd:9"
    for n in $(seq "$(pairs_of 1)"); do
        for way in nfs nbd; do
            for label in blocks128k bench; do
                size="1 MiB"
                [ "$label" = bench ] || size="128 KiB"
                check_way "$n" "$label" "$way" squashfs bios ipxe
                image=$(stat -c %s "$(generation "$label")/root.squashfs")
                table boot "$way, $size blocks, $image bytes" "$report"
            done
        done
    done
    notes
}

bench_transports() {
    local n way
    have bench
    rows_header "transports and firmware"
    for n in $(seq "$(pairs_of 1)"); do
        for way in "nfs tree bios pxelinux" "nfs tree bios ipxe" "nfs squashfs bios ipxe" "nbd squashfs bios ipxe" \
            "http squashfs bios ipxe" "nfs tree uefi grub" "nfs squashfs uefi grub" "nbd squashfs uefi grub" \
            "http squashfs uefi grub"; do
            # shellcheck disable=SC2086 # words
            check_way "$n" bench $way
            table boot "${way% *}" "$report"
        done
    done
    notes
}
