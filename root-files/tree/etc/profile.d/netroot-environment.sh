# shellcheck shell=sh
# The environment of the root: what the image that it began with sets (ENV), the recipe's %environment, and what %post
# added to it. As in Apptainer, the image's PATH goes before the directories that are in PATH already.
netroot_path=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
for netroot_file in /.singularity.d/env/*.sh; do
    if [ -f "$netroot_file" ] && [ -r "$netroot_file" ]; then
        # shellcheck disable=SC1090 # an image's own
        . "$netroot_file"
    fi
    case $netroot_file in
        */10-docker2singularity.sh | */10-docker.sh) ;;
        *) continue ;;
    esac
    netroot_rest=$netroot_path:
    while [ -n "$netroot_rest" ]; do
        netroot_folder=${netroot_rest%%:*}
        netroot_rest=${netroot_rest#*:}
        case :$PATH: in
            *:"$netroot_folder":*) ;;
            *) [ -z "$netroot_folder" ] || PATH=${PATH:+$PATH:}$netroot_folder ;;
        esac
    done
    export PATH
done
unset netroot_path netroot_file netroot_rest netroot_folder
