#!/bin/sh
# dracut hook (cmdline): bounds for livenet, which would try for a quarter of an hour, and wait for a silent server for ever.
export RETRIES=2 SLEEP=2
mkdir -p /run/initramfs/url-lib /run/netroot
# url-lib's CURL_HOME. curl overwrites the log with each try.
printf '%s\n' 'silent' 'show-error' 'connect-timeout = 10' 'speed-limit = 1024' 'speed-time = 20' 'stderr = "/run/netroot/curl.log"' \
    > /run/initramfs/url-lib/.curlrc
