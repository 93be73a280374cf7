#!/bin/sh
# dracut hook (cmdline): limits for livenet, which would try for a quarter of an hour, and would wait forever for a
# silent server.
export RETRIES=2 SLEEP=2
mkdir -p /run/initramfs/url-lib /run/netroot
# This directory is url-lib's CURL_HOME. curl overwrites the log with each attempt.
printf '%s\n' 'silent' 'show-error' 'connect-timeout = 10' 'speed-limit = 1024' 'speed-time = 20' 'stderr = "/run/netroot/curl.log"' \
    > /run/initramfs/url-lib/.curlrc
