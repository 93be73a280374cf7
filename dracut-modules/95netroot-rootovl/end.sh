#!/bin/sh
# dracut hook (cleanup, the last one): what start.sh changed is undone before init starts.
cat /run/netroot/randomize_va_space > /proc/sys/kernel/randomize_va_space
rm -f /run/netroot/randomize_va_space
