#!/bin/sh
# Functions for a netroot=iscsi:, used by the hooks on dracut's own way. Sourcing has no side effects. Needs
# rootovl-lib.sh, netroot-wait.sh, and parse_iscsi_root of dracut's net-lib.sh.

# shellcheck disable=SC2034,SC2154  # wait_why is netroot-wait.sh's, the other names are parse_iscsi_root's or the caller's

# iscsi_target NETROOT: sets what parse_iscsi_root sets, iscsi_portal, and iscsi_whom, the server for the console.
iscsi_target() {
    parse_iscsi_root "$1" && [ -n "$iscsi_target_ip" ] || return 1
    case $iscsi_target_ip in
        *:*) iscsi_portal="[$iscsi_target_ip]:${iscsi_target_port:-3260}" ;;
        *) iscsi_portal="$iscsi_target_ip:${iscsi_target_port:-3260}" ;;
    esac
    iscsi_whom="the iSCSI server $iscsi_target_ip, port ${iscsi_target_port:-3260}"
}

# iscsi_answers: whether anybody answers at iscsi_portal. Asks for the list of targets, and keeps nothing of it.
iscsi_answers() {
    iscsi_status=0
    iscsi_said=$(timeout 10 iscsiadm -m discovery -t st -o nonpersistent -p "$iscsi_portal" 2>&1) || iscsi_status=$?
    ! iscsi_silent "$iscsi_status" "$iscsi_said"
}

# iscsi_silent STATUS WORDS: whether the iscsiadm that ended with STATUS and said WORDS found nobody. Sets wait_why.
iscsi_silent() {
    case $2 in
        *'cannot make connection'* | *'annot resolve'*)
            wait_why=${2#*cannot make connection to *: }
            wait_why=${wait_why%%
*}
            return 0
            ;;
    esac
    wait_why='no answer'
    # ISCSI_ERR_TRANS, ISCSI_ERR_TRANS_TIMEOUT (iscsiadm(8)), timeout(1)
    [ "$1" -eq 4 ] || [ "$1" -eq 8 ] || [ "$1" -eq 124 ]
}
