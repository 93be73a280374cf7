#!/bin/sh
# dracut hook (cmdline, after nm-config.sh has made the profiles): NetworkManager tries again for as long as it takes,
# and 20 s each time. By itself it tries once, for 90 s.
for wait_file in /run/NetworkManager/system-connections/*.nmconnection; do
    [ -e "$wait_file" ] || continue
    sed -i 's/^autoconnect-retries=.*/autoconnect-retries=0/' "$wait_file"
    getarg rd.net.timeout.dhcp= > /dev/null || sed -i 's/^dhcp-timeout=.*/dhcp-timeout=20/' "$wait_file"
done
unset wait_file
